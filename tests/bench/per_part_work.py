"""What an inspected part costs beside the network, stage by stage: microseconds on one thread.

python -m tests.bench.per_part_work [--repeats N] [--only TEXT]

For pictures of three sizes, grey and RGB, 8 and 16 bit, whole (256 x 256 input) and in patches (256 px, every 192 px):
the median over the repeats of the thread's own time, so that what else runs on the machine hardly counts. Stages that
are part of another one are indented below it. "decided" is the sum of what lies between the decoded picture and the
verdict with its regions; what is shown and stored comes after that. Scores are drawn, with two spots above the
threshold; the map filter, the region rules and the partial maps of a large picture are not in the sum.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.calibration import Calibration, calibrate
from ml.images import PreparedPicture, prepare
from ml.judging import judge
from ml.map_filter import filtered
from ml.maps import Detection, ScoreMap, find_regions, heat_rgba
from ml.pictures import Pixels, check_pixels
from ml.preprocessing import Preprocessing
from ml.quality import measure, thumbnail_of
from ml.runtime.scores import CellScores, ScoreRule
from ml.scoring import assemble
from station.core.frame import Frame
from station.core.inspector import Inspector
from station.core.presentation import THUMBNAIL_SIDE_PX, PartPresenter, displayed, overlaid
from station.core.recipe import QualityLimits
from station.core.recipe_rules import recipe_for
from tests import fakes

SIZES = ((380, 550), (1024, 1024), (1536, 2048))
INPUT_PX, STRIDE_PX, CELLS = 256, 192, 32
SIGMA_PX = 8.0
KERNEL = np.full((5, 5), 1 / 25, np.float32)
WARM_UPS = 3
ALWAYS_MET = QualityLimits(brightness_min=-1, brightness_max=2, contrast_min=-1, focus_min=-1, likeness_min=-2)

Stages = dict[str, Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Rule:
    """What `assemble` asks of a method."""

    offset_px: tuple[float, float] = (3.0, 3.0)
    sigma_px: float = SIGMA_PX
    score_rule: ScoreRule = "max_smoothed"


class ScoringNothing:
    """A detector that costs nothing: what is left is the inspector's own work."""

    device = "cpu"

    def __init__(
        self,
        detection: Detection,
        calibration: Calibration,
        preprocessing: Preprocessing,
        reference: NDArray[np.float32],
    ) -> None:
        self.manifest = fakes.manifest(calibration=calibration, preprocessing=preprocessing)
        self.reference_thumbnail = reference
        self._detection = detection

    def score(self, pixels: Pixels, on_partial: Callable[[ScoreMap], None] | None = None) -> Detection:
        return self._detection


def main() -> None:
    options = _options()
    cv2.setNumThreads(1)
    for geometry in ("whole", "patches"):
        columns = {}
        for (height, width), channels, bits in product(SIZES, (1, 3), (8, 16)):
            title = f"{width}x{height} {'grey' if channels == 1 else 'RGB'} {bits}"
            if options.only in f"{geometry} {title}":
                columns[title] = _timed(_stages(geometry, _picture(height, width, channels, bits)), options.repeats)
        _print(geometry, columns)


def _stages(geometry: str, pixels: Pixels) -> Stages:
    window = 0.0, float(np.iinfo(pixels.dtype).max)
    preprocessing = _preprocessing(geometry, window)
    prepared = prepare(pixels, preprocessing)
    cells = _cells(prepared.count)
    raw = _joined(prepared, cells)
    smooth = raw.smoothed(SIGMA_PX)
    calibration = _calibration(smooth)
    detection = Detection(smooth.maximum, smooth)
    reference = thumbnail_of(pixels, window)
    detector = ScoringNothing(detection, calibration, preprocessing, reference)
    recipe = recipe_for(detector.manifest, "bench", "bench")
    any_size = recipe.model_copy(update={"width_px": None, "height_px": None, "quality": ALWAYS_MET})
    inspector, frame = Inspector(any_size, detector), Frame(pixels, 8 * pixels.itemsize, "bench")
    inspected = inspector.inspect(frame)
    presenter = PartPresenter(pixels, window, calibration)
    view = presenter.view(smooth, inspected.inspection)
    scored = [(index, CellScores(cells[index : index + 1])) for index in range(prepared.count)]
    height, width = view.picture.shape[:2]
    sampled = smooth.at_size(height, width)
    return {
        "check_pixels": lambda: check_pixels(pixels),
        "prepare": lambda: prepare(pixels, preprocessing),
        "inputs": lambda: _inputs(prepared),
        "assemble": lambda: assemble(Rule(), prepared, scored),
        "  joiner": lambda: _joined(prepared, cells),
        "  ScoreMap checks": lambda: replace(raw),
        "  smoothed": lambda: raw.smoothed(SIGMA_PX),
        "judge, two regions": lambda: judge(detection, calibration, None),
        "  good part": lambda: judge(Detection(0.0, smooth), _out_of_reach(calibration), None),
        "  find_regions": lambda: find_regions(smooth, calibration.pixel_threshold),
        "quality": lambda: measure(pixels, window, reference),
        "inspect": lambda: inspector.inspect(frame),
        "map filter": lambda: filtered(raw, KERNEL),
        "to_bytes": smooth.to_bytes,
        "displayed": lambda: displayed(pixels, window),
        "thumbnail": lambda: displayed(presenter.picture, (0, 255), THUMBNAIL_SIDE_PX),
        "view": lambda: presenter.view(smooth, inspected.inspection),
        "  at_size": lambda: smooth.at_size(height, width),
        "  heat_rgba": lambda: heat_rgba(calibration.normalise_map(sampled)),
        "overlaid": lambda: overlaid(view),
    }


