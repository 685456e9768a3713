"""Folders of pictures: what is read as good, as defective, and as a mask."""

import os
from pathlib import Path

import numpy as np
import pytest

from ml.dataset import LabelledPicture, read_mask, read_mvtec, read_normals
from ml.errors import TrainingError
from ml.pictures import encode_png

DATA = Path(os.environ.get("LOUPE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def put(path: Path, height: int = 40, width: int = 50, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.full((height, width), value, np.uint8)))
    return path


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    for name in ("train/good/0.png", "train/good/2.png", "train/good/10.png", "test/good/0.png", "test/good/1.png"):
        put(tmp_path / name)
    for name in ("test/crack/0.png", "test/crack/1.png", "test/aaa/0.png"):
        put(tmp_path / name)
    put(tmp_path / "ground_truth/crack/0_mask.png", value=255)
    put(tmp_path / "ground_truth/aaa/0.png", value=1)
    return tmp_path


def test_that_of_a_layout_only_train_good_is_read_in_natural_order(layout):
    folder, pictures = read_normals(layout)
    assert folder == layout / "train/good"
    assert [path.name for path in pictures] == ["0.png", "2.png", "10.png"]


def test_that_a_plain_folder_of_pictures_is_read(layout):
    (layout / "train/good/notes.txt").write_text("x")
    folder, pictures = read_normals(layout / "train/good")
    assert folder == layout / "train/good"
    assert len(pictures) == 3


def test_that_a_layout_without_training_pictures_never_falls_back_to_test(layout):
    for path in (layout / "train/good").iterdir():
        path.unlink()
    with pytest.raises(TrainingError, match=r"train.good: no pictures"):
        read_normals(layout)
    (layout / "train/good").rmdir()
    with pytest.raises(TrainingError, match="no pictures"):
        read_normals(layout)


@pytest.mark.parametrize("read", [read_normals, read_mvtec])
def test_that_a_missing_folder_or_a_file_is_told(tmp_path, read):
    with pytest.raises(TrainingError, match="no such folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(TrainingError, match="is a file"):
        read(put(tmp_path / "a.png"))


def test_rule_13_only_the_folder_good_makes_a_picture_normal(layout):
    found = read_mvtec(layout)
    assert [(picture.kind, picture.truth, picture.path.name) for picture in found] == [
        (None, "normal", "0.png"),
        (None, "normal", "1.png"),
        ("aaa", "anomaly", "0.png"),
        ("crack", "anomaly", "0.png"),
        ("crack", "anomaly", "1.png"),
    ]


def test_that_masks_are_found_by_both_names_and_may_be_absent(layout):
    masks = {(picture.kind, picture.path.stem): picture.mask_path for picture in read_mvtec(layout)}
    assert masks["crack", "0"] == layout / "ground_truth/crack/0_mask.png"
    assert masks["aaa", "0"] == layout / "ground_truth/aaa/0.png"
    assert masks["crack", "1"] is None
    assert masks[None, "0"] is None


def test_that_two_masks_of_one_picture_are_refused(layout):
    put(layout / "ground_truth/crack/0.png")
    with pytest.raises(TrainingError, match="has two masks"):
        read_mvtec(layout)


def test_that_another_layout_is_told(tmp_path):
    put(tmp_path / "a.png")
    with pytest.raises(TrainingError, match="no folder test"):
        read_mvtec(tmp_path)
    (tmp_path / "test/good").mkdir(parents=True)
    with pytest.raises(TrainingError, match="no pictures"):
        read_mvtec(tmp_path)


def test_that_every_marked_pixel_is_the_defect(layout):
    picture = next(picture for picture in read_mvtec(layout) if picture.kind == "aaa")
    mask = read_mask(picture, (40, 50, 3))
    assert mask.dtype == np.bool_
    assert mask.shape == (40, 50)
    assert mask.all()


def test_that_without_a_mask_file_there_is_no_mask(layout):
    assert read_mask(LabelledPicture(layout / "test/good/0.png", "normal", None, None), (40, 50)) is None


def test_that_a_mask_of_another_size_is_refused_by_both_names(layout):
    put(layout / "ground_truth/crack/0_mask.png", height=50, width=40)
    picture = next(picture for picture in read_mvtec(layout) if picture.kind == "crack")
    with pytest.raises(TrainingError, match=r"0_mask\.png is 40 x 50 px and its picture .*crack.0\.png 50 x 40 px"):
        read_mask(picture, (40, 50))


def test_that_a_damaged_mask_is_refused_by_both_names(layout):
    (layout / "ground_truth/crack/0_mask.png").write_bytes(b"x")
    picture = next(picture for picture in read_mvtec(layout) if picture.kind == "crack")
    with pytest.raises(TrainingError, match=r"The mask of .*crack.0\.png cannot be used: .*0_mask\.png"):
        read_mask(picture, (40, 50))


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason="no real test pictures")
@pytest.mark.parametrize(
    ("name", "train", "good", "bad", "masks"),
    [
        ("aliens", 38, 20, 60, 0),
        ("cookie", 31, 14, 32, 32),
        ("magnetic_tile", 300, 51, 74, 74),
        ("leather_few", 4, 4, 11, 11),
    ],
)
def test_that_real_sets_are_read_completely(name, train, good, bad, masks):
    assert len(read_normals(DATA / name)[1]) == train
    found = read_mvtec(DATA / name)
    assert sum(picture.truth == "normal" for picture in found) == good
    assert sum(picture.truth == "anomaly" for picture in found) == bad
    assert sum(picture.mask_path is not None for picture in found) == masks
