"""`loupe judge` and the judging after a training: a sheet, and a model that is kept whatever becomes of it."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml.artifact import read_manifest
from ml.errors import TrainingError
from ml.picture_list import ListedPicture, PictureList
from ml.score_sheet import ScoreSheet
from tests.cli.conftest import Loupe

Start = Callable[..., "subprocess.Popen[str]"]

QUICK = ("--method", "padim", "--size", "64")


@pytest.fixture
def pictures(parts: Path, tmp_path: Path) -> Path:
    """A list of the rendered parts: six to learn from, two good and one bad to test with."""
    learn = [ListedPicture(name=path.name, file=path) for path in sorted((parts / "train/good").iterdir())]
    good = [
        ListedPicture(name=f"good {path.name}", file=path, use="test")
        for path in sorted((parts / "test/good").iterdir())
    ]
    kind = next(folder for folder in sorted((parts / "test").iterdir()) if folder.name != "good")
    bad = ListedPicture(name="bad", file=next(kind.iterdir()), use="test", label="bad", kind=kind.name)
    PictureList(pictures=(*learn, *good, bad)).save(tmp_path / "list.json")
    return tmp_path / "list.json"


def _told(lines: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == event]


def test_that_json_lines_tell_progress_every_score_and_the_sheet(
    loupe: Loupe, model: Path, pictures: Path, tmp_path: Path
) -> None:
    outcome = loupe("judge", model, pictures, "--out", tmp_path / "s", "--json")

    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.json_lines
    assert {line["stage"] for line in _told(lines, "progress")} == {"Judging test pictures"}
    assert lines[-1] == {
        "event": "sheet",
        "folder": str(tmp_path / "s"),
        "model_hash": read_manifest(model).model_hash,
        "pictures": 3,
        "faults": 0,
    }
    sheet = ScoreSheet.load(tmp_path / "s")
    scored = [(line["name"], line["label"], line["kind"], line["score"]) for line in _told(lines, "scored")]
    assert scored == [(row.name, row.label, row.kind, row.score) for row in sheet.rows]
    assert {line["verdict"] for line in _told(lines, "scored")} <= {"OK", "UNSURE", "NG"}


def test_that_a_person_reads_verdicts_by_label_and_kind(loupe: Loupe, model: Path, parts: Path, tmp_path: Path) -> None:
    outcome = loupe("judge", model, parts, "--out", tmp_path / "s")

    assert outcome.code == 0
    heading, *rows = outcome.out.splitlines()
    assert heading.split() == ["pictures", "in", "all", "OK", "NG", "UNSURE", "FAULT"]
    assert rows[0].split()[:2] == ["good", "2"]
    assert len(rows) == 6 and all(row.startswith("bad, ") for row in rows[1:])
    assert "scores and maps of 7 pictures" in outcome.err


def test_that_faults_are_named_and_counted(loupe: Loupe, model: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/broken\n.png").write_bytes(b"")

    outcome = loupe("judge", model, tmp_path / "pictures", "--out", tmp_path / "s")

    assert outcome.code == 0
    assert outcome.out.splitlines()[1].split() == ["unsure", "1", "0", "0", "0", "1"]
    assert outcome.err.startswith("FAULT broken")


@pytest.mark.parametrize("as_json", [False, True])
def test_that_what_is_plainly_wrong_is_told_in_words(
    loupe: Loupe, model: Path, pictures: Path, tmp_path: Path, as_json: bool
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/holiday.png").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    wrong = (
        (tmp_path / "no.loupe", pictures, "s", 1, "no such file"),
        (model, tmp_path / "nowhere", "s", 1, "no such folder"),
        (model, tmp_path / "empty", "s", 1, "no pictures"),
        (model, tmp_path / "no.json", "s", 2, "cannot read the list"),
        (model, pictures, "taken", 1, "holds other files"),
    )
    for file, data, out, code, said in wrong:
        outcome = loupe("judge", file, data, "--out", tmp_path / out, *(["--json"] if as_json else []))
        assert outcome.code == code
        assert said in outcome.err and "Traceback" not in outcome.err
        if as_json:
            (line,) = outcome.json_lines
            assert line["event"] == "error" and said in line["message"]


def test_that_pictures_of_the_training_are_no_test(loupe: Loupe, model: Path, parts: Path, tmp_path: Path) -> None:
    learnt = next((parts / "train/good").iterdir())
    PictureList(pictures=(ListedPicture(name="seen", file=learnt, use="test"),)).save(tmp_path / "list.json")
    outcome = loupe("judge", model, tmp_path / "list.json", "--out", tmp_path / "s")
    assert outcome.code == 1
    assert "learnt from as good parts (first seen)" in outcome.err
    assert not (tmp_path / "s").exists()


# --- after a training ---


def test_that_a_training_on_a_list_ends_with_the_sheet_of_its_tests(
    loupe: Loupe, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m.loupe"

    lines = loupe("train", pictures, "--out", out, *QUICK, "--json").json_lines

    assert [line["event"] for line in lines if line["event"] in ("result", "sheet")] == ["result", "sheet"]
    assert any(line.get("stage") == "Judging test pictures" for line in lines)
    sheet = ScoreSheet.load(tmp_path / "m.scores")
    assert lines[-1]["folder"] == str(tmp_path / "m.scores")
    assert sheet.model_hash == lines[-1]["model_hash"]
    assert [row.name for row in sheet.rows] == [name for name, _ in read_manifest(out).data.tests]
    assert [row.label for row in sheet.rows] == ["good", "good", "bad"]


def test_that_an_estimate_judges_nothing(loupe: Loupe, pictures: Path, tmp_path: Path) -> None:
    outcome = loupe("train", pictures, *QUICK, "--estimate", "--json")
    assert outcome.code == 0
    assert outcome.json_lines[-1]["event"] == "plan"
    assert [path.name for path in tmp_path.iterdir()] == ["list.json"]


def test_that_a_sheet_that_cannot_be_written_costs_no_model(
    loupe: Loupe, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml import scoring_run

    def full(*arguments: object) -> None:
        raise TrainingError("The disk is full.")

    monkeypatch.setattr(scoring_run, "score_list", full)
    outcome = loupe("train", pictures, "--out", tmp_path / "m.loupe", *QUICK, "--json")
    assert outcome.code == 0
    result, warning = outcome.json_lines[-2:]
    assert (result["event"], warning["event"]) == ("result", "warning")
    assert "the model is finished" in warning["message"] and "The disk is full." in warning["message"]
    assert read_manifest(tmp_path / "m.loupe").model_hash == result["model_hash"]


def test_that_a_scores_folder_of_something_else_is_refused_before_the_work(
    loupe: Loupe, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.scores").mkdir()
    (tmp_path / "m.scores/notes.txt").write_text("mine")
    outcome = loupe("train", pictures, "--out", tmp_path / "m.loupe", *QUICK)
    assert outcome.code == 1
    assert "m.scores: holds other files" in outcome.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
def test_that_a_stop_while_judging_keeps_the_model_and_says_so(
    loupe_process: Start, pictures: Path, tmp_path: Path
) -> None:
    listed = PictureList.load(pictures)
    slow = (*listed.pictures, *(listed.pictures[-1].model_copy(update={"name": f"{n}"}) for n in range(3000)))
    PictureList(pictures=slow).save(pictures)

    with loupe_process("train", pictures, "--out", tmp_path / "m.loupe", *QUICK, "--json") as process:
        assert process.stdout is not None and process.stderr is not None
        lines = ""
        while "Judging test pictures" not in lines and (line := process.stdout.readline()):
            lines += line
        process.send_signal(signal.SIGTERM)
        lines += process.stdout.read()
        said = process.stderr.read()
        assert process.wait(60) == 130

    assert said == "Stopped; nothing was left half-written.\n"
    assert '"event": "warning"' in lines and "the model is finished" in lines
    assert '"event": "result"' in lines and '"event": "sheet"' not in lines
    assert read_manifest(tmp_path / "m.loupe")
    assert {path.name for path in tmp_path.iterdir()} == {"list.json", "m.loupe"}