DECIDED = ("check_pixels", "prepare", "inputs", "assemble", "inspect")
"""What lies between picture and verdict; `inspect` holds quality and judging."""


def _timed(stages: Stages, repeats: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in stages}
    for repeat in range(repeats + WARM_UPS):
        for name, work in stages.items():
            began = time.thread_time()
            work()
            if repeat >= WARM_UPS:
                times[name].append((time.thread_time() - began) * 1e6)
    medians = {name: statistics.median(each) for name, each in times.items()}
    return {"decided": sum(medians[name] for name in DECIDED)} | medians


def _print(geometry: str, columns: dict[str, dict[str, float]]) -> None:
    if not columns:
        return
    print(f"\n{geometry:20}" + "".join(f"{title:>18}" for title in columns))
    for name in next(iter(columns.values())):
        print(f"{name:20}" + "".join(f"{each[name]:18.0f}" for each in columns.values()))


def _picture(height: int, width: int, channels: int, bits: int) -> Pixels:
    random = np.random.default_rng(0)
    coarse = random.random((height // 16, width // 16, 3), dtype=np.float32)
    smooth = np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    counts = np.round(smooth * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    return np.ascontiguousarray(counts[..., 0]) if channels == 1 else counts


def _preprocessing(geometry: str, window: tuple[float, float]) -> Preprocessing:
    return Preprocessing.model_validate(
        {
            "geometry": geometry,
            "input_height": INPUT_PX,
            "input_width": INPUT_PX,
            "stride": STRIDE_PX if geometry == "patches" else None,
            "window_low": window[0],
            "window_high": window[1],
            "mean": (0.485, 0.456, 0.406),
            "std": (0.229, 0.224, 0.225),
        }
    )


def _cells(count: int) -> NDArray[np.float32]:
    cells = np.random.default_rng(1).normal(7, 0.5, (count, CELLS, CELLS)).astype(np.float32)
    cells[0, 5:9, 6:9] += 8
    cells[-1, 20:22, 10:16] += 8
    return cells


def _inputs(prepared: PreparedPicture) -> None:
    for index in range(prepared.count):
        prepared.inputs(index, index + 1)


def _joined(prepared: PreparedPicture, cells: NDArray[np.float32]) -> ScoreMap:
    joiner = prepared.joiner((3.0, 3.0))
    for index in range(len(cells)):
        joiner.add(index, cells[index : index + 1])
    return joiner.score_map()


def _calibration(score_map: ScoreMap) -> Calibration:
    """Its threshold lies between the map's background and its spots."""
    middle = (float(np.median(score_map.cells)) + score_map.maximum) / 2
    scores: Sequence[float] = np.linspace(middle - 2, middle, 120).tolist()
    return calibrate(scores, scores, [str(number) for number in range(120)], alpha=0.01, source="5-fold")


def _out_of_reach(calibration: Calibration) -> Calibration:
    return calibration.model_copy(update={"threshold": 1e3, "pixel_threshold": 1e3})


def _options() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--only", default="", help="only columns whose title holds this, e.g. 'whole 550x380 RGB 8'")
    return parser.parse_args()


if __name__ == "__main__":
    main()
