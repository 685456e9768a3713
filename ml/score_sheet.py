"""How one model scored labelled pictures: what thresholds, rules and candidates are judged by afterwards. No torch.

A folder: `scores.json`, and per picture its raw score map (`ScoreMap.to_bytes`), so that any threshold and any region
rule can be tried without the network.
"""

import json
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml.errors import TrainingError
from ml.files import write_atomically
from ml.maps import ScoreMap
from ml.picture_list import Label, Sha256

SHEET_VERSION: Final = 1
SCORES_SUFFIX: Final = ".scores"
"""Of the folder beside a model that holds the sheet of its test pictures."""
SHEET_FILE: Final = "scores.json"
MAP_SUFFIX: Final = ".map"


class ScoredRow(BaseModel):
    """One picture. `score` and `map_maximum` are raw; None for a FAULT, whose reason is `fault`. `map` is the name of
    the map's file in the sheet's folder. `mask` is where its defects truly are, where that is known. `sha256` is None
    where the file could not be read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    file: Path
    sha256: Sha256 | None = None
    label: Label
    part: str | None = None
    kind: str | None = None
    mask: Path | None = None
    score: float | None = None
    map_maximum: float | None = None
    map: str | None = None
    fault: str = ""


class ScoreSheet(BaseModel):
    """Rows in the order of the list that was scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = SHEET_VERSION
    model_hash: Sha256
    rows: tuple[ScoredRow, ...] = Field(default=())

    def save(self, folder: Path) -> None:
        """Write atomically into `folder`; raises OSError."""
        write_atomically(folder / SHEET_FILE, (self.model_dump_json(indent=1) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises TrainingError naming the file and what is wrong with it."""
        path = folder / SHEET_FILE
        try:
            document: Any = json.loads(path.read_text(encoding="utf-8"))
            return cls.model_validate(document)
        except OSError as error:
            raise TrainingError(
                f"{path}: cannot read the scores: {error.strerror}. Score the pictures again."
            ) from error
        except (ValidationError, ValueError, RecursionError) as error:
            raise TrainingError(f"{path}: not a sheet of scores. Score the pictures again.") from error


def scores_folder(model: Path) -> Path:
    """Where the sheet of a model's test pictures lies: beside it."""
    return model.with_suffix(SCORES_SUFFIX)


def refuse_other_files(folder: Path) -> None:
    """Raises TrainingError unless `folder` is new, empty, or holds nothing but a sheet."""
    try:
        held = {path.name for path in folder.iterdir()} if folder.exists() else set()
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be looked into ({error.strerror}). Choose another folder.") from error
    is_sheet = SHEET_FILE in held and all(Path(name).suffix == MAP_SUFFIX for name in held - {SHEET_FILE})
    if held and not is_sheet:
        raise TrainingError(
            f"{folder}: holds other files than the scores of a model. Choose a new folder for the scores."
        )


def read_row_map(folder: Path, row: ScoredRow) -> ScoreMap | None:
    """The raw map of a row; None for a FAULT. Raises PictureError for a damaged file, TrainingError for one that cannot
    be read."""
    if row.map is None:
        return None
    path = folder / Path(row.map).name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TrainingError(
            f"{path}: the heat map cannot be read ({error.strerror}). Score the pictures again."
        ) from error
    return ScoreMap.from_bytes(data)
