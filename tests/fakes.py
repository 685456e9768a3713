"""Hand-written stand-ins for the ports: a detector without torch, a camera from a list, a log that can fail."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ml.artifact import DataFingerprint, Manifest, PictureReference
from ml.calibration import calibrate
from ml.errors import DetectorError
from ml.maps import Detection, ScoreMap
from ml.preprocessing import Preprocessing
from station.core.errors import CameraError, CameraExhaustedError, StorageError
from station.core.frame import Frame, Pixels, Truth
from station.core.inspection import Inspected, Inspection
from station.core.recipe import Recipe
from station.core.recipe_rules import recipe_for

SIDE_PX = 64


def manifest(**changes: object) -> Manifest:
    """A model whose good parts score about 1 and whose threshold lies a little above 2."""
    scores = np.random.default_rng(0).uniform(0.5, 2.0, 150)
    calibration = calibrate(scores, scores, [str(n) for n in range(150)], alpha=0.01, source="5-fold")
    fields: dict[str, object] = {
        "schema_version": 1,
        "name": "fake",
        "method": "patchcore",
        "parameters": {},
        "preprocessing": Preprocessing(
            geometry="whole",
            input_height=SIDE_PX,
            input_width=SIDE_PX,
            window_low=0,
            window_high=255,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        ),
        "calibration": calibration,
        "backbone": None,
        "reference": PictureReference(
            height_px=SIDE_PX,
            width_px=SIDE_PX,
            has_one_size=True,
            is_grey=False,
            bit_depth=8,
            brightness=(0.4, 0.6),
            contrast=(0.2, 0.4),
            focus=(10.0, 20.0),
        ),
        "data": DataFingerprint(files=()),
        "seed": 0,
        "tensors": {},
        "model_hash": "a" * 64,
        "created_utc": "2026-01-01T00:00:00Z",
        "versions": {},
        "tensors_sha256": "b" * 64,
        "thumbnail_sha256": None,
    }
    return Manifest.model_validate(fields | changes)


def pixels(seed: int = 0, side_px: int = SIDE_PX) -> NDArray[np.uint8]:
    """A sharp, well lit picture `(side, side, 3)`."""
    return np.random.default_rng(seed).integers(20, 235, (side_px, side_px, 3), np.uint8)


def frame(seed: int = 0, given_truth: Truth | None = None) -> Frame:
    return Frame(pixels(seed), 8, "fake", name=f"part-{seed}", given_truth=given_truth)


def recipe(**changes: object) -> Recipe:
    return recipe_for(manifest(), "Fake seat", "fake").model_copy(update=changes)


class FakeRuntime:
    title = "Fake runtime 1.0, 2 threads"


class FakeDetector:
    """Scores every picture `score`, hottest in its first cell; counts the calls; fails when told so."""

    runtime = FakeRuntime()
    reference_thumbnail = None

    def __init__(self, score: float = 1.0) -> None:
        self.manifest = manifest()
        self.next_score = score
        self.failure: Exception | None = None
        self.calls = 0

    def score(self, pixels: Pixels, on_partial: Callable[[ScoreMap], None] | None = None) -> Detection:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        cells = np.full((8, 8), 0.1, np.float32)
        cells[0, 0] = np.nan_to_num(self.next_score)
        score_map = ScoreMap.over(cells, pixels.shape[0], pixels.shape[1])
        if on_partial is not None:
            on_partial(score_map)
        return Detection(score=self.next_score, score_map=score_map)

    def run_out_of_memory(self) -> None:
        self.failure = DetectorError("Not enough memory.")


class FakeCamera:
    """Gives the frames it was made with, then is exhausted; `problem` makes every grab fail."""

    name = "fake"

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = list(frames)
        self.problem = ""
        self.triggers = 0
        self.is_open = False

    def open(self) -> None:
        self.is_open = True

    def trigger(self) -> None:
        self.triggers += 1

    def grab(self, timeout_s: float) -> Frame:
        if self.problem:
            raise CameraError(self.problem)
        if not self.frames:
            raise CameraExhaustedError("All pictures have been inspected.")
        return self.frames.pop(0)

    def close(self) -> None:
        self.is_open = False


class FakeLog:
    """Keeps what it is given; the next `failures` calls of `record` fail, all of them with `bug` where there is one."""

    def __init__(self) -> None:
        self.recorded: list[Inspected] = []
        self.failures = 0
        self.refuses_pictures = False
        self.bug: Exception | None = None
        self.is_closed = False

    def prepare(self, frame: Frame) -> None:
        return

    def prepare_map(self, inspected: Inspected) -> None:
        return

    def record(self, inspected: Inspected) -> Inspection:
        if self.bug is not None:
            raise self.bug
        if self.failures > 0 or (self.refuses_pictures and inspected.frame is not None):
            self.failures -= 1
            raise StorageError("Disk nearly full.")
        stored = replace(inspected.inspection, picture_hash="c" * 64 if inspected.frame else None)
        self.recorded.append(replace(inspected, inspection=stored))
        return stored

    def close(self) -> None:
        self.is_closed = True
