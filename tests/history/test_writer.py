"""Recording a judged part: files first, then the row; all of it or none."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import namedtuple
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sqlalchemy import Engine

from ml.pictures import encode_png, read_picture
from station.core.errors import StorageError
from station.core.ports import InspectionLog
from station.core.verdict import Verdict
from station.database import open_database
from station.history import HistoryFilter, HistoryReader, HistoryWriter, PictureStore
from tests.history import parts
from tests.history.parts import frame, inspected, without_picture

Usage = namedtuple("Usage", "total used free")


def test_that_the_writer_is_the_stations_inspection_log(writer: HistoryWriter) -> None:
    log: InspectionLog = writer
    assert log.record(inspected()).picture_hash


@pytest.mark.parametrize("verdict", Verdict)
def test_that_everything_comes_back_as_it_was_recorded(
    writer: HistoryWriter, reader: HistoryReader, verdict: Verdict
) -> None:
    part = inspected(verdict, given_truth="anomaly", defect_kind="scratch")
    stored = writer.record(part)
    assert stored == replace(part.inspection, picture_hash=stored.picture_hash, map_hash=stored.map_hash)
    assert reader.get(stored.id) == (stored, [])
    assert stored.picture_hash and part.frame
    np.testing.assert_array_equal(read_picture(reader.store.path(stored.picture_hash)).pixels, part.frame.pixels)
    restored = reader.score_map(stored)
    assert restored and part.score_map
    np.testing.assert_allclose(restored.cells, part.score_map.cells, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 3)])
def test_that_captured_pixels_are_stored_without_loss(
    writer: HistoryWriter, reader: HistoryReader, dtype: type, shape: tuple[int, ...]
) -> None:
    pixels = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    picture = frame(pixels=pixels, bit_depth=8 * pixels.itemsize)
    stored = writer.record(replace(inspected(), frame=picture))
    assert stored.picture_hash
    path = reader.store.path(stored.picture_hash)
    assert path.suffix == ".png"
    np.testing.assert_array_equal(read_picture(path).pixels, pixels)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_that_a_picture_from_a_file_is_stored_as_that_file(
    writer: HistoryWriter, reader: HistoryReader, suffix: str
) -> None:
    pixels = frame().pixels
    encoded = cv2.imencode(suffix, pixels)[1].tobytes()
    stored = writer.record(replace(inspected(), frame=frame(encoded=encoded, name=f"part{suffix.upper()}")))
    assert stored.picture_hash
    path = reader.store.path(stored.picture_hash)
    assert (path.suffix, path.read_bytes()) == (suffix, encoded)


def test_that_bytes_of_an_unknown_format_are_not_trusted(writer: HistoryWriter, reader: HistoryReader) -> None:
    picture = frame(encoded=b"GIF89a...", name="part.gif")
    stored = writer.record(replace(inspected(), frame=picture))
    assert stored.picture_hash
    assert reader.store.path(stored.picture_hash).read_bytes() == encode_png(picture.pixels)


def test_that_a_prepared_picture_is_encoded_once(writer: HistoryWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []

    def counted(pixels: np.ndarray) -> bytes:
        encoded.append(1)
        return encode_png(pixels)

    monkeypatch.setattr("station.history.writer.encode_png", counted)
    part = inspected()
    assert part.frame
    staged = writer.prepare(part.frame).result()
    assert writer.record(part).picture_hash == staged.hash
    assert len(encoded) == 1


def test_that_a_part_without_picture_may_be_recorded_while_another_is_prepared(writer: HistoryWriter) -> None:
    part = inspected()
    assert part.frame
    writer.prepare(part.frame)
    assert writer.record(without_picture()).picture_hash is None
    assert writer.record(part).picture_hash


def test_that_a_prepared_picture_that_is_never_recorded_is_thrown_away(
    writer: HistoryWriter, store: PictureStore
) -> None:
    for seed in range(5):
        writer.prepare(frame(seed))
    writer.close()
    writer.close()
    assert not list((store.folder / "incoming").iterdir())


def test_that_prepared_files_only_want_their_names_and_their_folders_flushed_before_the_row(
    writer: HistoryWriter, store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = inspected()
    assert part.frame
    staged = [writer.prepare(part.frame).result()]
    writer.prepare_map(part)
    writer._maps[part.inspection.id].result()
    assert len(list((store.folder / "incoming").iterdir())) == 2
    flushed: list[Path] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").resolve())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    stored = writer.record(part)
    assert stored.picture_hash == staged[0].hash and stored.map_hash
    assert set(flushed) == {store.path(digest).parent for digest in (stored.picture_hash, stored.map_hash)}
    assert len(flushed) == 2
    assert not list((store.folder / "incoming").iterdir())


def test_that_a_prepared_map_of_a_part_stored_as_a_fault_is_thrown_away(
    writer: HistoryWriter, store: PictureStore
) -> None:
    part = inspected()
    writer.prepare_map(part)
    writer.record(without_picture())
    writer.prepare(frame(9))
    writer.close()
    assert not list((store.folder / "incoming").iterdir())


def test_that_a_map_that_could_not_be_written_is_told_when_the_part_is_recorded(
    writer: HistoryWriter, reader: HistoryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    part = inspected()
    monkeypatch.setattr(os, "fsync", full)
    writer.prepare_map(part)
    with pytest.raises(StorageError, match="No space left on device"):
        writer.record(part)
    assert reader.recent(10) == []


@pytest.mark.parametrize("failing", ["stage", "stage_map"])
@pytest.mark.parametrize("is_prepared", [True, False])
def test_that_where_picture_or_map_cannot_be_written_nothing_of_the_other_is_left(
    writer: HistoryWriter,
    reader: HistoryReader,
    store: PictureStore,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
    is_prepared: bool,
) -> None:
    def full(*given: Any) -> Any:
        if failing == "stage_map" or given[-1] != ".map":
            raise StorageError("No space left on device")
        return stage(*given)

    stage = store.stage
    part = inspected()
    assert part.frame
    monkeypatch.setattr(store, failing, full)
    if is_prepared:
        writer.prepare(part.frame)
        writer.prepare_map(part)
    with pytest.raises(StorageError, match="No space left on device"):
        writer.record(part)
    assert not [path for path in store.folder.rglob("*") if path.is_file()]
    assert reader.recent(10) == []
    monkeypatch.undo()
    assert writer.record(part).map_hash, "once there is room again, the same part is stored"


def test_that_what_has_been_written_is_discarded_when_it_cannot_get_its_name(
    writer: HistoryWriter, store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match="No space left on device"):
        writer.record(inspected())
    assert not list((store.folder / "incoming").iterdir())


def test_that_a_nearly_full_disk_refuses_pictures_but_still_takes_a_fault(
    engine: Engine, store: PictureStore, reader: HistoryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10e9, 9.2e9, 0.8e9))
    with HistoryWriter(engine, store, min_free_bytes=10**9) as writer:
        part = inspected()
        assert part.frame
        writer.prepare(part.frame)
        for _ in ("prepared", "not prepared"):
            with pytest.raises(StorageError, match=r"Disk nearly full: 0\.8 GB free.*1\.0 GB must stay free"):
                writer.record(part)
        assert reader.recent(10) == []
        fault = writer.record(without_picture())
    assert [row.inspection for row in reader.recent(10)] == [fault]


def test_that_a_full_disk_stores_nothing(
    writer: HistoryWriter, reader: HistoryReader, store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        writer.record(inspected())
    assert reader.recent(10) == []
    assert not [path for path in store.folder.rglob("*") if path.is_file()]


def test_that_a_failing_commit_leaves_no_row_and_the_next_part_is_stored(
    writer: HistoryWriter, reader: HistoryReader, engine: Engine
) -> None:
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    # The pool hands the same connection out again: its database may not grow any more.
    with pytest.raises(StorageError, match="The disk is full"):
        for _ in range(100):
            writer.record(inspected(Verdict.NG, fault="x" * 2000))
    before = reader.count(HistoryFilter())
    engine.dispose()
    stored = writer.record(inspected())
    assert reader.recent(1)[0].inspection == stored
    assert reader.count(HistoryFilter()) == before + 1


def test_that_recording_the_same_part_twice_is_refused(writer: HistoryWriter, reader: HistoryReader) -> None:
    part = inspected()
    writer.record(part)
    with pytest.raises(StorageError, match="entry was refused"):
        writer.record(part)
    assert len(reader.recent(10)) == 1


def test_that_no_commit_has_to_fold_the_log_into_the_database(
    writer: HistoryWriter, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer._stager, "submit", lambda act, *given: act(*given))  # done before the next part comes
    ahead_log = database.with_name(f"{database.name}-wal")
    most_pages = 0.0
    for minute in range(200):
        writer.record(replace(without_picture(), inspection=parts.inspection(Verdict.FAULT, minute)))
        most_pages = max(most_pages, ahead_log.stat().st_size / 4096)
    assert most_pages < 1000, "at 1000 pages SQLite would do it within a commit"


def test_that_the_history_is_readable_with_plain_sqlite(writer: HistoryWriter, database: Path) -> None:
    stored = writer.record(inspected(Verdict.NG, given_truth="anomaly"))
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        row = connection.execute(
            "SELECT *, json_extract(regions, '$[0].width') AS region_width, strftime('%H', captured_at) AS hour "
            "FROM inspections"
        ).fetchone()
    assert (row["id"], row["verdict"], row["score"], row["given_truth"]) == (stored.id, "NG", 40.0, "anomaly")
    assert row["captured_at"] == "2026-11-22T12:00:00.000000+00:00"
    assert (row["region_width"], row["hour"]) == (30, "12")
    assert row["picture_hash"] == stored.picture_hash


RECORD_FOR_EVER = """
import sys
from pathlib import Path
from typing import Any
from station.core.verdict import Verdict
from station.database import open_database
from station.history import HistoryWriter, PictureStore
from tests.history.parts import inspected

