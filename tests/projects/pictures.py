"""Projects with real files, for the tests of what becomes of them."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ml.pictures import encode_png
from station.projects.project import Project, ProjectPicture

ADDED = datetime(2026, 3, 1, tzinfo=UTC)


def write_picture(folder: Path, number: int, side_px: int = 48) -> Path:
    """A grey square with a speck of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).normal(128, 6, (side_px, side_px)).clip(0, 255).astype(np.uint8)
    pixels[side_px // 4 : side_px // 2, side_px // 4 : side_px // 2] += 40
    path = folder / f"part_{number:03}.png"
    path.write_bytes(encode_png(pixels))
    return path


def listed(path: Path, **fields: Any) -> ProjectPicture:
    """A picture of a project."""
    digest = sha256(path.read_bytes()).hexdigest()
    known = {"name": path.name, "file": path, "sha256": digest, "width_px": 48, "height_px": 48, "added_at": ADDED}
    return ProjectPicture(**{**known, **fields})


def project_of(folder: Path, good: int = 6, bad: int = 0, **fields: Any) -> Project:
    """`good` pictures to learn from and `bad` ones to test with."""
    goods = [listed(write_picture(folder, number)) for number in range(good)]
    bads = [listed(write_picture(folder, 100 + number), label="bad", use="test", kind="cut") for number in range(bad)]
    return Project(name="Seat", pictures=(*goods, *bads), **fields)
