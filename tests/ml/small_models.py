"""Small pictures of one made-up part, and training orders that take a second."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.catalogue import METHODS
from ml.detector import Detector
from ml.job import TrainingJob
from ml.methods.base import Method
from ml.pictures import encode_png
from ml.runtime.torch_runtime import TorchRuntime

QUICK = {
    "patchcore": {"coreset_cap": 200, "candidates": 4000},
    "padim": {"channels": 50},
    "spade": {"nearest_pictures": 3},
    "dfr": {"steps": 30, "batch": 256},
    # The published smoothing of 7 px draws what is nearer than that to the border onto it.
    "riad": {
        "width": 4,
        "crop_px": 64,
        "steps": 60,
        "batch": 2,
        "learning_rate": 0.005,
        "cell_sides_px": (4, 16),
        "sigma_px": 4.0,
    },
    "efficientad": {"width": 4, "channels": 16, "crop_px": 32, "autoencoder_px": 64, "steps": 60},
    "student_teacher": {"steps": 20, "batch": 2},
    "patch_svdd": {"patch_px": 32, "steps": 2, "batch": 1, "bank_cap": 200},
    "template": {"gallery": 2},
    "ganomaly": {"width": 4, "latent": 16, "steps": 40, "batch": 4},
    "skip_ganomaly": {"width": 4, "latent": 16, "steps": 20, "batch": 4},
    "patch_ganomaly": {"width": 8, "steps": 120, "batch": 16},
    "tl_ganomaly": {"width": 8, "steps": 40, "batch": 16, "patch_px": 32, "stride_px": 8},
    "conv_autoencoder": {"width": 8, "steps": 200, "batch": 16},
    "patch_cnn": {"width": 8, "steps": 150, "batch": 32, "learning_rate": 0.003},
}
GEOMETRIES: dict[str, dict[str, int]] = {"whole": {"size": 64}, "patches": {"patch": 64, "stride": 48}}

ONLY_WHOLE = {"template"}
"""Methods that compare a picture as a whole with another have nothing to do with patches, and say so."""

CASES = [
    pytest.param(method, geometry, id=f"{method}-{geometry}")
    for method in METHODS
    for geometry in GEOMETRIES
    if geometry == "whole" or method not in ONLY_WHOLE
]


def part(index: int, height: int = 96, width: int = 128, noise: float = 4.0) -> NDArray[np.uint8]:
    """A smooth coloured surface, the same for every part, under noise of its own: `(height, width, 3)` RGB."""
    surface = np.random.default_rng(7).uniform(60, 180, (4, 5, 3))
    smooth = cv2.resize(surface, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(1000 + index).normal(0, noise, smooth.shape)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def write(path: Path, pixels: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels))
    return path


def write_parts(folder: Path, count: int = 6, height: int = 96, width: int = 128, first: int = 0) -> Path:
    for index in range(count):
        write(folder / f"part{index}.png", part(first + index, height, width))
    return folder


def quick_job(data: Path, out: Path, method: str = "patchcore", geometry: str = "whole", **fields: Any) -> TrainingJob:
    """An order at the smallest useful settings; `fields` overrule."""
    settings = {"parameters": QUICK[method], **GEOMETRIES[geometry], **fields}
    return TrainingJob.checked({"data": data, "out": out, "method": method, **settings})


def method_of(detector: Detector) -> Method:
    """The method of a detector that was loaded with the runtime `torch`."""
    assert isinstance(detector.runtime, TorchRuntime)
    return detector.runtime.method
