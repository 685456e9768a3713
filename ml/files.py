"""How this program writes files, and reads what people may have written by hand. Nothing heavy is imported here: the
settings need it before the first paint.
"""

import json
import os
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
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:  # also when the user's Ctrl-C arrives in between
        temporary.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere a folder cannot be opened to flush its entry
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
