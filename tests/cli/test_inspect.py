"""`loupe inspect`: a record per picture, exit codes that scripts rely on, and pictures that cannot be judged."""

import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from ml.pictures import read_picture
from tests.cli.conftest import Loupe

KEYS = {
    "path",
    "score",
    "normalised_score",
    "threshold",
    "verdict",
    "regions",
    "latency_ms",
    "fault",
    "generated_by",
    "overlay",
    "map",
}


@pytest.fixture
def good(parts: Path) -> Path:
    return parts / "test" / "good"


@pytest.fixture
def all_ng(model: Path, tmp_path: Path) -> Path:
    """The same model with a threshold that every picture reaches."""
    from ml.artifact import read_manifest, revised

    calibration = read_manifest(model).calibration
    changed = {"threshold": 1e-3, "threshold_low": None, "median": 0.0, "pixel_threshold": 1e-3, "pixel_median": 0.0}
    file = tmp_path / "all_ng.loupe"
    revised(model, file, calibration.model_copy(update=changed), None)
    return file


def test_that_every_picture_gives_a_json_line(loupe: Loupe, model: Path, good: Path) -> None:
    outcome = loupe("inspect", model, good, "--json")

    assert outcome.code == 0
    records = outcome.json_lines
    assert [Path(record["path"]) for record in records] == sorted(good.iterdir())
    for record in records:
        assert set(record) == KEYS
        assert record["verdict"] in {"OK", "UNSURE", "NG"}
        assert record["score"] > 0 and record["threshold"] > 0 and record["latency_ms"] > 0
        assert record["fault"] is None and record["overlay"] is None and record["map"] is None
    assert outcome.err == f"{sum(r['verdict'] == 'OK' for r in records)} OK, " + outcome.err.partition(", ")[2]


def test_that_ng_exits_4_only_on_request_and_shows_its_regions(loupe: Loupe, all_ng: Path, good: Path) -> None:
    told = loupe("inspect", all_ng, good, "--json")

    assert told.code == 0
    for record in told.json_lines:
        assert record["verdict"] == "NG"
        assert record["regions"]
        assert set(record["regions"][0]) >= {"x", "y", "width", "height", "area_px", "peak"}
    assert loupe("inspect", all_ng, good, "--fail-on-ng").code == 4


def write_missing(folder: Path, picture: Path) -> Path:
    return folder / "missing.png"


def write_text(folder: Path, picture: Path) -> Path:
    file = folder / "text.png"
    file.write_text("hello")
    return file


def write_empty(folder: Path, picture: Path) -> Path:
    file = folder / "empty.png"
    file.touch()
    return file


def write_cut_png(folder: Path, picture: Path) -> Path:
    file = folder / "cut.png"
    file.write_bytes(picture.read_bytes()[:-200])
    return file


