"""What a trained candidate is judged by: its model, the scores of its test pictures and their maps. No Qt, no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ml.artifact import Manifest, read_manifest
from ml.errors import ParameterError, PictureError, TrainingError
from ml.judging import FoundRegions
from ml.picture_list import PictureList
from ml.region_rules import RegionRules
from ml.score_sheet import SHEET_FILE, ScoredRow, ScoreSheet, read_row_map, scores_folder
from station.projects.order import PICTURES_FILE

JUDGED_SUFFIX: Final = ".judged.loupe"
"""Of the file beside it with the threshold and rules that were chosen in judging it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one or several pictures of the test show together: its label, kind of defect, and their rows' numbers."""

    label: Literal["good", "bad"]
    kind: str | None
    rows: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Evidence:
    """One candidate with everything that needs reading, read. Made outside the GUI thread.

    `rows` are those of the sheet, `found` the regions of each row's map (None for a FAULT). `parts` leaves out what is
    labelled unsure and what could not be scored; `scores` are the highest of each part, raw, `(parts,)`. `problem` says
    why there are no rows where some were expected.
    """

    model: Path
    manifest: Manifest
    size_bytes: int
    folder: Path
    rows: tuple[ScoredRow, ...] = ()
    found: tuple[FoundRegions | None, ...] = ()
    parts: tuple[Part, ...] = ()
    problem: str = ""
    _breaking: dict[RegionRules, NDArray[np.bool_]] = field(default_factory=dict)

    @classmethod
    def read(cls, model: Path) -> Self:
        """Of a model file and the scores beside it. Raises ModelFileError; scores that are missing or do not belong to
        the model are told in `problem`.
        """
        manifest, size_bytes = read_manifest(model), model.stat().st_size
        folder = scores_folder(model)
        try:
            sheet = ScoreSheet.load(folder) if (folder / SHEET_FILE).exists() else None
            if sheet is not None and sheet.model_hash != manifest.model_hash:
                raise TrainingError(f"{folder}: these scores are of another model. Score the pictures again.")
            if sheet is None and has_tests(model):
                raise TrainingError("The test pictures of this candidate are not scored yet.")
            rows = () if sheet is None else sheet.rows
            found = tuple(_regions(folder, row, manifest) for row in rows)
        except (TrainingError, PictureError) as error:
            return cls(model, manifest, size_bytes, folder, problem=str(error))
        return cls(model, manifest, size_bytes, folder, rows, found, parts_of(rows))

    @cached_property
    def row_scores(self) -> NDArray[np.float64]:
        """Raw, NaN for a FAULT."""
        return np.array([np.nan if row.score is None else row.score for row in self.rows], dtype=np.float64)

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Of each part."""
        return np.array([self.row_scores[list(part.rows)].max() for part in self.parts], dtype=np.float64)

    @cached_property
    def is_bad(self) -> NDArray[np.bool_]:
        """Of each part."""
        return np.array([part.label == "bad" for part in self.parts], dtype=np.bool_)

    @property
    def faults(self) -> int:
        """Pictures that could not be scored."""
        return sum(row.score is None and row.label != "unsure" for row in self.rows)

    def breaking(self, rules: RegionRules | None) -> NDArray[np.bool_]:
        """Which rows have a region that breaks `rules`; remembered for the sections asked last."""
        if rules is None:
            return np.zeros(len(self.rows), dtype=np.bool_)
        limits = rules.model_copy(update={"verdict": "rules"})  # whatever else makes a part NG
        if limits not in self._breaking:
            self._breaking.clear()
            broken = [found is not None and found.break_rules(limits) for found in self.found]
            self._breaking[limits] = np.array(broken, dtype=np.bool_)
        return self._breaking[limits]


def model_file(folder: Path) -> Path:
    """The model that the training of a candidate left in its folder. Raises TrainingError where there is none."""
    models = [path for path in sorted(folder.glob("*.loupe")) if not path.name.endswith(JUDGED_SUFFIX)]
    if not models:
        raise TrainingError(f"{folder}: the trained model is gone. Train this candidate again.")
    return models[0]


def has_tests(model: Path) -> bool:
    """Whether the list that a model was trained from holds pictures to judge it by."""
    listed = model.with_name(PICTURES_FILE)
    if not listed.exists():
        return False
    try:
        return any(one.use == "test" and one.label != "unsure" for one in PictureList.load(listed).pictures)
    except ParameterError:
        return False


def parts_of(rows: Sequence[ScoredRow]) -> tuple[Part, ...]:
    """The rows that could be scored and whose truth is known, gathered by part and label."""
    gathered: dict[tuple[str, Literal["good", "bad"]], list[int]] = {}
    for number, row in enumerate(rows):
        if row.score is not None and row.label != "unsure":
            gathered.setdefault((row.part or f"picture {row.name}", row.label), []).append(number)
    return tuple(Part(label, rows[numbers[0]].kind, tuple(numbers)) for (_, label), numbers in gathered.items())


def _regions(folder: Path, row: ScoredRow, manifest: Manifest) -> FoundRegions | None:
    score_map = read_row_map(folder, row)
    return None if score_map is None else FoundRegions.of(score_map, manifest.calibration)
