"""Demo pictures as a data set on disk, for training the demo recipe and for tests."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from ml.errors import CancelledError
from ml.files import write_atomically
from ml.pictures import encode_png
from ml.progress import Cancelled, Progress, never, silent
from station.capture.demo_line.batch import BATCHES, Batch
from station.capture.demo_line.defects import DEFECT_KINDS, DefectKind
from station.capture.demo_line.rendering import DEFAULT_SIZE_PX, render_part
from station.core.errors import CameraError

_FIRST_INDEX: Final = 1_000_000
"""Beyond every part that the demo line shows: what it inspects has never been trained on."""


def write_demo_dataset(
    folder: Path,
    normals: int,
    seed: int,
    test_good: int = 0,
    test_defects: int = 0,
    size_px: int = DEFAULT_SIZE_PX,
    progress: Progress = silent,
    cancelled: Cancelled = never,
    batch: Batch = BATCHES[1],
) -> None:
    """Write an MVTec layout: `train/good`, `test/good`, `test/KIND` and `ground_truth/KIND/NAME_mask.png`.

    `test_defects` pictures are shared out evenly over the kinds of defect. The folder appears complete or not at all.
    Raises CameraError when `folder` exists and is not empty, or cannot be written, CancelledError when so asked.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CameraError(f"{folder}: there are files already. Choose a new or empty folder for the demo pictures.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write(unfinished, _wanted(normals, test_good, test_defects), seed, size_px, progress, cancelled, batch)
            unfinished.chmod(0o755)
            if folder.exists():
                folder.rmdir()
            unfinished.replace(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise CameraError(f"{folder}: the demo pictures could not be written ({error.strerror}).") from error


def _wanted(normals: int, test_good: int, test_defects: int) -> list[tuple[str, DefectKind | None]]:
    """Folder and defect of each picture."""
    wanted: list[tuple[str, DefectKind | None]] = []
    wanted += [("train/good", None)] * normals + [("test/good", None)] * test_good
    kinds = (DEFECT_KINDS[number % len(DEFECT_KINDS)] for number in range(test_defects))
    return wanted + [(f"test/{kind}", kind) for kind in kinds]


def _write(
    folder: Path,
    wanted: list[tuple[str, DefectKind | None]],
    seed: int,
    size_px: int,
    progress: Progress,
    cancelled: Cancelled,
    batch: Batch,
) -> None:
    for number, (subfolder, kind) in enumerate(wanted):
        if cancelled():
            raise CancelledError("The demo parts were not made: stopped on request.")
        progress("Rendering parts", number, len(wanted))
        pixels, mask = render_part(seed, _FIRST_INDEX + number, kind, size_px, batch=batch)
        name = f"{number:04d}"
        _write_png(folder / subfolder / f"{name}.png", pixels)
        if kind is not None:
            _write_png(folder / "ground_truth" / kind / f"{name}_mask.png", mask.astype(np.uint8) * np.uint8(255))


def _write_png(path: Path, pixels: np.typing.NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, encode_png(pixels))
