from pathlib import Path

import pytest

from ml.alignment import Alignment, Placement
from ml.catalogue import METHODS, parse_settings
from ml.errors import CancelledError, PictureError, TrainingError
from ml.generation.marking import Mark, encode_marked
from ml.recommendation import Recommendation, choose, recommend
from tests.ml.small_models import part, write_parts


def _alignment(placement: Placement = "aligned") -> Alignment:
    return Alignment(placement, 0.5, 0.6, 0.1, 0.0, 30)


def _all() -> list[Recommendation]:
    return [
        choose(_alignment(placement), pictures, side, defects, has_weights)
        for placement in ("aligned", "moved", "texture")
        for pictures in (3, 8, 40)
        for side in (300, 4000)
        for defects in (0, 50)
        for has_weights in (True, False)
    ] + [choose(_alignment("unknown"), pictures, 640) for pictures in (1, 2)]


def test_that_only_methods_and_settings_that_exist_are_recommended() -> None:
    for found in _all():
        parse_settings(found.method, found.settings)
        assert {other.method for other in found.alternatives} <= set(METHODS)
        assert found.reason


def test_that_position_bound_methods_are_only_named_for_aligned_parts() -> None:
    for found in _all():
        named = {found.method, *(other.method for other in found.alternatives)}
        if found.alignment.placement in ("moved", "texture"):
            assert all(METHODS[name].positions == "free" for name in named - {"template"})


def test_that_without_weights_none_is_named_that_needs_them() -> None:
    for pictures in (3, 40):
        found = choose(_alignment(), pictures, 300, has_weights=False)
        named = {found.method, *(other.method for other in found.alternatives)}
        assert not any(METHODS[name].needs_weights for name in named)


def test_that_one_picture_is_a_template() -> None:
    assert choose(_alignment("unknown"), 1, 640).method == "template"


def test_that_few_pictures_ask_for_the_few_shot_setting() -> None:
    assert choose(_alignment(), 5, 300).settings == {"few_shot": True}
    assert not choose(_alignment(), 40, 300).settings


def test_that_large_pictures_are_looked_at_in_tiles_or_where_a_method_has_none_in_patches() -> None:
    for has_weights in (True, False):
        found = choose(_alignment(), 40, 4000, has_weights=has_weights)
        assert found.tiles == (not found.patch) == METHODS[found.method].tiles == has_weights
        small = choose(_alignment(), 40, 600, has_weights=has_weights)
        assert (small.tiles, small.patch) == (False, None)


def test_that_labelled_defects_are_made_use_of() -> None:
    found = choose(_alignment(), 40, 300, defects=40)
    assert (found.method, found.settings) == ("student_teacher", {"teacher": "labelled"})


def test_that_labelled_defects_are_learnt_from_in_whole_pictures() -> None:
    found = choose(_alignment(), 40, 4000, defects=40)
    assert (found.method, found.patch, found.tiles) == ("student_teacher", None, False)


def test_that_pictures_that_cannot_be_read_do_not_count(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "parts", 2)
    for index in range(12):
        (folder / f"bad{index}.png").write_bytes(b"no picture")
    found = recommend(folder)
    assert (found.pictures, found.method) == (2, "template")


def test_that_generated_pictures_do_not_count(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "parts", 4)
    for index in range(3):
        (folder / f"z{index}.png").write_bytes(encode_marked(part(50 + index), Mark(generator="appearance")))
    assert recommend(folder).pictures == recommend(write_parts(tmp_path / "captured", 4)).pictures == 4
    for captured in folder.glob("part*"):
        captured.unlink()
    with pytest.raises(PictureError, match="all 3 pictures are generated"):
        recommend(folder)


def test_that_a_folder_is_looked_at(tmp_path: Path) -> None:
    write_parts(tmp_path / "parts", 9)
    found = recommend(tmp_path / "parts")
    assert (found.pictures, found.alignment.placement) == (9, "aligned")


def test_that_what_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no such folder"):
        recommend(tmp_path / "nowhere")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"a\.png"):
        recommend(tmp_path / "bad")


def test_that_looking_can_be_stopped(tmp_path: Path) -> None:
    with pytest.raises(CancelledError):
        recommend(write_parts(tmp_path / "parts"), cancelled=lambda: True)
