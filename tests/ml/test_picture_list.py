"""A data set as a list: what it says decides what is learnt from and what is set aside, and nothing else does."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml.artifact import read_manifest
from ml.dataset import read_judged, read_tests
from ml.errors import LoupeError, ParameterError, TrainingError
from ml.job import Augmentation
from ml.picture_list import ListedPicture, PictureList, is_picture_list
from ml.recommendation import recommend
from ml.training.order import data_hash
from ml.training.pipeline import run
from ml.training.sources import set_aside
from ml.training.splits import parts_of
from ml.training.survey import survey_pictures
from tests.ml.lists import bad, good, listed
from tests.ml.small_models import part, quick_job, write


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "m.loupe"


def _refused(data: Path, out: Path, **fields: Any) -> str:
    """What a training says that does not begin."""
    with pytest.raises(LoupeError) as told:
        run(quick_job(data, out, "padim", **fields))
    assert not out.exists()
    return str(told.value)


# --- the file ---


def test_that_a_list_comes_back_as_it_was_saved_with_absolute_files(tmp_path: Path) -> None:
    pictures = (
        ListedPicture(name="a", file=Path("a.png")),
        ListedPicture(name="b", file=tmp_path / "b.png", label="bad", use="test", kind="dent", mask=Path("m/b.png")),
    )
    PictureList(pictures=pictures).save(tmp_path / "list.json")
    loaded = PictureList.load(tmp_path / "list.json")
    assert [one.file for one in loaded.pictures] == [tmp_path / "a.png", tmp_path / "b.png"]
    assert loaded.of("bad", "test")[0].mask == tmp_path / "m/b.png"
    assert loaded.of("good", "test") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not a list of pictures"),
        ("[]", "list.json: "),
        ('{"version": 2, "pictures": []}', "of version 2; this Loupe reads version 1"),
        ('{"pictures": [{"name": "a"}]}', r"pictures\.0\.file: Field required"),
        ('{"pictures": [{"name": "a", "file": "a", "label": "fine"}]}', r"pictures\.0\.label"),
        ('{"pictures": [{"name": "a", "file": "a"}, {"name": "a", "file": "b"}]}', "two pictures are named 'a'"),
    ],
)
def test_that_a_file_that_is_no_list_is_refused_naming_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(ParameterError, match=said):
        PictureList.load(tmp_path / "list.json")


def test_that_a_missing_list_and_other_files_are_refused(tmp_path: Path, out: Path) -> None:
    assert "No such file" in _refused(tmp_path / "nowhere.json", out)
    (tmp_path / "pictures.txt").write_text("a.png")
    assert "is a file" in _refused(tmp_path / "pictures.txt", out)


def test_that_a_folder_may_be_called_like_a_list(tmp_path: Path) -> None:
    (tmp_path / "parts.json").mkdir()
    assert not is_picture_list(tmp_path / "parts.json")
    assert is_picture_list(tmp_path / "parts.JSON")


# --- learnt from, set aside, left alone ---


def test_that_only_good_pictures_to_learn_are_learnt_from_under_their_listed_names(tmp_path: Path, out: Path) -> None:
    pictures = [good(tmp_path, index) for index in range(5)]
    tests = [good(tmp_path, 7, use="test"), bad(tmp_path, 1, use="test")]
    ignored = [good(tmp_path, 8, label="unsure"), good(tmp_path, 9, label="unsure", use="test"), bad(tmp_path, 2)]
    data = listed(tmp_path, [*tests, *pictures, *ignored])
    result = run(quick_job(data, out, "padim"))
    fingerprint = read_manifest(out).data
    assert dict(fingerprint.files) == {one.name: one.sha256 for one in pictures}
    assert dict(fingerprint.tests) == {one.name: one.sha256 for one in tests}
    assert fingerprint.defects == ()
    assert result.survey.path(0) == pictures[0].file
    assert result.manifest.calibration.n == 5


def test_that_a_list_gives_the_model_that_the_folder_gives(tmp_path: Path, out: Path) -> None:
    pictures = [good(tmp_path, index) for index in range(4)]
    by_list = run(quick_job(listed(tmp_path, pictures), out, "padim")).manifest
    by_folder = run(quick_job(tmp_path / "store", tmp_path / "f.loupe", "padim")).manifest
    assert by_list.tensors == by_folder.tensors
    assert by_list.calibration == by_folder.calibration


def test_that_excluded_names_are_neither_learnt_from_nor_tested_with(tmp_path: Path, out: Path) -> None:
    pictures = [*(good(tmp_path, index) for index in range(5)), good(tmp_path, 7, use="test")]
    data = listed(tmp_path, pictures)
    fingerprint = run(quick_job(data, out, "padim", exclude=["good 4", "good 7"])).manifest.data
    assert [name for name, _ in fingerprint.files] == [f"good {index}" for index in range(4)]
    assert fingerprint.tests == ()
    out.unlink()
    assert "no picture 'good 5' to exclude" in _refused(data, out, exclude=["good 5"])


def test_that_a_changed_file_is_refused_and_an_unreadable_one_is_left_out(tmp_path: Path, out: Path) -> None:
    pictures = [*(good(tmp_path, index) for index in range(5)), good(tmp_path, 7, use="test")]
    data = listed(tmp_path, pictures)
    pictures[2].file.unlink()
    survey = survey_pictures(quick_job(data, out))
    assert [(item.file, "good 2" in item.reason) for item in survey.skipped] == [("good 2", True)]
    for changed in (pictures[1], pictures[5]):
        before = changed.file.read_bytes()
        write(changed.file, part(99))
        said = _refused(data, out)
        assert changed.name in said and "has changed since it was listed" in said
        changed.file.write_bytes(before)


def test_that_a_list_without_good_pictures_to_learn_is_refused(tmp_path: Path, out: Path) -> None:
    data = listed(tmp_path, [good(tmp_path, 1, use="test"), bad(tmp_path, 1)])
    assert "no pictures of good parts" in _refused(data, out)


# --- parts ---


def test_that_parts_come_from_the_list_then_from_the_name_then_from_the_picture(tmp_path: Path, out: Path) -> None:
    pictures = [good(tmp_path, 0, part="x"), good(tmp_path, 1, part="x"), good(tmp_path, 2), good(tmp_path, 3)]
    survey = survey_pictures(quick_job(listed(tmp_path, pictures), out))
    assert parts_of(survey, None) == ["x", "x", "good 2", "good 3"]
    assert parts_of(survey, r"good (\d)") == ["x", "x", "2", "3"]


def test_that_the_parts_of_test_pictures_are_told_alike(tmp_path: Path, out: Path) -> None:
    tests = [good(tmp_path, 5, use="test", part="x"), good(tmp_path, 6, use="test"), bad(tmp_path, 1, use="test")]
    data = listed(tmp_path, [good(tmp_path, 0), *tests])
    assert [one.part for one in set_aside(quick_job(data, out))] == ["x", None, None]
    assert [one.part for one in set_aside(quick_job(data, out, group_by=r"good (\d)"))] == ["x", "6", None]


@pytest.mark.parametrize("group_by", [None, r"(good) "])
def test_that_a_part_is_not_both_learnt_from_and_tested_with(tmp_path: Path, out: Path, group_by: str | None) -> None:
    part_of = "x" if group_by is None else None
    pictures = [good(tmp_path, index, part=part_of) for index in range(3)]
    data = listed(tmp_path, [*pictures, good(tmp_path, 7, use="test", part=part_of)])
    assert "show the same part" in _refused(data, out, group_by=group_by)


def test_that_a_copy_under_another_name_is_not_both_learnt_from_and_tested_with(tmp_path: Path, out: Path) -> None:
    pictures = [good(tmp_path, index) for index in range(3)]
    twin = pictures[1].model_copy(update={"name": "twin", "use": "test"})
    said = _refused(listed(tmp_path, [*pictures, twin]), out)
    assert "'twin'" in said and "'good 1'" in said and "same picture" in said


# --- defects ---


def test_that_defects_and_their_masks_come_from_the_list(tmp_path: Path, out: Path) -> None:
    pictures = [*(good(tmp_path, index) for index in range(6)), bad(tmp_path, 1), bad(tmp_path, 2, is_masked=False)]
    data = listed(tmp_path, pictures)
    labelled: dict[str, Any] = {"parameters": {"width": 8, "steps": 20, "batch": 8, "defects": "labelled"}}
    fingerprint = run(quick_job(data, out, "patch_cnn", **labelled)).manifest.data
    assert [name for name, _ in fingerprint.defects] == ["bad 1"]  # where the defect of the other is, nobody says
    assert len(fingerprint.defect_masks) == 1
    none = listed(tmp_path, [*pictures[:6], bad(tmp_path, 2, is_masked=False)])
    with pytest.raises(TrainingError, match=r"with masks of their defects, and .* lists none"):
        run(quick_job(none, out, "patch_cnn", **labelled))


def test_that_a_map_filter_learns_from_the_listed_masks(tmp_path: Path, out: Path) -> None:
    pictures = [*(good(tmp_path, index) for index in range(6)), bad(tmp_path, 1), bad(tmp_path, 2, is_masked=False)]
    fingerprint = run(quick_job(listed(tmp_path, pictures), out, "padim", conv_processing=3)).manifest.data
    assert [name for name, _ in fingerprint.defects] == ["bad 1"]


def test_that_a_folder_of_defects_beside_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="a list of pictures names those of defective parts itself"):
        quick_job(tmp_path / "list.json", tmp_path / "m.loupe", defects=tmp_path)


# --- who else reads it ---


def test_that_an_interrupted_training_is_not_continued_with_other_parts_or_tests(tmp_path: Path, out: Path) -> None:
    pictures = [good(tmp_path, index) for index in range(3)]

    def hashed(*more: tuple[str, str], **fields: Any) -> str:
        data = listed(tmp_path, [*pictures[:2], pictures[2].model_copy(update=fields)])
        return data_hash(survey_pictures(quick_job(data, out)), None, (), more)

    assert hashed() == hashed()
    assert len({hashed(), hashed(part="x"), hashed(("t", "0" * 64))}) == 3


def test_that_the_pictures_of_a_list_are_augmented_and_recommended_for(tmp_path: Path, out: Path) -> None:
    pictures = [*(good(tmp_path, index) for index in range(6)), bad(tmp_path, 1)]
    data = listed(tmp_path, pictures)
    pictures[3].file.unlink()
    assert recommend(data).pictures == 5
    augment = Augmentation(generator="appearance", count=2)
    manifest = run(quick_job(data, out, "padim", augment=augment)).manifest
    assert len(manifest.data.generated) == 2
    assert not set(manifest.data.held_out) & set(manifest.data.generated)


def test_that_test_pictures_are_read_good_first_and_judged_with_the_unsure(tmp_path: Path) -> None:
    pictures = [
        bad(tmp_path, 1, use="test"),
        good(tmp_path, 1),
        good(tmp_path, 2, use="test"),
        good(tmp_path, 3, label="unsure"),
    ]
    data = listed(tmp_path, pictures)
    assert [(one.title, one.truth, one.kind) for one in read_tests(data)] == [
        ("good 2", "normal", None),
        ("bad 1", "anomaly", "hole"),
    ]
    assert [one.name for one in read_judged(data)] == ["bad 1", "good 2", "good 3"]
    alone = listed(tmp_path, [good(tmp_path, 1)])
    for read in (read_tests, read_judged):
        with pytest.raises(TrainingError, match="test with"):
            read(alone)


def test_that_folders_are_judged_by_their_labels_or_as_unsure(tmp_path: Path) -> None:
    for name in ("test/good/0.png", "test/dent/0.png", "ground_truth/dent/0_mask.png"):
        write(tmp_path / name, part(1))
    found = read_judged(tmp_path)
    assert [(one.name, one.label, one.kind) for one in found] == [
        ("good/0.png", "good", None),
        ("dent/0.png", "bad", "dent"),
    ]
    assert found[1].mask == tmp_path / "ground_truth/dent/0_mask.png"
    assert [(one.name, one.label) for one in read_judged(tmp_path / "test/dent")] == [("0.png", "unsure")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="no pictures to judge by"):
        read_judged(tmp_path / "empty")


def test_that_a_list_written_by_hand_needs_only_names_and_files(tmp_path: Path, out: Path) -> None:
    pictures = [good(tmp_path, index) for index in range(3)]
    entries = [{"name": one.name, "file": str(one.file.relative_to(tmp_path))} for one in pictures]
    (tmp_path / "list.json").write_text(json.dumps({"pictures": entries}))
    assert survey_pictures(quick_job(tmp_path / "list.json", out)).names == ("good 0", "good 1", "good 2")
