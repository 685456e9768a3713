"""The history as CSV."""

import csv
from pathlib import Path

import pytest

from station.core.errors import StorageError
from station.core.verdict import Verdict
from station.history import HistoryFilter, HistoryReader, HistoryWriter, PictureStore, ReviewLog, export_csv
from tests.history.parts import inspected, without_picture


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_that_the_export_holds_what_the_filter_lets_through(
    tmp_path: Path, writer: HistoryWriter, reader: HistoryReader, reviews: ReviewLog
) -> None:
    part = writer.record(inspected(Verdict.NG, 0, recipe="Größe 3", serial='a "b", c\nd'))
    reviews.add(part.id, "false_call", "local", "supervisor", "dust")
    writer.record(without_picture(minute=1))
    assert export_csv(reader, HistoryFilter(), tmp_path / "all.csv") == 2
    fault, ng = read(tmp_path / "all.csv")
    assert (fault["verdict"], fault["score"], fault["fault"]) == ("FAULT", "", "Camera lost. Check the cable.")
    assert (ng["serial"], ng["recipe"], ng["score"], ng["regions"]) == ('a "b", c\nd', "Größe 3", "40.0", "1")
    assert (ng["review"], ng["review_note"]) == ("false_call", "dust")
    assert ng["captured_at_utc"] == "2026-11-22T12:00:00.000+00:00"
    assert export_csv(reader, HistoryFilter(recipe="Größe 3"), tmp_path / "some.csv") == 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_that_a_serial_never_becomes_a_formula(
    tmp_path: Path, writer: HistoryWriter, reader: HistoryReader, start: str
) -> None:
    serial = start + "HYPERLINK(1)"
    writer.record(without_picture(serial=serial, latency_ms=-1.5))
    export_csv(reader, HistoryFilter(), tmp_path / "all.csv")
    (row,) = read(tmp_path / "all.csv")
    assert row["serial"] == f"'{serial}"
    assert row["latency_ms"] == "-1.5"


def test_that_a_failing_export_leaves_the_earlier_one(
    tmp_path: Path, writer: HistoryWriter, reader: HistoryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.record(without_picture())
    path = tmp_path / "out" / "all.csv"
    path.parent.mkdir()
    path.write_text("the earlier one")
    failing = HistoryReader(reader._engine, PictureStore(tmp_path))
    monkeypatch.setattr(failing, "each", _fail)
    with pytest.raises(StorageError, match="gone"):
        export_csv(failing, HistoryFilter(), path)
    assert [(file.name, file.read_text()) for file in path.parent.iterdir()] == [("all.csv", "the earlier one")]


def _fail(wanted: HistoryFilter):
    raise StorageError("the disk is gone")
    yield


def test_that_a_missing_folder_is_named(tmp_path: Path, reader: HistoryReader) -> None:
    with pytest.raises(StorageError, match=r"missing/all\.csv.*could not be written"):
        export_csv(reader, HistoryFilter(), tmp_path / "missing" / "all.csv")
