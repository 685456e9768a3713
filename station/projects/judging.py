"""A candidate at one threshold and one set of region rules: what it would have called NG, and how sure that is.

No Qt, no torch. Everything is counted in parts: one that several pictures show is NG where any of them is, and an
interval over pictures of the same part would promise more than is known.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ml.artifact import read_manifest, revised
from ml.calibration import Calibration, clopper_pearson
from ml.confusion import ConfusionMatrix
from ml.errors import ModelFileError
from ml.image_metrics import NotMeasurableError, auroc, auroc_interval, average_precision
from ml.judging import Verdict, combined
from ml.region_rules import RegionRules
from ml.score_curves import ScoreCurves
from station.projects.evidence import JUDGED_SUFFIX, Evidence, model_file
from station.projects.flow import Flow
from station.projects.judgement_choices import calibration_of, rules_of
from station.projects.project import Candidate, JudgedCounts

VERDICTS: Final[tuple[Verdict, ...]] = ("OK", "UNSURE", "NG")
"""From the mildest to the worst: a part has the worst of its pictures' verdicts."""

NG: Final = VERDICTS.index("NG")
UNSURE: Final = VERDICTS.index("UNSURE")

Codes = NDArray[np.int8]
"""Places in VERDICTS."""

GoodsFrom = Literal["test", "held-out"]
"""`held-out`: the very parts that gave the threshold, where no other good ones were tested with."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of how many parts, with its 95 % interval (Clopper and Pearson)."""

    events: int
    trials: int

    @property
    def share(self) -> float | None:
        return self.events / self.trials if self.trials else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return clopper_pearson(self.events, self.trials) if self.trials else None


@dataclass(frozen=True, slots=True)
class KindFound:
    """How many of the defective parts with one kind of defect were NG ("" for those without a name)."""

    kind: str
    found: Rate