home = Path(sys.argv[1])
writer = HistoryWriter(open_database(home / "loupe.db"), PictureStore(home / "pictures"), 0)
seed = int(sys.argv[2])
while True:
    seed += 1
    part = inspected(Verdict.NG, seed=seed)
    if seed % 2:
        writer.prepare(part.frame)
    print(writer.record(part).id, flush=True)
"""


def test_that_what_was_recorded_survives_a_kill_and_no_row_lacks_its_files(
    tmp_path: Path, database: Path, store: PictureStore
) -> None:
    chance = random.Random(5)
    recorded: set[str] = set()
    for round_ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", RECORD_FOR_EVER, str(tmp_path), str(round_ * 10_000)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout
        recorded.add(child.stdout.readline().strip())
        time.sleep(chance.uniform(0.05, 0.25))
        child.send_signal(signal.SIGKILL)
        recorded.update(line.strip() for line in child.stdout.readlines() if line.endswith("\n"))
        child.wait()
        child.stdout.close()
    engine = open_database(database)
    rows = [row.inspection for row in HistoryReader(engine, store).recent(10_000)]
    assert recorded <= {inspection.id for inspection in rows}
    assert len(recorded) > 4
    for inspection in rows:
        assert inspection.picture_hash and inspection.map_hash
        read_picture(store.path(inspection.picture_hash))
        store.read_map(inspection.map_hash)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    engine.dispose()
