"""The one verdict rule: for the line, the command line, the history, evaluations and comparisons alike. No torch."""

import math
from dataclasses import dataclass, replace
from typing import Literal, Self

from ml.calibration import Calibration
from ml.maps import Detection, Region, ScoreMap, find_regions
from ml.region_rules import RegionRules

Verdict = Literal["OK", "UNSURE", "NG"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A detection held against its model: `regions` have normalised peaks and strengths, the highest peak first, and
    tell the section of the rules that they break."""

    verdict: Verdict
    normalised_score: float
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class FoundRegions:
    """The regions of one map with peaks and strengths on the normalised scale, the highest peak first, and the middle
    (in picture pixels) and shorter side of what is looked at: what any region rules are held against.
    """

    regions: tuple[Region, ...]
    middle_x: float
    middle_y: float
    side_px: int

    @classmethod
    def of(cls, score_map: ScoreMap, calibration: Calibration, threshold: float | None = None) -> Self:
        """Regions from the raw `threshold` on, the calibration's pixel threshold unless given."""
        level = calibration.pixel_threshold if threshold is None else threshold
        return cls(
            tuple(_normalised(region, calibration) for region in find_regions(score_map, level)),
            middle_x=score_map.left + (score_map.width - 1) / 2,
            middle_y=score_map.top + (score_map.height - 1) / 2,
            side_px=min(score_map.height, score_map.width),
        )

    def against(self, rules: RegionRules | None) -> tuple[Region, ...]:
        """The regions, each with the section whose limits it breaks."""
        if rules is None:
            return self.regions
        return tuple(replace(region, section=self._section(region, rules)) for region in self.regions)

    def break_rules(self, rules: RegionRules | None) -> bool:
        """Whether any region breaks the limits of its section."""
        return rules is not None and any(self._section(region, rules) is not None for region in self.regions)

    def _section(self, region: Region, rules: RegionRules) -> int | None:
        return rules.broken(
            distance_px=math.hypot(region.centre_x - self.middle_x, region.centre_y - self.middle_y),
            area_px=region.area_px,
            strength=region.strength,
            side_px=self.side_px,
        )


def judge(detection: Detection, calibration: Calibration, rules: RegionRules | None) -> Judgement:
    """The verdict by the picture's score, by the model's region rules where it has some, or by both as these say.

    `calibration.pixel_threshold`, from which regions begin, is reached by at most alpha of good parts, and so rules
    never raise more false alarms than that. Raises CalibrationError for a score that is not a finite number.
    """
    by_score = calibration.judge(detection.score)
    found = FoundRegions.of(detection.score_map, calibration)
    verdict = combined(by_score, breaks_rules=found.break_rules(rules), rules=rules)
    regions = found.against(rules)
    if verdict == "NG" and not regions:
        hot_spot = hot_spot_threshold(detection.score_map, calibration)
        regions = FoundRegions.of(detection.score_map, calibration, hot_spot).regions[:1]
    return Judgement(verdict, calibration.normalise(detection.score), regions)


def combined(by_score: Verdict, *, breaks_rules: bool, rules: RegionRules | None) -> Verdict:
    """The verdict of score and rules together. By rules alone there is no UNSURE: a part breaks them or it does not."""
    if breaks_rules:
        return "NG"
    return "OK" if rules is not None and rules.verdict == "rules" else by_score


def hot_spot_threshold(score_map: ScoreMap, calibration: Calibration) -> float:
    """Above it lies the spot to look at when a part is NG by its score while its smoothed map stays just below the
    pixel threshold."""
    return (calibration.pixel_median + score_map.maximum) / 2


def _normalised(region: Region, calibration: Calibration) -> Region:
    peak, strength = (float(calibration.normalise_map(raw)) for raw in (region.peak, region.strength))
    return replace(region, peak=peak, strength=strength)
