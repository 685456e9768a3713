"""Reading the history: pages of parts, one part, counters, the matrix."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, and_, func, or_, select

from ml.maps import ScoreMap
from station.core.errors import StorageError
from station.core.inspection import Inspection
from station.core.verdict import Verdict
from station.database.tables import inspections, reviews
from station.database.transactions import reading
from station.history.filters import HistoryFilter, conditions
from station.history.records import Counters, InspectionRow, Review, TruthMatrix, TruthSource
from station.history.rows import to_inspection, to_review
from station.history.store import PictureStore
from station.history.truth import count_against_truth, count_verdicts

NEWEST_FIRST = (inspections.c.captured_at.desc(), inspections.c.sequence.desc())
_ROWS_AT_ONCE = 500


class HistoryReader:
    """Questions to the history; each sees one unchanging state of it. Every method raises StorageError.

    May be used from any thread, also while a HistoryWriter is at work.
    """

    def __init__(self, engine: Engine, store: PictureStore) -> None:
        self._engine = engine
        self._store = store

    @property
    def store(self) -> PictureStore:
        """Where the pictures and maps of the inspections lie."""
        return self._store

    def score_map(self, inspection: Inspection) -> ScoreMap | None:
        """The stored map; None where the part has none."""
        return None if inspection.map_hash is None else self._store.read_map(inspection.map_hash)

    def count(self, wanted: HistoryFilter) -> int:
        """How many parts the filter lets through."""
        with reading(self._engine) as connection:
            return connection.execute(
                select(func.count()).where(*conditions(wanted)).select_from(inspections)
            ).scalar_one()

    def page(self, wanted: HistoryFilter, before_key: int | None = None, limit: int = 100) -> list[InspectionRow]:
        """The newest `limit` parts that the filter lets through, or those before the row with `before_key`.

        By time of capture, then by order of storing. Paging by key stays right while parts are added.
        """
        with reading(self._engine) as connection:
            # Keys first, rows after: the indices answer the filter and the order alone, no row is read in vain.
            keys = select(inspections.c.sequence).where(*conditions(wanted)).order_by(*NEWEST_FIRST).limit(limit)
            if before_key is not None:
                keys = keys.where(_before(before_key))
            found = connection.execute(keys).scalars().all()
            rows = connection.execute(
                select(inspections).where(inspections.c.sequence.in_(found)).order_by(*NEWEST_FIRST)
            )
            return _with_reviews(connection, rows.mappings().all())

    def recent(self, number: int) -> list[InspectionRow]:
        """The last parts, newest first."""
        return self.page(HistoryFilter(), limit=number)

    def each(self, wanted: HistoryFilter) -> Iterator[InspectionRow]:
        """All parts that the filter lets through, newest first, read as they are taken."""
        key = None
        while rows := self.page(wanted, key, _ROWS_AT_ONCE):
            yield from rows
            key = rows[-1].key

    def get(self, inspection_id: str) -> tuple[Inspection, list[Review]]:
        """One part and its reviews of every role, oldest first."""
        with reading(self._engine) as connection:
            row = connection.execute(select(inspections).where(inspections.c.id == inspection_id)).mappings().first()
            if row is None:
                raise StorageError(f"The history holds no inspection {inspection_id!r}.")
            query = select(reviews).where(reviews.c.inspection_id == inspection_id).order_by(reviews.c.sequence)
            return to_inspection(row), [to_review(review) for review in connection.execute(query).mappings()]

    def counters(self, since: datetime | None = None, recipe: str | None = None) -> Counters:
        """Verdicts counted from `since` on."""
        with reading(self._engine) as connection:
            numbers = count_verdicts(connection, HistoryFilter(since=since, recipe=recipe))
        return Counters(**{verdict.name.lower(): numbers.get(verdict, 0) for verdict in Verdict})

    def matrix(self, wanted: HistoryFilter, truth: TruthSource) -> TruthMatrix:
        """Verdicts against the truth that came with the part (`given`) or that a reviewer found (`confirmed`)."""
        with reading(self._engine) as connection:
            return count_against_truth(connection, wanted, truth)

    def serial_seen(self, recipe: str, serial: str) -> datetime | None:
        """When a part of this recipe with exactly this serial was last judged; None when never, or without serial.

        A FAULT does not count: such a part is expected to come again.
        """
        same_case = inspections.c.serial.collate("BINARY") == serial
        query = (
            select(inspections.c.captured_at)
            .where(inspections.c.serial == serial, same_case, inspections.c.recipe == recipe)
            .where(inspections.c.verdict != Verdict.FAULT)
            .order_by(inspections.c.captured_at.desc())
            .limit(1)
        )
        if not serial:
            return None
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()


def _before(key: int) -> ColumnElement[bool]:
    captured_at = select(inspections.c.captured_at).where(inspections.c.sequence == key).scalar_subquery()
    return and_(
        inspections.c.captured_at <= captured_at,
        or_(inspections.c.captured_at < captured_at, inspections.c.sequence < key),
    )


def _with_reviews(connection: Connection, rows: Sequence[RowMapping]) -> list[InspectionRow]:
    counting = (
        select(reviews)
        .where(reviews.c.inspection_id.in_([row["id"] for row in rows]), reviews.c.role != "operator")
        .order_by(reviews.c.sequence)
    )
    latest = {row["inspection_id"]: to_review(row) for row in connection.execute(counting).mappings()}
    return [InspectionRow(row["sequence"], to_inspection(row), latest.get(row["id"])) for row in rows]
