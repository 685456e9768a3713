"""The rendered parts and their data set."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.dataset import read_mask, read_mvtec, read_normals
from ml.pictures import read_picture
from station.capture.demo_line import BATCHES, DEFECT_KINDS, DefectKind, render_part, write_demo_dataset
from station.capture.demo_line.rendering import render_covered_lens, render_empty_fixture
from station.core.errors import CameraError

SIZE_PX = 256


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Grey levels `(height, width)` by which two pictures differ."""
    return np.abs(one.astype(np.int16) - other).mean(axis=2)


def test_that_the_same_part_is_rendered_alike_every_time() -> None:
    for defect in (None, *DEFECT_KINDS):
        first, second = render_part(5, 2, defect, SIZE_PX), render_part(5, 2, defect, SIZE_PX)
        assert np.array_equal(first[0], second[0])
        assert np.array_equal(first[1], second[1])


@pytest.mark.parametrize(("seed", "index"), [(5, 3), (6, 2)])
def test_that_parts_differ_in_pose_light_and_texture(seed: int, index: int) -> None:
    difference = _difference(render_part(5, 2, None, SIZE_PX)[0], render_part(seed, index, None, SIZE_PX)[0])
    assert difference.mean() > 3


def test_that_another_batch_shows_the_same_parts_in_another_colour_and_light() -> None:
    for defect in (None, "dent"):
        (steel, mask), (bronze, same_mask) = (
            render_part(5, 2, defect, SIZE_PX, batch=batch) for batch in (BATCHES[1], BATCHES[2])
        )
        assert np.array_equal(mask, same_mask)
        red, _, blue = bronze.mean(axis=(0, 1)) / steel.mean(axis=(0, 1))
        assert blue < red < 1  # warmer and dimmer
        edges = [cv2.Canny(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 60, 120) > 0 for pixels in (steel, bronze)]
        assert (edges[0] & edges[1]).sum() > 0.6 * edges[1].sum()  # in the same pose


@pytest.mark.parametrize("size_px", [128, 257, 768])
def test_that_a_picture_has_the_size_asked_for(size_px: int) -> None:
    pixels, mask = render_part(1, 1, "dent", size_px)
    assert (pixels.shape, pixels.dtype) == ((size_px, size_px, 3), np.uint8)
    assert (mask.shape, mask.dtype) == ((size_px, size_px), np.bool_)


def test_that_a_good_part_has_an_empty_mask() -> None:
    assert not render_part(1, 1, None, SIZE_PX)[1].any()


@pytest.mark.parametrize("defect", DEFECT_KINDS)
def test_that_a_person_can_see_every_defect_where_the_mask_says(defect: DefectKind) -> None:
    for index in range(12):
        good, _ = render_part(11, index, None, SIZE_PX)
        pixels, mask = render_part(11, index, defect, SIZE_PX)
        difference = _difference(pixels, good)
        assert mask.sum() >= 12, index
        assert np.percentile(difference[mask], 75) > 14, index
        around = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0  # the lens blurs
        assert difference[~around].sum() < 0.1 * difference[mask].sum(), index


@pytest.mark.parametrize("defect", DEFECT_KINDS)
def test_that_a_defect_lies_at_the_same_place_at_every_size(defect: DefectKind) -> None:
    _, small = render_part(3, 4, defect, 256)
    _, large = render_part(3, 4, defect, 512)
    middles = [np.argwhere(mask).mean(axis=0) / len(mask) for mask in (small, large)]
    assert np.abs(middles[0] - middles[1]).max() < 0.03


def test_that_the_ring_is_brighter_than_its_fixture_and_whole_in_the_picture() -> None:
    pixels, _ = render_part(2, 9, None, SIZE_PX)
    grey = pixels.mean(axis=2)
    x, y = np.meshgrid(np.linspace(-1, 1, SIZE_PX), np.linspace(-1, 1, SIZE_PX))
    radius = np.hypot(x, y) / 0.81
    assert grey[(radius > 0.75) & (radius < 0.9)].mean() > 2 * grey[(radius > 1.06) & (radius < 1.1)].mean()
    assert max(grey[0].mean(), grey[-1].mean(), grey[:, 0].mean(), grey[:, -1].mean()) < 90


def test_that_disturbances_look_like_what_they_are() -> None:
    part, _ = render_part(2, 9, None, SIZE_PX)
    unfocused, _ = render_part(2, 9, None, SIZE_PX, is_focused=False)
    fixture = render_empty_fixture(2, 9, SIZE_PX)
    covered = render_covered_lens(2, 9, SIZE_PX)

    def sharpness(pixels: NDArray[np.uint8]) -> float:
        return float(np.abs(np.diff(pixels.mean(axis=2), axis=1)).mean())

    assert covered.mean() < 12
    assert fixture.mean() < 0.7 * part.mean()
    assert sharpness(unfocused) < 0.6 * sharpness(part)
    assert abs(unfocused.mean() - part.mean()) < 6


def test_that_the_data_set_is_of_the_mvtec_layout(tmp_path: Path) -> None:
    write_demo_dataset(tmp_path / "parts", normals=2, seed=4, test_good=1, test_defects=6, size_px=128)
    _, normals = read_normals(tmp_path / "parts")
    tests = read_mvtec(tmp_path / "parts")
    assert len(normals) == 2
    assert [picture.kind for picture in tests if picture.truth == "normal"] == [None]
    assert {picture.kind for picture in tests} == {None, *DEFECT_KINDS}
    for picture in tests[1:]:
        mask = read_mask(picture, (128, 128))
        assert mask is not None
        assert mask.any()


def test_that_the_data_set_is_the_same_for_the_same_seed_and_shares_no_picture_with_the_line(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_demo_dataset(tmp_path / name, normals=2, seed=4, size_px=128)
    first, second = (sorted((tmp_path / name).rglob("*.png")) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    shown = [render_part(4, index, None, 128)[0] for index in range(4)]
    assert not any(np.array_equal(read_picture(path).pixels, pixels) for path in first for pixels in shown)


def test_that_a_data_set_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def full_disk(path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("station.capture.demo_line.dataset.write_atomically", full_disk)
    with pytest.raises(CameraError, match="No space left"):
        write_demo_dataset(tmp_path / "parts", normals=3, seed=4, size_px=128)
    assert list(tmp_path.iterdir()) == []


def test_that_a_data_set_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CameraError, match="already"):
        write_demo_dataset(tmp_path, normals=1, seed=4, size_px=128)
    assert (tmp_path / "mine.txt").read_text() == "mine"
