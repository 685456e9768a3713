"""What a review may say of which verdict."""

import pytest

from station.core.errors import StorageError
from station.core.verdict import Verdict
from station.history import HistoryReader, HistoryWriter, ReviewLog
from tests.history.parts import inspected


def test_that_a_review_is_added_beside_the_verdict(
    writer: HistoryWriter, reader: HistoryReader, reviews: ReviewLog
) -> None:
    part = writer.record(inspected(Verdict.OK))
    added = reviews.add(part.id, "escape", "local", "supervisor", "seen at assembly", defect_kind="scratch")
    assert reader.get(part.id) == (part, [added])
    assert (added.note, added.defect_kind, added.reviewed_at.utcoffset().total_seconds()) == (
        "seen at assembly",
        "scratch",
        0,
    )


@pytest.mark.parametrize(
    ("verdict", "finding"),
    [
        (Verdict.OK, "false_call"),
        (Verdict.NG, "escape"),
        (Verdict.FAULT, "confirmed"),
        (Verdict.FAULT, "false_call"),
        (Verdict.FAULT, "escape"),
    ],
)
def test_that_a_finding_that_makes_no_sense_is_refused(
    writer: HistoryWriter, reader: HistoryReader, reviews: ReviewLog, verdict: Verdict, finding
) -> None:
    part = writer.record(inspected(verdict))
    with pytest.raises(StorageError, match="This part"):
        reviews.add(part.id, finding, "local", "supervisor")
    assert reader.get(part.id) == (part, [])


def test_that_a_review_of_an_unknown_part_is_refused(reviews: ReviewLog) -> None:
    with pytest.raises(StorageError, match="no inspection 'nothing'"):
        reviews.add("nothing", "confirmed", "local", "supervisor")
