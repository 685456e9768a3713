"""Pages, filters, counters and the matrix."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert
from sqlalchemy.exc import StatementError

from ml.confusion import ConfusionMatrix
from station.core.errors import StorageError
from station.core.inspection import Inspection
from station.core.verdict import Verdict
from station.database.tables import inspections
from station.database.transactions import writing
from station.history import Counters, HistoryFilter, HistoryReader, HistoryWriter, ReviewLog
from station.history.rows import inspection_values
from tests.history.parts import MODEL, NOON, inspection, without_picture


@pytest.fixture
def add(engine: Engine):
    """Store rows as they are; their pictures are of no concern here."""

    def store(*parts: Inspection) -> list[Inspection]:
        with writing(engine) as connection:
            connection.execute(insert(inspections), [inspection_values(part) for part in parts])
        return list(parts)

    return store


def ids(rows) -> list[str]:
    return [row.inspection.id for row in rows]


def test_that_the_newest_part_comes_first(add, reader: HistoryReader) -> None:
    parts = add(inspection(minute=1), inspection(minute=3), inspection(minute=2))
    assert ids(reader.recent(10)) == [parts[1].id, parts[2].id, parts[0].id]
    assert ids(reader.recent(2)) == [parts[1].id, parts[2].id]


def test_that_parts_of_the_same_moment_come_in_the_order_of_storing(add, reader: HistoryReader) -> None:
    parts = add(*[inspection() for _ in range(5)])
    assert ids(reader.recent(10)) == [part.id for part in reversed(parts)]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 7), minutes=st.lists(st.integers(0, 5), max_size=20))
def test_that_pages_together_are_the_whole_list_once(
    engine: Engine, add, reader: HistoryReader, size: int, minutes: list[int]
) -> None:
    recipe = inspection().id  # a recipe of this example alone: the table only grows
    add(*[inspection(minute=minute, recipe=recipe) for minute in minutes] or [inspection()])
    wanted = HistoryFilter(recipe=recipe)
    paged, key = [], None
    while page := reader.page(wanted, key, size):
        paged += page
        key = page[-1].key
    assert paged == reader.page(wanted, limit=1000) == list(reader.each(wanted))
    assert len(paged) == len(minutes) == reader.count(wanted)


def test_that_parts_added_while_paging_shift_nothing(add, reader: HistoryReader) -> None:
    parts = add(*[inspection(minute=minute) for minute in range(6)])
    first = reader.page(HistoryFilter(), limit=3)
    add(inspection(minute=60))
    second = reader.page(HistoryFilter(), first[-1].key, 3)
    assert ids([*first, *second]) == [part.id for part in reversed(parts)]


def test_that_each_filter_lets_through_what_it_says(add, reader: HistoryReader, reviews: ReviewLog) -> None:
    early, middle, late = add(
        inspection(Verdict.OK, 0, recipe="tile", serial="A-100", model_hash="1" * 64),
        inspection(Verdict.NG, 1, recipe="cookie", serial="a-101"),
        inspection(Verdict.FAULT, 2, recipe="tile", serial="B-100"),
    )
    reviews.add(middle.id, "false_call", "local", "supervisor")
    cases = {
        HistoryFilter(): [late, middle, early],
        HistoryFilter(since=NOON + timedelta(minutes=1)): [late, middle],
        HistoryFilter(until=NOON + timedelta(minutes=1)): [early],
        HistoryFilter(recipe="tile"): [late, early],
        HistoryFilter(verdicts=frozenset({Verdict.NG, Verdict.FAULT})): [late, middle],
        HistoryFilter(serial="A-1"): [middle, early],
        HistoryFilter(serial="b-100"): [late],
        HistoryFilter(serial="A%"): [],
        HistoryFilter(serial="100"): [],
        HistoryFilter(model_hash=MODEL): [late, middle],
        HistoryFilter(review="false_call"): [middle],
        HistoryFilter(review="escape"): [],
        HistoryFilter(review="unreviewed"): [late, early],
        HistoryFilter(recipe="tile", verdicts=frozenset({Verdict.OK}), review="unreviewed"): [early],
    }
    for wanted, expected in cases.items():
        assert ids(reader.page(wanted)) == [part.id for part in expected], wanted
        assert reader.count(wanted) == len(expected), wanted


def test_that_a_filter_by_local_time_means_the_same_moment(add, reader: HistoryReader) -> None:
    add(inspection(minute=0))
    assert reader.count(HistoryFilter(since=NOON.astimezone(ZoneInfo("Asia/Tokyo")))) == 1


def test_that_a_time_without_zone_is_a_programming_error(reader: HistoryReader) -> None:
    with pytest.raises(StatementError, match="without time zone"):
        reader.count(HistoryFilter(since=NOON.replace(tzinfo=None)))


def test_that_a_row_shows_the_latest_review_that_counts(add, reader: HistoryReader, reviews: ReviewLog) -> None:
    (part,) = add(inspection(Verdict.NG))
    reviews.add(part.id, "confirmed", "op. 3", "operator")
    assert reader.recent(1)[0].review is None
    reviews.add(part.id, "confirmed", "local", "supervisor")
    latest = reviews.add(part.id, "false_call", "local", "engineer", "only dust", defect_kind="dust")
    reviews.add(part.id, "confirmed", "op. 3", "operator")
    assert reader.recent(1)[0].review == latest
    assert [review.finding for review in reader.get(part.id)[1]] == [
        "confirmed",
        "confirmed",
        "false_call",
        "confirmed",
    ]


def test_that_an_unknown_part_is_a_storage_error(reader: HistoryReader) -> None:
    with pytest.raises(StorageError, match="no inspection 'nothing'"):
        reader.get("nothing")


def test_that_counters_keep_faults_apart_from_the_yield(add, reader: HistoryReader) -> None:
    add(*[inspection(verdict, 5) for verdict in [Verdict.OK] * 6 + [Verdict.NG] * 2 + list(Verdict)])
    add(inspection(Verdict.NG, 0), inspection(Verdict.NG, 9, recipe="cookie"))
    counters = reader.counters(NOON + timedelta(minutes=1), "Valve seat A")
    assert counters == Counters(ok=7, ng=3, unsure=1, fault=1)
    assert counters.judged == 11
    assert counters.yield_rate == pytest.approx(7 / 11)
    assert reader.counters().ng == 5


def test_that_there_is_no_yield_before_the_first_judged_part(reader: HistoryReader) -> None:
    assert reader.counters().yield_rate is None


def test_that_the_matrix_of_given_truth_treats_unsure_as_it_says(add, reader: HistoryReader) -> None:
    table = {
        (Verdict.OK, "normal"): 11,
        (Verdict.UNSURE, "normal"): 3,
        (Verdict.NG, "normal"): 2,
        (Verdict.OK, "anomaly"): 1,
        (Verdict.UNSURE, "anomaly"): 4,
        (Verdict.NG, "anomaly"): 7,
        (Verdict.FAULT, "anomaly"): 5,
        (Verdict.OK, None): 6,
    }
    for (verdict, truth), number in table.items():
        add(*[inspection(verdict, given_truth=truth) for _ in range(number)])
    matrix = reader.matrix(HistoryFilter(), "given")
    assert matrix.source == "given"
    assert matrix.binary == ConfusionMatrix(tn=14, fp=2, fn=5, tp=7)
    assert matrix.line == ConfusionMatrix(tn=11, fp=5, fn=1, tp=11)
    assert (matrix.unsure, matrix.fault, matrix.without_truth) == (7, 5, 6)


@pytest.mark.parametrize(
    ("verdict", "finding", "binary"),
    [
        (Verdict.OK, "confirmed", ConfusionMatrix(tn=1)),
        (Verdict.OK, "escape", ConfusionMatrix(fn=1)),
        (Verdict.NG, "confirmed", ConfusionMatrix(tp=1)),
        (Verdict.NG, "false_call", ConfusionMatrix(fp=1)),
        (Verdict.UNSURE, "false_call", ConfusionMatrix(tn=1)),
        (Verdict.UNSURE, "escape", ConfusionMatrix(fn=1)),
        (Verdict.UNSURE, "confirmed", ConfusionMatrix()),
    ],
)
def test_that_a_finding_makes_the_truth_it_means(
    add, reader: HistoryReader, reviews: ReviewLog, verdict: Verdict, finding, binary: ConfusionMatrix
) -> None:
    (part,) = add(inspection(verdict, given_truth="normal"))
    reviews.add(part.id, finding, "local", "supervisor")
    matrix = reader.matrix(HistoryFilter(), "confirmed")
    assert matrix.binary == binary
    assert matrix.without_truth == (binary == ConfusionMatrix())


def test_that_only_the_latest_counting_review_is_the_truth(add, reader: HistoryReader, reviews: ReviewLog) -> None:
    part, by_operator = add(inspection(Verdict.NG), inspection(Verdict.NG))
    reviews.add(part.id, "confirmed", "local", "supervisor")
    reviews.add(part.id, "false_call", "local", "supervisor")
    reviews.add(part.id, "confirmed", "op. 3", "operator")
    reviews.add(by_operator.id, "confirmed", "op. 3", "operator")
    matrix = reader.matrix(HistoryFilter(), "confirmed")
    assert matrix.binary == ConfusionMatrix(fp=1)
    assert matrix.without_truth == 1


def test_that_the_matrix_obeys_the_filter(add, reader: HistoryReader, reviews: ReviewLog) -> None:
    part, other = add(
        inspection(Verdict.NG, given_truth="anomaly"), inspection(Verdict.NG, given_truth="anomaly", recipe="cookie")
    )
    for each in (part, other):
        reviews.add(each.id, "confirmed", "local", "supervisor")
    for source in ("given", "confirmed"):
        assert reader.matrix(HistoryFilter(recipe="cookie"), source).binary == ConfusionMatrix(tp=1)
        assert reader.matrix(HistoryFilter(until=NOON), source).binary == ConfusionMatrix()


def test_that_a_serial_seen_before_is_noticed(add, reader: HistoryReader) -> None:
    add(
        inspection(minute=0, serial="A-1"),
        inspection(minute=1, serial="A-1"),
        inspection(Verdict.FAULT, 2, serial="A-1"),
        inspection(Verdict.FAULT, 3, serial="A-2"),
        inspection(minute=4, serial="A-3", recipe="cookie"),
        inspection(minute=5, serial=""),
    )
    assert reader.serial_seen("Valve seat A", "A-1") == NOON + timedelta(minutes=1)
    for serial in ("a-1", "A", "A-2", "A-3", ""):
        assert reader.serial_seen("Valve seat A", serial) is None


def test_that_reading_goes_on_while_a_part_is_written(
    engine: Engine, writer: HistoryWriter, reader: HistoryReader
) -> None:
    stored = writer.record(without_picture())
    with writing(engine) as connection:
        connection.execute(insert(inspections), inspection_values(inspection()))
        assert ids(reader.recent(10)) == [stored.id]
    assert reader.count(HistoryFilter()) == 2


def test_that_regions_of_earlier_versions_are_still_read(engine: Engine, reader: HistoryReader) -> None:
    """They tell box, area and peak alone."""
    part = inspection(verdict=Verdict.NG)
    values = inspection_values(part)
    later = ("strength", "centre_x", "centre_y", "section")
    values["regions"] = [
        {key: value for key, value in region.items() if key not in later} for region in values["regions"]
    ]
    with writing(engine) as connection:
        connection.execute(insert(inspections), [values])
    (region,) = reader.recent(1)[0].inspection.regions
    assert (region.x, region.area_px, region.peak) == (10, 600, 40.5)
    assert (region.strength, region.centre_x, region.centre_y, region.section) == (40.5, 24.5, 39.5, None)