def write_flipped_png(folder: Path, picture: Path) -> Path:
    data = bytearray(picture.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file = folder / "flipped.png"
    file.write_bytes(data)
    return file


def write_cut_jpeg(folder: Path, picture: Path) -> Path:
    import cv2

    _, data = cv2.imencode(".jpg", read_picture(picture).pixels)
    file = folder / "cut.jpg"
    file.write_bytes(data.tobytes()[: len(data) // 2])
    return file


@pytest.mark.parametrize(
    "write", [write_missing, write_text, write_empty, write_cut_png, write_flipped_png, write_cut_jpeg]
)
def test_that_a_picture_that_cannot_be_judged_is_a_fault_with_its_reason(
    loupe: Loupe, model: Path, good: Path, tmp_path: Path, write: Callable[[Path, Path], Path]
) -> None:
    fine = sorted(good.iterdir())[0]
    bad = write(tmp_path, fine)

    outcome = loupe("inspect", model, bad, fine, "--json", "--fail-on-ng")

    assert outcome.code == 3
    fault, judged = outcome.json_lines
    assert set(fault) == KEYS
    assert fault["verdict"] == "FAULT"
    assert fault["score"] is None and fault["regions"] == []
    assert bad.name in fault["fault"]
    assert judged["verdict"] != "FAULT"
    assert outcome.err.count("\n") == 1, "a library printed words of its own"


def test_that_a_fault_outranks_ng(loupe: Loupe, all_ng: Path, good: Path, tmp_path: Path) -> None:
    assert loupe("inspect", all_ng, good, tmp_path / "missing.png", "--fail-on-ng").code == 3


NAMES = ["with space.png", "ünïcödé 検査.png", "[red]markup[red].png", "l" * 250 + ".png"]
if sys.platform != "win32":
    NAMES += ["two\nlines.png"]
if sys.platform.startswith("linux"):
    NAMES += [os.fsdecode(b"latin-\xfc.png")]


@pytest.mark.parametrize("name", NAMES)
def test_that_any_file_name_keeps_to_one_row_and_can_be_written_for(
    loupe: Loupe, model: Path, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        shutil.copy(sorted(good.iterdir())[0], name)
    except OSError as error:
        if error.errno in {errno.EILSEQ, errno.EINVAL}:
            pytest.skip("this file system takes no such name")
        raise

    shown = loupe("inspect", model, name)
    told = loupe("inspect", model, name, "--out", "out", "--json")

    assert shown.code == told.code == 0
    rows = shown.out.splitlines()
    assert len(rows) == 2
    assert rows[1].endswith(name if name.isprintable() else ".png")
    record = told.json_lines[0]
    assert record["path"] == name
    assert Path(record["overlay"]).is_file() and Path(record["map"]).is_file()


def test_that_the_overlay_and_the_raw_map_have_the_pictures_size(
    loupe: Loupe, model: Path, good: Path, tmp_path: Path
) -> None:
    outcome = loupe("inspect", model, good, "--out", tmp_path / "new" / "folder", "--json")

    for record in outcome.json_lines:
        pixels = read_picture(Path(record["path"])).pixels
        assert read_picture(Path(record["overlay"])).pixels.shape[:2] == pixels.shape[:2]
        raw = np.load(record["map"], allow_pickle=False)
        assert raw.shape == pixels.shape[:2]
        assert raw.max() == pytest.approx(record["score"], rel=0.05)  # the cells' maximum, between pixels


def test_that_an_output_folder_that_is_a_file_is_no_fault_of_the_pictures(
    loupe: Loupe, model: Path, good: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("hello")

    outcome = loupe("inspect", model, good, "--out", tmp_path / "out", "--json")

    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1 and "out" in outcome.err


def test_that_a_full_disk_ends_the_run_instead_of_calling_good_pictures_a_fault(
    loupe: Loupe, model: Path, good: Path, tmp_path: Path
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with mock.patch("station.commands.inspect.write_atomically", side_effect=full):
        outcome = loupe("inspect", model, good, "--out", tmp_path / "out", "--json")

    assert outcome.code == 1
    assert outcome.out == ""
    assert os.strerror(errno.ENOSPC) in outcome.err and outcome.err.count("\n") == 1


def test_that_a_folder_without_pictures_is_told_before_anything_is_judged(
    loupe: Loupe, model: Path, good: Path, tmp_path: Path
) -> None:
    outcome = loupe("inspect", model, good, tmp_path, "--json")

    assert outcome.code == 1
    assert outcome.out == ""
    assert "holds no pictures" in outcome.err


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="this user may write everywhere")
def test_that_pictures_in_a_read_only_folder_are_judged(loupe: Loupe, model: Path, good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    shutil.copytree(good, folder)
    folder.chmod(0o555)
    try:
        assert loupe("inspect", model, folder).code == 0
    finally:
        folder.chmod(0o755)


def test_that_the_table_fits_80_columns_but_for_the_path(loupe: Loupe, model: Path, good: Path) -> None:
    heading, *rows = loupe("inspect", model, good).out.splitlines()

    assert heading.split() == ["verdict", "normalised", "score", "threshold", "regions", "ms", "picture"]
    start = heading.index("picture")
    assert start < 70
    assert [row[start:] for row in rows] == [str(path) for path in sorted(good.iterdir())]


@pytest.mark.skipif(sys.platform == "win32", reason="a broken pipe is told otherwise on Windows")
def test_that_a_reader_who_leaves_is_no_failure_to_talk_about(
    loupe_process: Callable[..., Any], model: Path, good: Path
) -> None:
    with loupe_process("inspect", model, *[good] * 20, "--json") as process:
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        said = process.stderr.read()
        process.wait(60)

    assert said == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_that_a_full_disk_behind_stdout_is_told_in_one_line(model: Path, good: Path) -> None:
    import subprocess

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "station", "inspect", str(model), str(good), "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
