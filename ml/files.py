"""How this program writes files, and reads what people may have written by hand. Nothing heavy is imported here: the
settings need it before the first paint.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from ml.errors import ParameterError


def read_document(path: Path, what: str, version: int) -> Any:
    """What a JSON file holds that should be `what` ("training job") of a `version`; its fields are for whoever asked to
    check. Raises ParameterError that names the file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{path}: cannot read the {what}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"{path}: not a {what}: {error}.") from error
    if isinstance(document, dict) and document.get("version", version) != version:
        raise ParameterError(f"{path}: {what} of version {document['version']}; this Loupe reads version {version}.")
    return document


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: temporary name, flushed to disk, renamed. Raises OSError."""
    temporary = _temporary(path)
    try:
        _write_flushed(temporary, data)
        temporary.replace(path)
    finally:  # also when the user's Ctrl-C arrives in between
        temporary.unlink(missing_ok=True)
    _flush_folder(path.parent)


def write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files of these names into a folder, all or none, and none in part: those that they replace are moved
    aside, and back when writing fails. Raises OSError.
    """
    targets = [folder / name for name in contents]
    new, old = ({path: _temporary(path) for path in targets} for _ in range(2))
    placed: list[Path] = []
    try:
        for path, data in zip(targets, contents.values(), strict=True):
            _write_flushed(new[path], data)
        for path in targets:
            if path.exists():
                path.replace(old[path])
            new[path].replace(path)
            placed.append(path)
    finally:  # also when the user's Ctrl-C arrives in between
        if len(placed) < len(targets):
            _take_back(placed, old)
        for temporary in (*new.values(), *old.values()):
            temporary.unlink(missing_ok=True)
    _flush_folder(folder)


def _take_back(placed: Iterable[Path], old: Mapping[Path, Path]) -> None:
    for path in placed:
        path.unlink(missing_ok=True)
    for path, aside in old.items():
        if aside.exists():
            aside.replace(path)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex}.tmp")


def _write_flushed(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened to flush its entry
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
