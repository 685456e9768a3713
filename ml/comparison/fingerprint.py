"""What decides a cell, as one hash: the pictures, the order, the seed and the version of Loupe. No torch."""

import json
from collections.abc import Iterator
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ml.comparison.records import RECORD_VERSION, CellJob
from ml.dataset import read_normals, read_tests
from ml.picture_list import ListedPicture, PictureList, is_picture_list
from ml.pictures import list_pictures

NOT_DECISIVE = {"data", "out", "name", "notes", "weights", "defects"}
"""Fields of a training job that say where things are and what they are called. What lies there is hashed instead."""


def data_fingerprint(folder: Path) -> str:
    """SHA-256 over names and contents of training pictures, test pictures and masks; of a list also over what it says.

    Raises TrainingError where `folder` is neither of the MVTec layout nor a list, OSError for a file that cannot be
    read.
    """
    if is_picture_list(folder):
        pictures = PictureList.load(folder).pictures
        return _hash_of({picture.name: _listed_hash(picture) for picture in pictures})
    return _hash_of({path.relative_to(folder).as_posix(): _file_hash(path) for path in _files(folder)})


def cell_key(job: CellJob, data: str) -> str:
    """SHA-256 over everything that decides what the cell finds; `data` is the fingerprint of its data set.

    Raises PictureError for a folder that cannot be listed, OSError for a file that cannot be read.
    """
    training = job.training
    return _hash_of(
        {
            "record": RECORD_VERSION,
            "loupe": version("loupe"),
            "data": data,
            "training": training.model_dump(mode="json", exclude=NOT_DECISIVE),
            "weights": None if training.weights is None else _file_hash(training.weights),
            "defects": _hashes_in(training.defects),
            "templates": _hashes_in(job.template_dir),
        }
    )


def _files(folder: Path) -> Iterator[Path]:
    _, normals = read_normals(folder)
    yield from normals
    for labelled in read_tests(folder):
        yield labelled.path
        if labelled.mask_path is not None:
            yield labelled.mask_path


def _listed_hash(picture: ListedPicture) -> list[str | None]:
    files = [None if path is None else _file_hash(path) for path in (picture.file, picture.mask)]
    return [picture.label, picture.use, picture.part, picture.kind, *files]


def _hashes_in(folder: Path | None) -> dict[str, str]:
    if folder is None:
        return {}
    return {path.relative_to(folder).as_posix(): _file_hash(path) for path in list_pictures(folder, recursive=True)}


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _hash_of(document: dict[str, Any]) -> str:
    return sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
