"""What an engineer chooses for a candidate: the threshold with its rule and band, and region rules. No Qt, no torch.

What is chosen as the training left it counts as not chosen: the trained model goes on as it is.
"""

from ml.artifact import Manifest
from ml.calibration import Calibration
from ml.region_rules import RegionRules
from ml.threshold_choice import ThresholdChoice, ThresholdRule
from ml.threshold_rules import LabelledParts, choose
from station.projects.project import Candidate


def calibration_of(candidate: Candidate, trained: Calibration) -> Calibration:
    """With what was chosen in judging it. Raises CalibrationError."""
    return trained if candidate.choice is None else trained.with_choice(candidate.choice)


def rules_of(candidate: Candidate, manifest: Manifest) -> RegionRules | None:
    """The region rules in force: those chosen in judging, else those that it was trained with."""
    return None if candidate.without_rules else candidate.rules or manifest.rules


def rule_of(candidate: Candidate, trained: Calibration) -> ThresholdRule:
    """The rule in force."""
    chosen = candidate.choice or trained_choice(trained)
    return ThresholdRule(**chosen.model_dump(exclude={"threshold", "unsure_share"}))


def unsure_share_of(candidate: Candidate, trained: Calibration) -> float | None:
    """Share of the held-out good parts above the begin of UNSURE; None where there is no UNSURE."""
    return (candidate.choice or trained_choice(trained)).unsure_share


def trained_choice(trained: Calibration) -> ThresholdChoice:
    """The threshold and the band that the training gave, as a choice."""
    factor = trained.band_factor
    share = min(factor * trained.alpha, 0.5) if factor and trained.threshold_low is not None else None
    return ThresholdChoice(rule="false_alarms", alpha=trained.alpha, threshold=trained.threshold, unsure_share=share)


def with_rule(candidate: Candidate, rule: ThresholdRule, trained: Calibration, parts: LabelledParts) -> Candidate:
    """The rule carried out on these parts; `manual` keeps the threshold. Raises CalibrationError."""
    share = unsure_share_of(candidate, trained)
    if rule.rule == "manual":
        return by_hand(candidate, calibration_of(candidate, trained).threshold, trained)
    return _with_choice(candidate, choose(rule, trained, parts, share), trained)


def by_hand(candidate: Candidate, threshold: float, trained: Calibration) -> Candidate:
    """At a raw threshold, whatever the rule was. Raises CalibrationError where it lies at the typical good part."""
    share = unsure_share_of(candidate, trained)
    return _with_choice(candidate, ThresholdChoice(rule="manual", threshold=threshold, unsure_share=share), trained)


def with_unsure(candidate: Candidate, share: float | None, trained: Calibration) -> Candidate:
    """UNSURE begins elsewhere, or nowhere; rule and threshold stay."""
    rule, threshold = rule_of(candidate, trained), calibration_of(candidate, trained).threshold
    choice = ThresholdChoice(**rule.model_dump(), threshold=threshold, unsure_share=share)
    return _with_choice(candidate, choice, trained)


def with_region_rules(candidate: Candidate, rules: RegionRules | None, trained: RegionRules | None) -> Candidate:
    """Other region rules, or none."""
    return candidate.model_copy(
        update={
            "rules": None if rules == trained else rules,
            "without_rules": rules is None and trained is not None,
        }
    )


def _with_choice(candidate: Candidate, choice: ThresholdChoice, trained: Calibration) -> Candidate:
    trained.with_choice(choice)  # refuses what cannot be judged by
    return candidate.model_copy(update={"choice": None if choice == trained_choice(trained) else choice})
