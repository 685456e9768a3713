"""The one verdict rule: for the line, the command line, the history, evaluations and comparisons alike. No torch."""

import math
from dataclasses import dataclass, replace
from typing import Literal

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


def judge(detection: Detection, calibration: Calibration, rules: RegionRules | None) -> Judgement:
    """The verdict by the picture's score, by the model's region rules where it has some, or by both as these say.

    By rules alone there is no UNSURE: a part breaks them or it does not. `calibration.pixel_threshold`, from which
    regions begin, is reached by at most alpha of good parts, and so rules never raise more false alarms than that.
    Raises CalibrationError for a score that is not a finite number.
    """
    by_score = calibration.judge(detection.score)
    found = find_regions(detection.score_map, calibration.pixel_threshold)
    regions = tuple(_held_against(region, detection.score_map, calibration, rules) for region in found)
    is_broken = any(region.section is not None for region in regions)
    verdict: Verdict = by_score
    if is_broken:
        verdict = "NG"
    elif rules is not None and rules.verdict == "rules":
        verdict = "OK"
    if verdict == "NG" and not regions:
        hot_spot = find_regions(detection.score_map, hot_spot_threshold(detection.score_map, calibration))[:1]
        regions = tuple(_held_against(region, detection.score_map, calibration, None) for region in hot_spot)
    return Judgement(verdict, calibration.normalise(detection.score), regions)


def hot_spot_threshold(score_map: ScoreMap, calibration: Calibration) -> float:
    """Above it lies the spot to look at when a part is NG by its score while its smoothed map stays just below the
    pixel threshold."""
    return (calibration.pixel_median + score_map.maximum) / 2


def _held_against(region: Region, score_map: ScoreMap, calibration: Calibration, rules: RegionRules | None) -> Region:
    """The region on the normalised scale, with the section whose limits it breaks."""
    peak, strength = (float(calibration.normalise_map(raw)) for raw in (region.peak, region.strength))
    section = None
    if rules is not None:
        middle_x = score_map.left + (score_map.width - 1) / 2
        middle_y = score_map.top + (score_map.height - 1) / 2
        section = rules.broken(
            distance_px=math.hypot(region.centre_x - middle_x, region.centre_y - middle_y),
            area_px=region.area_px,
            strength=strength,
            side_px=min(score_map.height, score_map.width),
        )
    return replace(region, peak=peak, strength=strength, section=section)
