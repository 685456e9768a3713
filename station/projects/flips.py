"""Past parts of a recipe whose verdict would be another with the new model. No Qt, no torch.

Their pictures are scored anew from the content store; what they were called, and what a reviewer said since, comes from
the history. FAULTs stay out: those were never judged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from ml.calibration import Calibration
from ml.errors import LoupeError
from ml.judging import judge
from ml.maps import Detection
from ml.picture_list import ListedPicture, PictureList
from ml.region_rules import RegionRules
from ml.score_sheet import ScoredRow, ScoreSheet, read_row_map
from station.core.inspection import Inspection
from station.core.verdict import Verdict
from station.history.filters import HistoryFilter
from station.history.reader import HistoryReader
from station.history.records import InspectionRow
from station.history.store import PictureStore

USUAL_PARTS: Final = 500
MOST_PARTS: Final = 5000

JUDGED_VERDICTS: Final = frozenset({Verdict.OK, Verdict.UNSURE, Verdict.NG})

Truth = Literal["good", "bad"]
Direction = Literal["passes", "rejected", "other"]


@dataclass(frozen=True, slots=True)
class PastPart:
    """One judged part of the history whose picture is stored. `truth` is what a reviewer found, else what came with the
    part; `is_confirmed`: it was a reviewer."""

    inspection: Inspection
    truth: Truth | None
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class Flip:
    """`old` becomes `new`; scores are normalised, each by its own model's scale. `row` is its line in the new sheet."""

    part: PastPart
    row: ScoredRow
    new: Verdict
    old_score: float | None
    new_score: float | None

    @property
    def old(self) -> Verdict:
        return self.part.inspection.verdict

    @property
    def direction(self) -> Direction:
        """As the line sees it: to it only OK passes."""
        if (self.old is Verdict.OK) == (self.new is Verdict.OK):
            return "other"
        return "passes" if self.new is Verdict.OK else "rejected"

    @property
    def is_worse(self) -> bool:
        """Whether the new verdict is against what is known: a bad part would pass, or a good one be rejected."""
        wrong = {"passes": "bad", "rejected": "good"}.get(self.direction)
        return wrong is not None and self.part.truth == wrong


def past_parts(reader: HistoryReader, recipe: str, newest: int = USUAL_PARTS) -> tuple[PastPart, ...]:
    """The newest judged parts of a recipe that have a picture, newest first. Raises StorageError."""
    wanted = HistoryFilter(recipe=recipe, verdicts=JUDGED_VERDICTS)
    with_pictures = (row for row in reader.each(wanted) if row.inspection.picture_hash is not None)
    return tuple(_past_part(row) for row in islice(with_pictures, newest))


def as_list(parts: Iterable[PastPart], store: PictureStore) -> tuple[PictureList, int]:
    """The parts as pictures to score, by their inspections' ids, and how many were left out as their picture is gone.

    All are told as unsure: a model may have learnt from some of them, and they judge nothing but change.
    """
    listed, gone = [], 0
    for part in parts:
        content_hash = part.inspection.picture_hash or ""
        try:
            file = store.path(content_hash)
        except LoupeError:
            gone += 1
            continue
        listed.append(
            ListedPicture(name=part.inspection.id, file=file, sha256=content_hash, label="unsure", use="test")
        )
    return PictureList(pictures=tuple(listed)), gone


def find_flips(
    parts: Sequence[PastPart], folder: Path, calibration: Calibration, rules: RegionRules | None
) -> tuple[Flip, ...]:
    """Which of the parts scored in `folder` would change, the worst first: a confirmed bad part that would pass stands
    at the top. Reads every map: not for the GUI thread. Raises TrainingError, PictureError.
    """
    by_id = {part.inspection.id: part for part in parts}
    found = (
        _flip(by_id[row.name], row, folder, calibration, rules)
        for row in ScoreSheet.load(folder).rows
        if row.name in by_id
    )
    return tuple(sorted((flip for flip in found if flip.new is not flip.old), key=_urgency))


def _past_part(row: InspectionRow) -> PastPart:
    inspection, finding = row.inspection, row.review.finding if row.review else None
    truth: Truth | None = None
    if finding == "escape":
        truth = "bad"
    elif finding == "false_call":
        truth = "good"
    elif finding == "confirmed" and inspection.verdict is not Verdict.UNSURE:  # which only says that it is hard to tell
        truth = "bad" if inspection.verdict is Verdict.NG else "good"
    if truth is None and inspection.given_truth is not None:
        return PastPart(inspection, "bad" if inspection.given_truth == "anomaly" else "good", is_confirmed=False)
    return PastPart(inspection, truth, is_confirmed=truth is not None)


def _flip(part: PastPart, row: ScoredRow, folder: Path, calibration: Calibration, rules: RegionRules | None) -> Flip:
    score_map = read_row_map(folder, row)
    if row.score is None or score_map is None:
        return Flip(part, row, Verdict.FAULT, part.inspection.normalised_score, None)
    judgement = judge(Detection(row.score, score_map), calibration, rules)
    new = Verdict(judgement.verdict)
    return Flip(part, row, new, part.inspection.normalised_score, judgement.normalised_score)


def _urgency(flip: Flip) -> tuple[bool, int, bool, float]:
    order: tuple[Direction, ...] = ("passes", "rejected", "other")
    change = abs((flip.new_score or 0.0) - (flip.old_score or 0.0))
    return not flip.is_worse, order.index(flip.direction), not flip.part.is_confirmed, -change
