"""A model over a list of pictures: the sheet holds what the detector says, all of it or nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.artifact import read_manifest
from ml.detector import Detector
from ml.errors import CancelledError, ModelFileError, TrainingError
from ml.evaluation import evaluate
from ml.picture_list import ListedPicture
from ml.pictures import read_picture
from ml.score_sheet import SHEET_FILE, ScoreSheet, read_row_map
from ml.scoring_run import score_list
from tests.ml.lists import bad, good, listed
from tests.ml.small_models import part, write


@pytest.fixture
def model(model_file: Callable[[str, str], Path]) -> Path:
    return model_file("padim", "whole")


@pytest.fixture
def pictures(tmp_path: Path) -> list[ListedPicture]:
    """A good, a bad and an unsure one that the model has not seen."""
    return [good(tmp_path, 40, part="x"), bad(tmp_path, 1), good(tmp_path, 41, label="unsure", use="test")]


def test_that_a_row_holds_what_the_detector_says(model: Path, pictures: list[ListedPicture], tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    sheet = score_list(model, pictures, folder, device="cpu")
    assert ScoreSheet.load(folder) == sheet
    assert sheet.model_hash == read_manifest(model).model_hash
    detector = Detector.load(model, "cpu")
    for listed_picture, row in zip(pictures, sheet.rows, strict=True):
        facts = ("name", "file", "sha256", "label", "part", "kind", "mask")
        assert [getattr(row, name) for name in facts] == [getattr(listed_picture, name) for name in facts]
        detection = detector.score(read_picture(row.file).pixels)
        kept = read_row_map(folder, row)
        assert kept is not None
        assert (row.score, row.map_maximum, row.fault) == (detection.score, detection.score_map.maximum, "")
        assert kept.maximum == detection.score_map.maximum
        spread = float(detection.score_map.cells.max() - detection.score_map.cells.min())
        assert kept.cells == pytest.approx(detection.score_map.cells, abs=spread / 4096)
    good_row, bad_row, _ = sheet.rows
    assert good_row.score is not None and bad_row.score is not None
    assert good_row.score < bad_row.score


def test_that_the_same_pictures_give_the_same_files(model: Path, pictures: list[ListedPicture], tmp_path: Path) -> None:
    for name in ("one", "two", "two"):  # an earlier sheet is replaced
        score_list(model, pictures, tmp_path / name, device="cpu")
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert sorted(one) == ["00000.map", "00001.map", "00002.map", SHEET_FILE]


def test_that_the_empty_folder_that_one_stands_in_is_as_good_as_any(
    model: Path, pictures: list[ListedPicture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    sheet = score_list(model, pictures, Path(), device="cpu")
    assert ScoreSheet.load(tmp_path / "here") == sheet


def test_that_what_cannot_be_scored_is_a_fault_with_its_reason(model: Path, tmp_path: Path) -> None:
    gone, broken = (good(tmp_path, index, sha256=None) for index in (50, 52))
    changed = good(tmp_path, 51)
    write(changed.file, part(99))
    broken.file.write_bytes(b"\x89PNG")
    gone.file.unlink()
    sheet = score_list(model, [gone, changed, broken, good(tmp_path, 53)], tmp_path / "scores", device="cpu")
    reasons = [row.fault for row in sheet.rows]
    assert "does not exist" in reasons[0]
    assert "has changed" in reasons[1]
    assert "0000034.png" in reasons[2]
    assert reasons[3] == ""
    assert [(row.score is None, row.map is None) for row in sheet.rows] == [(True, True)] * 3 + [(False, False)]
    assert sheet.rows[0].sha256 is None


def test_that_a_stop_leaves_an_earlier_sheet_as_it_was(
    model: Path, pictures: list[ListedPicture], tmp_path: Path
) -> None:
    folder = tmp_path / "scores"
    before = score_list(model, pictures[:1], folder, device="cpu")
    answers = iter([False, True])
    with pytest.raises(CancelledError):
        score_list(model, pictures, folder, cancelled=lambda: next(answers), device="cpu")
    assert ScoreSheet.load(folder) == before
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_that_a_full_disk_is_told_and_leaves_nothing(
    model: Path, pictures: list[ListedPicture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TrainingError, match=r"cannot be written \(No space left on device\)"):
        score_list(model, pictures, tmp_path / "scores", device="cpu")
    assert not [path.name for path in tmp_path.iterdir() if "scores" in path.name]


def test_that_pictures_that_were_learnt_from_are_no_test(model: Path, parts_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(parts_folder / "part3.png", tmp_path / "copy.png"))
    learnt = ListedPicture(name="a copy", file=copy, use="test")
    pictures = [good(tmp_path, 40, use="test"), learnt, bad(tmp_path, 1, use="test")]
    with pytest.raises(TrainingError, match=r"1 of the test pictures were learnt from as good parts \(first a copy\)"):
        score_list(model, pictures, tmp_path / "scores", device="cpu")
    with pytest.raises(TrainingError, match="learnt from as good parts"):
        evaluate(Detector.load(model, "cpu"), listed(tmp_path, pictures))
    unsure = learnt.model_copy(update={"label": "unsure"})  # in no figure
    assert score_list(model, [unsure], tmp_path / "scores", device="cpu").rows[0].score is not None


def test_that_there_must_be_a_model_and_pictures(model: Path, pictures: list[ListedPicture], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no pictures to judge"):
        score_list(model, [], tmp_path / "scores")
    with pytest.raises(ModelFileError, match="no such file"):
        score_list(tmp_path / "nowhere.loupe", pictures, tmp_path / "scores")


def test_that_a_list_is_evaluated_like_a_layout(model: Path, pictures: list[ListedPicture], tmp_path: Path) -> None:
    tested = [one.model_copy(update={"use": "test"}) for one in pictures]
    gone = good(tmp_path, 60, use="test")
    data = listed(tmp_path, [*tested, gone])
    gone.file.unlink()
    report = evaluate(Detector.load(model, "cpu"), data)
    assert (report.normal, report.anomalous, report.faults) == (1, 1, 1)
    assert [kind.kind for kind in report.recall_per_kind] == ["hole"]
    assert report.image_auroc == 1.0
    assert report.pixel_auroc is not None
