"""How good a model is on labelled pictures: every measure of `ml.image_metrics` and `ml.pixel_metrics`, gathered
picture by picture, in one report. No torch.

Two kinds of number stand side by side. At the stored thresholds: what the station does (`f1`, matrices, `iou`, `dice`,
`region_recall`). Over all thresholds: how well the scores rank (`image_auroc`, `aupro_30`, ...), among them the best F1
that a threshold chosen on these very labels would give (`f1_max`, `pixel_f1_max`: an oracle).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ml import image_metrics, pixel_metrics
from ml.calibration import Calibration
from ml.confusion import ConfusionMatrix, wilson_interval
from ml.errors import PictureError
from ml.image_metrics import NotMeasurableError
from ml.judging import Verdict
from ml.pixel_areas import PixelAreas
from ml.pixel_metrics import AUPIMO_FEW_POINTS, regions_of
from ml.pixel_scores import PixelScores

Truth = Literal["normal", "anomaly"]
Interval = tuple[float, float]

NOTES = (
    "f1_max and pixel_f1_max take their threshold from these very labels: an oracle, not what the station reaches.",
    "iou, dice, pixel_precision and pixel_recall are pooled over all pixels of pictures with known defect area; "
    "iou_per_picture and dice_per_picture are means over defective pictures.",
    "aupro counts the defect-free pixels of all pictures and rescales no axis: not comparable with figures that do.",
)


@dataclass(frozen=True, slots=True)
class KindRecall:
    """How many of the judged parts with one kind of defect were NG, and how many did not pass (NG or UNSURE)."""

    kind: str
    pictures: int
    ng: int
    not_passed: int
    faults: int

    def to_json(self) -> dict[str, Any]:
        judged = self.pictures
        return asdict(self) | {
            "recall": self.ng / judged if judged else None,
            "recall_interval": wilson_interval(self.ng, judged),
            "recall_line": self.not_passed / judged if judged else None,
        }


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Every measure, or None with the reason under its name in `reasons`.

    Shares lie between 0 and 1, latencies are ms, intervals 95 %. `confusion_matrix` is binary at the threshold
    (UNSURE counts as normal), `confusion_matrix_line` counts UNSURE and NG as anomaly; pictures that could not be
    judged (`faults`) are in neither, nor in any other measure.
    """

    normal: int
    anomalous: int
    unsure: int
    faults: int
    fault_pictures: tuple[str, ...]
    without_mask: int
    pixels: int
    threshold: float
    pixel_threshold: float
    confusion_matrix: ConfusionMatrix
    confusion_matrix_line: ConfusionMatrix
    recall_per_kind: tuple[KindRecall, ...]
    image_auroc: float | None = None
    image_auroc_interval: Interval | None = None
    image_ap: float | None = None
    eer: float | None = None
    f1: float | None = None
    f1_max: float | None = None
    f1_max_threshold: float | None = None
    pixel_auroc: float | None = None
    pixel_ap: float | None = None
    pixel_f1_max: float | None = None
    pixel_f1_max_threshold: float | None = None
    aupro_30: float | None = None
    aupro_05: float | None = None
    aupimo: float | None = None
    aupimo_median: float | None = None
    aupimo_per_picture: tuple[tuple[str, float], ...] | None = None
    aupimo_points: int | None = None
    iou: float | None = None
    dice: float | None = None
    pixel_precision: float | None = None
    pixel_recall: float | None = None
    iou_per_picture: float | None = None
    dice_per_picture: float | None = None
    region_recall: float | None = None
    regions: int = 0
    false_regions_per_good: float | None = None
    latency_median_ms: float | None = None
    latency_p95_ms: float | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = NOTES

    def to_json(self) -> dict[str, Any]:
        """All fields by name, for JSON."""
        per_picture = self.aupimo_per_picture
        return {member.name: getattr(self, member.name) for member in fields(self)} | {
            "confusion_matrix": self.confusion_matrix.to_json(),
            "confusion_matrix_line": self.confusion_matrix_line.to_json(),
            "recall_per_kind": [kind.to_json() for kind in self.recall_per_kind],
            "aupimo_per_picture": per_picture and [{"picture": name, "aupimo": value} for name, value in per_picture],
        }


@dataclass(frozen=True, slots=True)
class _Judged:
    """What is kept of one picture beside its pixels."""

    is_anomaly: bool
    kind: str | None
    score: float
    verdict: str
    latency_ms: float | None


