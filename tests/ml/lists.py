"""Lists of small pictures for tests."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ml.picture_list import ListedPicture, PictureList
from tests.ml.small_models import part, write


def good(folder: Path, index: int, **fields: Any) -> ListedPicture:
    """A good picture `good INDEX` in a file whose name says nothing, as in a content store."""
    return _listed(folder, index, f"good {index}", part(index), **fields)


def bad(folder: Path, index: int, is_masked: bool = True, **fields: Any) -> ListedPicture:
    """A picture `bad INDEX` with a black square, and its mask."""
    pixels = part(500 + index)
    pixels[20:50, 30:70] = 0
    mask = None
    if is_masked:
        marked = np.zeros(pixels.shape[:2], np.uint8)
        marked[20:50, 30:70] = 255
        mask = write(folder / "masks" / f"{index}.png", marked)
    facts = {"label": "bad", "kind": "hole", "mask": mask, **fields}
    return _listed(folder, 500 + index, f"bad {index}", pixels, **facts)


def listed(folder: Path, pictures: Iterable[ListedPicture]) -> Path:
    """The file of a list."""
    path = folder / "list.json"
    PictureList(pictures=tuple(pictures)).save(path)
    return path


def _listed(folder: Path, number: int, name: str, pixels: Any, **fields: Any) -> ListedPicture:
    file = write(folder / "store" / f"{number:08x}.png", pixels)
    facts = {"sha256": sha256(file.read_bytes()).hexdigest(), **fields}
    return ListedPicture(name=name, file=file, **facts)