@dataclass(frozen=True, eq=False)
class Judging:
    """The evidence at `calibration` and `rules`. `codes` are the verdicts of the rows (those of a FAULT say nothing),
    `part_codes` those of the parts."""

    evidence: Evidence
    calibration: Calibration
    rules: RegionRules | None
    codes: Codes
    part_codes: Codes

    @classmethod
    def of(cls, evidence: Evidence, calibration: Calibration, rules: RegionRules | None) -> "Judging":
        """Quick enough to follow a slider over thousands of parts; new rules cost a look at every map's regions."""
        scores = evidence.row_scores
        low = calibration.threshold if calibration.threshold_low is None else calibration.threshold_low
        by_score = (scores >= low).astype(np.int8) + (scores >= calibration.threshold)
        # The one verdict rule, asked once for each of its six cases.
        cases = [
            [VERDICTS.index(combined(verdict, breaks_rules=breaks, rules=rules)) for breaks in (False, True)]
            for verdict in VERDICTS
        ]
        codes = np.array(cases, dtype=np.int8)[by_score, evidence.breaking(rules).astype(np.intp)]
        worst = [max(codes[row] for row in part.rows) for part in evidence.parts]
        return cls(evidence, calibration, rules, codes, np.array(worst, dtype=np.int8))

    @cached_property
    def goods_from(self) -> GoodsFrom:
        return "held-out" if self.evidence.is_bad.all() else "test"

    @cached_property
    def matrix(self) -> ConfusionMatrix:
        """Binary at the threshold: UNSURE counts as normal."""
        return self._matrix(NG)

    @cached_property
    def matrix_line(self) -> ConfusionMatrix:
        """What the line does: only OK passes."""
        return self._matrix(UNSURE)

    @property
    def unsure(self) -> int:
        """Parts of both classes that got UNSURE; held-out ones are among them where they stand in."""
        return self.matrix_line.fp + self.matrix_line.tp - self.matrix.fp - self.matrix.tp

    @property
    def false_alarms(self) -> Rate:
        return Rate(self.matrix.fp, self.matrix.fp + self.matrix.tn)

    @property
    def found(self) -> Rate:
        return Rate(self.matrix.tp, self.matrix.tp + self.matrix.fn)

    @property
    def kinds(self) -> tuple[KindFound, ...]:
        """In the order of the sheet."""
        codes: dict[str, list[int]] = {}
        for part, code in zip(self.evidence.parts, self.part_codes.tolist(), strict=True):
            if part.label == "bad":
                codes.setdefault(part.kind or "", []).append(code)
        return tuple(KindFound(kind, Rate(found.count(NG), len(found))) for kind, found in codes.items())

    @property
    def counts(self) -> JudgedCounts:
        """What the project keeps of it."""
        return JudgedCounts(
            good=self.false_alarms.trials,
            false_alarms=self.false_alarms.events,
            bad=self.found.trials,
            found=self.found.events,
            goods_held_out=self.goods_from == "held-out",
        )

    def false_calls(self) -> tuple[int, ...]:
        """Rows of good parts that are NG, the highest score first."""
        return self._rows("good", lambda code, part: code == NG, lambda score: -score)

    def misses(self) -> tuple[int, ...]:
        """Rows of defective parts that are OK or UNSURE on every picture, the lowest score first."""
        return self._rows("bad", lambda code, part: part != NG, lambda score: score)

    def close_calls(self, number: int) -> tuple[int, ...]:
        """The rows whose scores lie nearest to the threshold."""
        rows = self._rows(None, lambda code, part: True, lambda score: abs(score - self.calibration.threshold))
        return rows[:number]

    def verdict(self, row: int) -> Verdict:
        return VERDICTS[int(self.codes[row])]

    def _matrix(self, from_code: int) -> ConfusionMatrix:
        called, is_bad = self.part_codes >= from_code, self.evidence.is_bad
        found, bad = int((called & is_bad).sum()), int(is_bad.sum())
        if self.goods_from == "test":
            false_alarms, good = int((called & ~is_bad).sum()), int((~is_bad).sum())
        else:
            false_alarms, good = self._held_out_called(from_code), self.calibration.n_groups
        return ConfusionMatrix(tn=good - false_alarms, fp=false_alarms, fn=bad - found, tp=found)

    def _held_out_called(self, from_code: int) -> int:
        """By their scores alone: of their maps only the maxima are kept."""
        if self.rules is not None and self.rules.verdict == "rules":
            return 0
        low = self.calibration.threshold_low
        level = low if from_code == UNSURE and low is not None else self.calibration.threshold
        return int((self.calibration.part_scores >= level).sum())

    def _rows(
        self, label: str | None, wanted: Callable[[int, int], bool], order: Callable[[float], float]
    ) -> tuple[int, ...]:
        """`wanted` takes the verdicts of the row and of its part, as codes; `order` the score."""
        rows = self.evidence.rows
        found = (
            (order(score), number)
            for part, part_code in zip(self.evidence.parts, self.part_codes.tolist(), strict=True)
            if label in (None, part.label)
            for number in part.rows
            if wanted(int(self.codes[number]), part_code) and (score := rows[number].score) is not None
        )
        return tuple(number for _, number in sorted(found))


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """How well the scores tell good from bad at any threshold; None with the reason where that cannot be told.

    The good parts are those of the test, or the held-out ones where there are none (`goods_from`).
    """

    goods_from: GoodsFrom
    good: NDArray[np.float64]
    bad: NDArray[np.float64]
    curves: ScoreCurves | None = None
    auroc: float | None = None
    auroc_interval: tuple[float, float] | None = None
    average_precision: float | None = None
    reason: str = ""

    @classmethod
    def of(cls, evidence: Evidence) -> "Ranking":
        """Takes seconds the first time: scikit-learn is imported."""
        bad, good = evidence.scores[evidence.is_bad], evidence.scores[~evidence.is_bad]
        goods_from: GoodsFrom = "test" if len(good) else "held-out"
        if not len(good):
            good = evidence.manifest.calibration.part_scores
        try:
            curves = ScoreCurves.of(good, bad)
        except NotMeasurableError as error:
            return cls(goods_from, good, bad, reason=str(error))
        truths = np.append(np.zeros(len(good), np.bool_), np.ones(len(bad), np.bool_))
        scores = np.append(good, bad)
        return cls(
            goods_from,
            good,
            bad,
            curves,
            auroc(truths, scores),
            auroc_interval(truths, scores),
            average_precision(truths, scores),
        )


def judged(evidence: Evidence, candidate: Candidate) -> Judging:
    """The candidate as it would be deployed now. Raises CalibrationError."""
    manifest = evidence.manifest
    return Judging.of(evidence, calibration_of(candidate, manifest.calibration), rules_of(candidate, manifest))


def final_model(flow: Flow, candidate: Candidate) -> Path:
    """The model file to deploy: the trained one, or a version of it with the threshold, band and rules chosen since,
    written beside it. Reads and writes whole models: not for the GUI thread. Raises TrainingError, ModelFileError and
    CalibrationError.
    """
    trained = model_file(flow.candidate_folder(candidate.id))
    manifest = read_manifest(trained)
    calibration, rules = calibration_of(candidate, manifest.calibration), rules_of(candidate, manifest)
    if calibration == manifest.calibration and rules == manifest.rules:
        return trained
    version = trained.with_name(trained.stem + JUDGED_SUFFIX)
    if not _holds(version, calibration, rules, manifest.tensors_sha256):
        revised(trained, version, calibration, rules)
    return version


def _holds(version: Path, calibration: Calibration, rules: RegionRules | None, tensors_sha256: str) -> bool:
    if not version.exists():
        return False
    try:
        written = read_manifest(version)
    except ModelFileError:
        return False
    return (written.calibration, written.rules, written.tensors_sha256) == (calibration, rules, tensors_sha256)


def in_order_of_trouble(kinds: Iterable[KindFound]) -> tuple[KindFound, ...]:
    """The kinds of which the smallest share is found stand first."""
    return tuple(sorted(kinds, key=lambda one: (one.found.share or 0.0, -one.found.trials)))