class _Measured:
    """Values by the report's field names, and for those that do not exist the reason."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}

    def take(self, name: str, measure: Callable[[], float | Interval]) -> None:
        """Keep what `measure` returns."""
        self.take_all((name,), lambda: (measure(),))

    def take_all(self, names: tuple[str, ...], measure: Callable[[], tuple[Any, ...]]) -> None:
        """Keep what `measure` returns, one value per name."""
        try:
            self.values.update(zip(names, measure(), strict=True))
        except NotMeasurableError as error:
            self.reasons.update(dict.fromkeys(names, str(error)))


class Evaluation:
    """Gathers judged pictures one by one; `report` may be asked at any time.

    Maps may have any size, each its own. `side_px` resizes maps and masks to squares first: the "benchmark" mode for
    comparison with papers that measure at 256 px. Mask regions below `min_region_px` are left out of AUPRO and region
    recall.
    """

    def __init__(self, calibration: Calibration, side_px: int | None = None, min_region_px: int = 1) -> None:
        self._calibration = calibration
        self._side_px = side_px
        self._min_region_px = min_region_px
        self._judged: list[_Judged] = []
        self._faults: list[tuple[str, Truth, str | None]] = []
        self._pixel_scores = PixelScores()
        self._areas = PixelAreas()
        self._without_mask = 0

    def add(
        self,
        *,
        name: str,
        truth: Truth,
        kind: str | None,
        score: float,
        anomaly_map: NDArray[np.float32] | None,
        mask: NDArray[np.bool_] | None,
        latency_ms: float | None = None,
        verdict: Verdict | None = None,
    ) -> None:
        """Add one judged picture: its raw score and raw map `(height, width)`, and the mask of the same size.

        `verdict` is that of `ml.judging.judge`; without it, for scores alone, the calibration's. A good picture needs
        no mask. One with a defect and no mask (or an empty one) is left out of the pixel
        measures. Raises PictureError when map and mask do not fit each other or the truth, or a value is not finite,
        and CalibrationError for a score that is not; nothing is added then.
        """
        by_score = self._calibration.judge(score)
        judged = _Judged(truth == "anomaly", kind, float(score), verdict or by_score, latency_ms)
        if anomaly_map is not None:
            self._check(name, judged.is_anomaly, anomaly_map, mask)
            self._add_pixels(name, judged.is_anomaly, *self._resized(anomaly_map, mask))
        elif judged.is_anomaly:
            self._without_mask += 1
        self._judged.append(judged)

    def add_fault(self, name: str, truth: Truth, kind: str | None) -> None:
        """Count a picture that could not be judged; it enters no measure."""
        self._faults.append((name, truth, kind))

    def report(self) -> EvaluationReport:
        """Measure what was added so far."""
        measured = _Measured()
        self._measure_scores(measured)
        self._measure_pixels(measured)
        self._measure_areas(measured)
        self._measure_latency(measured)
        truths = [judged.is_anomaly for judged in self._judged]
        matrix = ConfusionMatrix.of(truths, [judged.verdict == "NG" for judged in self._judged])
        line = ConfusionMatrix.of(truths, [judged.verdict != "OK" for judged in self._judged])
        if matrix.f1 is None:
            measured.reasons["f1"] = "there is neither a defective picture nor a false call"
        return EvaluationReport(
            normal=truths.count(False),
            anomalous=truths.count(True),
            unsure=sum(judged.verdict == "UNSURE" for judged in self._judged),
            faults=len(self._faults),
            fault_pictures=tuple(name for name, _, _ in self._faults),
            without_mask=self._without_mask,
            pixels=self._pixel_scores.pixels,
            threshold=self._calibration.threshold,
            pixel_threshold=self._calibration.pixel_threshold,
            confusion_matrix=matrix,
            confusion_matrix_line=line,
            recall_per_kind=self._recall_per_kind(),
            regions=self._pixel_scores.regions,
            f1=matrix.f1,
            reasons=measured.reasons,
            notes=NOTES + self._further_notes(measured.values.get("aupimo_points")),
            **measured.values,
        )

    def _check(
        self, name: str, is_anomaly: bool, anomaly_map: NDArray[np.float32], mask: NDArray[np.bool_] | None
    ) -> None:
        if mask is not None and mask.shape != anomaly_map.shape:
            raise PictureError(
                f"{name}: the map is {anomaly_map.shape[1]} x {anomaly_map.shape[0]} px and the mask "
                f"{mask.shape[1]} x {mask.shape[0]} px. Both must have the picture's size."
            )
        if mask is not None and mask.any() and not is_anomaly:
            raise PictureError(f"{name}: is labelled good and has a mask that marks a defect. Correct one of them.")
        if not np.isfinite(anomaly_map).all():
            raise PictureError(f"{name}: the anomaly map holds values that are not finite numbers.")

    def _resized(
        self, anomaly_map: NDArray[np.float32], mask: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        values = np.asarray(anomaly_map, dtype=np.float32)
        mask = None if mask is None else np.asarray(mask, dtype=np.bool_)
        if self._side_px is None:
            return values, mask
        size = (self._side_px, self._side_px)
        values = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
        if mask is not None:
            mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        return values, mask

    def _add_pixels(
        self, name: str, is_anomaly: bool, anomaly_map: NDArray[np.float32], mask: NDArray[np.bool_] | None
    ) -> None:
        predicted = anomaly_map >= np.float32(self._calibration.pixel_threshold)
        if not is_anomaly:
            self._pixel_scores.add_normal(anomaly_map)
            self._areas.add_normal(predicted)
        elif mask is None or not mask.any():
            self._without_mask += 1
        else:
            regions = regions_of(mask, self._min_region_px)
            self._pixel_scores.add_defective(name, anomaly_map, mask, regions)
            self._areas.add_defective(predicted, mask, regions)

    def _measure_scores(self, measured: _Measured) -> None:
        truths = np.array([judged.is_anomaly for judged in self._judged], dtype=np.bool_)
        scores = np.array([judged.score for judged in self._judged], dtype=np.float64)
        measured.take("image_auroc", lambda: image_metrics.auroc(truths, scores))
        measured.take("image_auroc_interval", lambda: image_metrics.auroc_interval(truths, scores))
        measured.take("image_ap", lambda: image_metrics.average_precision(truths, scores))
        measured.take("eer", lambda: image_metrics.equal_error_rate(truths, scores))
        measured.take_all(("f1_max", "f1_max_threshold"), lambda: image_metrics.f1_max(truths, scores))

    def _measure_pixels(self, measured: _Measured) -> None:
        levels = cache(self._pixel_scores.levels)

        def aupimo() -> tuple[Any, ...]:
            found = self._pixel_scores.aupimo()
            return found.mean, found.median, found.per_picture, found.points

        measured.take("pixel_auroc", lambda: pixel_metrics.pixel_auroc(levels()))
        measured.take("pixel_ap", lambda: pixel_metrics.pixel_average_precision(levels()))
        measured.take_all(("pixel_f1_max", "pixel_f1_max_threshold"), lambda: pixel_metrics.pixel_f1_max(levels()))
        measured.take("aupro_30", lambda: pixel_metrics.aupro(levels(), 0.3))
        measured.take("aupro_05", lambda: pixel_metrics.aupro(levels(), 0.05))
        measured.take_all(("aupimo", "aupimo_median", "aupimo_per_picture", "aupimo_points"), aupimo)

    def _measure_areas(self, measured: _Measured) -> None:
        areas = self._areas
        measured.take("iou", lambda: areas.iou)
        measured.take("dice", lambda: areas.dice)
        measured.take("pixel_precision", lambda: areas.precision)
        measured.take("pixel_recall", lambda: areas.recall)
        measured.take_all(("iou_per_picture", "dice_per_picture"), lambda: areas.mean_iou_and_dice)
        measured.take("region_recall", lambda: areas.region_recall)
        measured.take("false_regions_per_good", lambda: areas.false_regions_per_good)

    def _measure_latency(self, measured: _Measured) -> None:
        def median_and_p95() -> tuple[float, ...]:
            latencies = [judged.latency_ms for judged in self._judged if judged.latency_ms is not None]
            if not latencies:
                raise NotMeasurableError("no latency was measured")
            return float(np.median(latencies)), float(np.percentile(latencies, 95))

        measured.take_all(("latency_median_ms", "latency_p95_ms"), median_and_p95)

    def _recall_per_kind(self) -> tuple[KindRecall, ...]:
        kinds = [judged.kind for judged in self._judged if judged.is_anomaly]
        kinds += [kind for _, truth, kind in self._faults if truth == "anomaly"]
        return tuple(self._recall_of(kind) for kind in dict.fromkeys(kinds))

    def _recall_of(self, kind: str | None) -> KindRecall:
        verdicts = [judged.verdict for judged in self._judged if judged.is_anomaly and judged.kind == kind]
        return KindRecall(
            kind=kind or "unnamed",
            pictures=len(verdicts),
            ng=verdicts.count("NG"),
            not_passed=len(verdicts) - verdicts.count("OK"),
            faults=sum((truth, of) == ("anomaly", kind) for _, truth, of in self._faults),
        )

    def _further_notes(self, aupimo_points: int | None) -> tuple[str, ...]:
        pixels = self._pixel_scores
        notes = []
        if 0 < pixels.defect_pixels < 0.01 * pixels.pixels:
            share = pixels.defect_pixels / pixels.pixels
            notes.append(f"pixel_auroc is optimistic: only {share:.2%} of the pixels belong to defects.")
        if pixels.error_bound:
            notes.append(
                f"Pixel measures come from a histogram; pixel_auroc is off by {pixels.error_bound:.1e} at most."
            )
        if self._without_mask:
            notes.append(f"{self._without_mask} defective picture(s) without a mask are left out of pixel measures.")
        if aupimo_points is not None and aupimo_points < AUPIMO_FEW_POINTS:
            notes.append(f"aupimo is coarse: {aupimo_points} integration points, {AUPIMO_FEW_POINTS} are wanted.")
        return tuple(notes)
