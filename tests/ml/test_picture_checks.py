"""Doubtful pictures are found by what the set itself is like, and parts that merely look alike are left in peace."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.errors import CancelledError, PictureError
from ml.picture_checks import Doubt, doubts
from ml.picture_facts import LOOK_PX, THUMBNAIL_PX, PictureFacts, examine, load_facts, save_facts
from ml.pictures import encode_png, list_pictures
from station.capture.demo_line.rendering import render_part

PARTS = 24


@pytest.fixture(scope="module")
def parts() -> list[NDArray[np.uint8]]:
    """Rendered good parts on one fixture."""
    return [render_part(4, index, None, 192)[0] for index in range(PARTS)]


def facts_of(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> PictureFacts:
    return examine(encode_png(pixels), "picture").facts


@pytest.fixture(scope="module")
def facts(parts: list[NDArray[np.uint8]]) -> list[PictureFacts]:
    return [facts_of(part) for part in parts]


def about(facts: list[PictureFacts], *added: NDArray[np.uint8]) -> list[tuple[Doubt, ...]]:
    """What is found about the pictures that are added to good ones."""
    whole = [*facts, *(facts_of(one) for one in added)]
    return list(doubts(whole, [True] * len(whole)))[len(facts) :]


def kinds(found: tuple[Doubt, ...]) -> set[str]:
    return {doubt.kind for doubt in found}


def test_that_one_decode_tells_size_content_and_looks(parts: list[NDArray[np.uint8]]) -> None:
    found = examine(encode_png(np.tile(parts[0], (2, 3, 1))), "picture")
    assert (found.facts.width_px, found.facts.height_px, found.facts.bit_depth) == (576, 384, 8)
    assert not found.facts.is_grey and found.facts.look.shape == (LOOK_PX, LOOK_PX)
    small = cv2.imdecode(np.frombuffer(found.thumbnail, np.uint8), cv2.IMREAD_UNCHANGED)
    assert small.shape == (round(THUMBNAIL_PX * 384 / 576), THUMBNAIL_PX, 3)
    with pytest.raises(PictureError, match=r"lost\.png"):
        examine(b"no picture", "lost.png")


def test_that_ten_bits_in_a_16_bit_file_give_a_visible_thumbnail(parts: list[NDArray[np.uint8]]) -> None:
    found = examine(encode_png(parts[0].astype(np.uint16) * 4), "picture")
    small = cv2.imdecode(np.frombuffer(found.thumbnail, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found.facts.bit_depth == 16 and abs(float(small.mean()) - float(parts[0].mean())) < 4


def test_that_facts_are_kept_and_a_damaged_file_of_them_is_none(facts: list[PictureFacts], tmp_path: Path) -> None:
    path = tmp_path / "facts.npz"
    save_facts(path, {one.sha256: one for one in facts})
    kept = load_facts(path)
    assert list(kept) == [one.sha256 for one in facts]
    assert kept[facts[3].sha256].focus == facts[3].focus
    assert np.array_equal(kept[facts[3].sha256].look, facts[3].look)
    path.write_bytes(path.read_bytes()[:500])
    assert load_facts(path) == {} and load_facts(tmp_path / "none.npz") == {}
    save_facts(path, {})
    assert load_facts(path) == {}


def test_that_good_parts_on_one_fixture_raise_no_doubt(facts: list[PictureFacts]) -> None:
    assert not any(doubts(facts, [True] * PARTS))


def test_that_the_same_file_is_a_duplicate_of_the_first(
    facts: list[PictureFacts], parts: list[NDArray[np.uint8]]
) -> None:
    (found,) = about(facts, parts[5])
    assert found == (Doubt("duplicate", 0.0, 5),)


def test_that_the_same_scene_taken_again_is_a_near_duplicate(
    facts: list[PictureFacts], parts: list[NDArray[np.uint8]]
) -> None:
    noise = np.random.default_rng(1).normal(0, 2, parts[7].shape)
    again = np.clip(parts[7] * 1.02 + noise, 0, 255).astype(np.uint8)
    (found,) = about(facts, again)
    assert [(doubt.kind, doubt.other) for doubt in found] == [("near_duplicate", 7)]


def test_that_a_bad_part_may_look_like_a_good_one(facts: list[PictureFacts], parts: list[NDArray[np.uint8]]) -> None:
    scratched = parts[7].copy()
    cv2.line(scratched, (60, 60), (70, 66), (255, 255, 255), 1)
    found = doubts([*facts, facts_of(scratched)], [True] * PARTS + [False])
    assert not any(found)


def test_that_the_same_pixels_in_another_file_format_are_a_repeat_even_of_two(parts: list[NDArray[np.uint8]]) -> None:
    bmp = bytes(cv2.imencode(".bmp", cv2.cvtColor(parts[0], cv2.COLOR_RGB2BGR))[1])
    pair = [facts_of(parts[0]), examine(bmp, "picture").facts]
    assert [kinds(each) for each in doubts(pair, [True, True])] == [set(), {"near_duplicate"}]
    other = [facts_of(parts[0]), facts_of(parts[1])]
    assert not any(doubts(other, [True, True]))


def test_that_blur_and_exposure_are_told_as_a_share_of_the_usual(
    facts: list[PictureFacts], parts: list[NDArray[np.uint8]]
) -> None:
    blurred = cv2.GaussianBlur(parts[2], (0, 0), 2.0)
    dark = (parts[3] * 0.6).astype(np.uint8)
    first, second = about(facts, blurred, dark)
    assert "blurred" in kinds(first) and next(one for one in first if one.kind == "blurred").figure < 0.6
    assert "dark" in kinds(second)
    assert next(one for one in second if one.kind == "dark").figure == pytest.approx(0.6, abs=0.03)


def test_that_deeper_pictures_are_not_dark_beside_8_bit_ones(
    facts: list[PictureFacts], parts: list[NDArray[np.uint8]]
) -> None:
    deep = [facts_of(part.astype(np.uint16) * 4) for part in parts[:10]]
    found = doubts([*facts, *deep], [True] * (PARTS + 10))
    assert not any({"dark", "bright"} & kinds(each) for each in found)


def test_that_a_painted_spot_is_proposed_as_a_likely_defect(
    facts: list[PictureFacts], parts: list[NDArray[np.uint8]]
) -> None:
    marked = parts[4].copy()
    cv2.circle(marked, (96, 96), 14, (255, 255, 255), -1)
    whole = [*facts[:4], facts_of(marked), *facts[5:]]
    found = doubts(whole, [True] * PARTS)
    assert "likely_defect" in kinds(found[4]) and sum(bool(each) for each in found) == 1


def test_that_bad_pictures_are_no_outliers_and_shift_no_usual(
    facts: list[PictureFacts], parts: list[NDArray[np.uint8]]
) -> None:
    dark = [facts_of((part * 0.4).astype(np.uint8)) for part in parts]
    found = doubts([*facts, *dark], [True] * PARTS + [False] * PARTS)
    assert not any({"dark", "bright", "blurred", "likely_defect"} & kinds(each) for each in found)


def test_that_few_pictures_have_no_outliers(parts: list[NDArray[np.uint8]]) -> None:
    few = [facts_of(parts[0]), facts_of((parts[1] * 0.3).astype(np.uint8)), facts_of(parts[2])]
    assert not any({"dark", "likely_defect"} & kinds(each) for each in doubts(few, [True] * 3))
    assert doubts([], []) == ()


def test_that_checking_can_be_stopped(facts: list[PictureFacts]) -> None:
    with pytest.raises(CancelledError):
        doubts(facts, [True] * PARTS, lambda: True)


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "most"), [("aliens", 0), ("cookie", 2)])
def test_that_few_real_training_pictures_are_doubted(data_folder: Path, name: str, most: int) -> None:
    paths = list_pictures(data_folder / name / "train" / "good")
    found = doubts([examine(path.read_bytes(), path.name).facts for path in paths], [True] * len(paths))
    assert sum(map(bool, found)) <= most


@pytest.mark.real_data
def test_that_repeats_among_magnetic_tiles_are_of_one_tile(data_folder: Path) -> None:
    """Numbers in the names that lie less than 300 apart tell one tile, see the set's ABOUT.txt."""
    paths = list_pictures(data_folder / "magnetic_tile" / "train" / "good")[:150]
    number = [int(path.stem.rsplit("_", 1)[-1]) for path in paths]
    found = doubts([examine(path.read_bytes(), path.name).facts for path in paths], [True] * len(paths))
    assert Counter(kind for each in found for kind in kinds(each))["near_duplicate"] < len(paths) / 10
    for index, each in enumerate(found):
        for doubt in each:
            if doubt.other is not None:
                assert abs(number[index] - number[doubt.other]) < 300
