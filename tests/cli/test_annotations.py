"""`loupe annotations`: any format in, any format out, and what could not be kept is said."""

import json
from pathlib import Path

import numpy as np
import pytest

from ml.annotation.formats import FORMATS, read_annotations
from ml.picture_list import PictureList
from tests.cli.conftest import Loupe


@pytest.mark.parametrize("form", FORMATS)
def test_that_an_mvtec_folder_becomes_any_format_with_the_same_masks(
    loupe: Loupe, parts: Path, tmp_path: Path, form: str
) -> None:
    outcome = loupe("annotations", "convert", parts, "--to", form, "--out", tmp_path / "out")
    assert (outcome.code, outcome.err) == (0, "")
    assert "mvtec, 13 pictures (8 good, 5 bad)" in outcome.out and "13 pictures with" in outcome.out
    source = {one.sha256: one for one in read_annotations(parts).pictures}
    found = read_annotations(tmp_path / "out")
    assert len(found.pictures) == 13 and not found.left_out
    for one in found.pictures:
        before = source[one.sha256]
        assert (one.label, one.use, one.kind) == (before.label, before.use, before.kind)
        assert (one.annotation is None) == (before.annotation is None)
        if one.annotation is not None and before.annotation is not None:
            assert np.array_equal(one.annotation.mask(), before.annotation.mask())


def test_that_a_converted_list_can_be_trained_from(loupe: Loupe, parts: Path, tmp_path: Path) -> None:
    assert loupe("annotations", "convert", parts, "--to", "list", "--out", tmp_path / "out").code == 0
    listed = PictureList.load(tmp_path / "out/pictures.json")
    assert [len(listed.of(*which)) for which in (("good", "learn"), ("good", "test"), ("bad", "test"))] == [6, 2, 5]


def test_that_what_is_there_is_shown_to_people_and_scripts(loupe: Loupe, parts: Path) -> None:
    assert "kind" in loupe("annotations", "show", parts).out
    told = json.loads(loupe("annotations", "show", parts, "--json").out)
    assert (told["format"], told["pictures"], told["labels"], told["annotated"]) == (
        "mvtec", 13, {"good": 8, "bad": 5}, 5,
    )  # fmt: skip
    assert sum(kind["pictures"] for kind in told["kinds"].values()) == 5 and told["left_out"] == []


def test_that_what_is_left_out_is_told_once_and_not_without_end(loupe: Loupe, parts: Path, tmp_path: Path) -> None:
    assert loupe("annotations", "convert", parts, "--to", "labelme", "--out", tmp_path / "out").code == 0
    for number in range(25):
        (tmp_path / f"out/broken{number:02}.json").write_text("{")
    outcome = loupe("annotations", "convert", tmp_path / "out", "--to", "coco", "--out", tmp_path / "again", "--json")
    told = json.loads(outcome.out)
    assert len(told["read"]["left_out"]) == 25 and told["written"]["pictures"] == 13
    shown = loupe("annotations", "show", tmp_path / "out").out
    assert shown.count("left out: ") == 21 and "5 more" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["show", "nowhere"], 1, "no such file"),
        (["show", "empty"], 1, "holds no annotations"),
        (["show", "file.json"], 1, "no JSON file"),
        (["show", "PARTS", "--from", "yolo"], 2, "yolo"),
        (["convert", "PARTS", "--to", "coco"], 2, "--out"),
        (["convert", "PARTS", "--to", "coco", "--out", "file.json"], 1, "not overwritten"),
        (["show", "PARTS", "--from", "coco"], 1, "holds no annotations"),
    ],
)
def test_that_wrong_usage_is_told_in_one_line(
    loupe: Loupe,
    parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    named: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.json").write_text("hello")
    monkeypatch.chdir(tmp_path)
    outcome = loupe("annotations", *[str(parts) if each == "PARTS" else each for each in arguments])
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (code, "", 1)
    assert named in outcome.err
