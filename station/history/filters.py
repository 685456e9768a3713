"""Which parts are meant: one frozen filter for list, counts, matrix and export."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, Select, exists, func, select

from station.core.verdict import Verdict
from station.database.tables import inspections, reviews
from station.history.records import Finding

ReviewState = Literal["unreviewed"] | Finding
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """All conditions must hold; an empty one holds always.

    `since` is included, `until` is not; both aware. `serial` is the beginning of a serial, in either case. `review` is
    the state by the latest review that counts as truth (an operator's does not).
    """

    since: datetime | None = None
    until: datetime | None = None
    recipe: str | None = None
    verdicts: frozenset[Verdict] = frozenset()
    serial: str = ""
    review: ReviewState | None = None
    model_hash: str | None = None


def conditions(wanted: HistoryFilter) -> list[ColumnElement[bool]]:
    """The filter as SQL over `inspections`."""
    found: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(inspections.c.captured_at >= wanted.since)
    if wanted.until is not None:
        found.append(inspections.c.captured_at < wanted.until)
    if wanted.recipe is not None:
        found.append(inspections.c.recipe == wanted.recipe)
    if wanted.verdicts:
        found.append(inspections.c.verdict.in_(sorted(wanted.verdicts)))
    if wanted.serial:
        # A range, not LIKE: it finds its place in the index and gives no character a meaning of its own.
        found.append(inspections.c.serial >= wanted.serial)
        found.append(inspections.c.serial < wanted.serial + _LAST_CHARACTER)
    if wanted.model_hash is not None:
        found.append(inspections.c.model_hash == wanted.model_hash)
    if wanted.review is not None:
        found.append(_review_state(wanted.review))
    return found


def counting_reviews() -> Select[tuple[int]]:
    """The sequence of each inspection's latest review that counts as truth."""
    return select(func.max(reviews.c.sequence)).where(reviews.c.role != "operator").group_by(reviews.c.inspection_id)


def _review_state(state: ReviewState) -> ColumnElement[bool]:
    if state == "unreviewed":
        counting = select(reviews.c.sequence).where(
            reviews.c.inspection_id == inspections.c.id, reviews.c.role != "operator"
        )
        return ~exists(counting)
    found = select(reviews.c.inspection_id).where(
        reviews.c.sequence.in_(counting_reviews()), reviews.c.finding == state
    )
    return inspections.c.id.in_(found)
