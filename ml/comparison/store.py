"""Finished cells in a folder, a JSON file each, named by their key. No torch."""

import tempfile
from pathlib import Path

from pydantic import ValidationError

from ml.comparison.records import CellJob, CellOutcome, CellRecord
from ml.errors import ComparisonError
from ml.files import write_atomically

NAME_LENGTH = 24
"""Of the key's 64 digits: 96 bits tell any number of cells apart, and file names stay readable."""


def make_folder(folder: Path) -> None:
    """Make the folder where it is missing. Raises ComparisonError where nothing can be written: before the work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ComparisonError(
            f"{folder}: nothing can be written here ({error.strerror}). Choose another folder."
        ) from error


class CellStore:
    """The cells in `folder`, which is made. Raises ComparisonError where it cannot be written."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self.folder = folder

    def find(self, key: str) -> CellOutcome | None:
        """What was found under `key`; None where there is nothing, or nothing that this version can read."""
        try:
            record = CellRecord.model_validate_json(self._path(key).read_bytes())
        except (OSError, ValidationError):
            return None
        return record.outcome if record.key == key else None

    def keep(self, key: str, job: CellJob, outcome: CellOutcome) -> None:
        """Raises ComparisonError when the disk is full or the folder has gone."""
        record = CellRecord(key=key, job=job, outcome=outcome)
        try:
            write_atomically(self._path(key), (record.model_dump_json(indent=1) + "\n").encode())
        except OSError as error:
            raise ComparisonError(
                f"{self.folder}: a finished cell cannot be stored ({error.strerror}). Free some space, then start the "
                "same comparison again: it goes on where it stopped."
            ) from error

    def _path(self, key: str) -> Path:
        return self.folder / f"{key[:NAME_LENGTH]}.json"
