"""Writing down what people found when they looked back at a part."""

from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, insert, select

from station.core.errors import StorageError
from station.core.verdict import Verdict
from station.database.tables import inspections, reviews
from station.database.transactions import writing
from station.history.records import Finding, Review, Role
from station.history.rows import review_values


class ReviewLog:
    """Append-only: a second look is a second entry, and the verdict stays as it was given."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self,
        inspection_id: str,
        finding: Finding,
        reviewer: str,
        role: Role,
        note: str = "",
        *,
        defect_kind: str | None = None,
    ) -> Review:
        """Store one finding. Raises StorageError, also where it makes no sense for the part's verdict."""
        review = Review(inspection_id, datetime.now(UTC), reviewer, role, finding, defect_kind, note)
        with writing(self._engine) as connection:
            _require_sense(finding, _verdict(connection, inspection_id))
            connection.execute(insert(reviews), review_values(review))
        return review


def _verdict(connection: Connection, inspection_id: str) -> Verdict:
    query = select(inspections.c.verdict).where(inspections.c.id == inspection_id)
    verdict = connection.execute(query).scalar_one_or_none()
    if verdict is None:
        raise StorageError(f"The history holds no inspection {inspection_id!r}.")
    return Verdict(verdict)


def _require_sense(finding: Finding, verdict: Verdict) -> None:
    if verdict is Verdict.FAULT:
        raise StorageError("This part was not judged (FAULT), so there is nothing to review. Inspect it again.")
    if finding == "false_call" and verdict is Verdict.OK:
        raise StorageError("This part passed as OK, so it is no false call. Confirm it, or mark it as an escape.")
    if finding == "escape" and verdict is Verdict.NG:
        raise StorageError(
            "This part was rejected as NG, so it did not escape. Confirm it, or mark it as a false call."
        )
