"""Annotations in the formats of others: what is written comes back, what is broken is told, nothing leads outside."""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml.annotation import labelme
from ml.annotation.annotation import USUAL_KIND
from ml.annotation.exchange import AnnotatedPicture, AnnotatedSet, Names, inside
from ml.annotation.formats import FORMATS, Format, read_annotations, recognised, write_annotations
from ml.annotation.runs import compressed, counts_of, decompressed, mask_of_counts
from ml.dataset import read_mvtec
from ml.errors import AnnotationError, CancelledError
from ml.inspection_area import Mask
from ml.picture_list import PictureList
from ml.pictures import encode_png
from tests.ml.annotated import HEIGHT, WIDTH, blank, hard_regions, picture, pictures, region, write_picture

EXACT: tuple[Format, ...] = ("coco", "labelme")


def by_name(found: AnnotatedSet) -> dict[str, AnnotatedPicture]:
    return {one.name: one for one in found.pictures}


def facts(one: AnnotatedPicture) -> tuple[Any, ...]:
    return one.name, one.sha256, one.height_px, one.width_px, one.label, one.use, one.kind, one.annotation


# What is written comes back


@pytest.mark.parametrize("form", EXACT)
def test_that_every_region_and_fact_comes_back(tmp_path: Path, form: Format) -> None:
    made = pictures(tmp_path / "source")
    export = write_annotations(made, form, tmp_path / "out")
    assert not export.left_out and export.pictures == len(made) and export.regions == 10
    shutil.rmtree(tmp_path / "source")
    assert recognised(tmp_path / "out")[0] == form
    found = read_annotations(tmp_path / "out")
    assert not found.left_out
    assert sorted(map(facts, found.pictures), key=str) == sorted(map(facts, made), key=str)


@pytest.mark.parametrize("form", ["mvtec", "list"])
def test_that_masks_and_labels_come_back_where_a_picture_has_one_kind(tmp_path: Path, form: Format) -> None:
    made = {one.sha256: one for one in pictures(tmp_path / "source")}
    export = write_annotations(list(made.values()), form, tmp_path / "out")
    found = read_annotations(tmp_path / "out")
    assert not found.left_out
    told = " ".join(why for _, why in export.left_out)
    assert "pin hole" in told and ("neither good nor bad" in told) == (form == "mvtec")
    assert len(found.pictures) == len(made) - (form == "mvtec")
    for one in found.pictures:
        source = made[one.sha256]
        assert (one.label, one.kind) == (source.label, source.one_kind if source.label == "bad" else None)
        assert one.use == source.use or form == "mvtec"
        has_regions = source.annotation is not None and bool(source.annotation.regions)
        assert (one.annotation is not None) == has_regions
        if one.annotation is not None and source.annotation is not None:
            assert np.array_equal(one.annotation.mask(), source.annotation.mask())


def test_that_our_own_readers_take_what_is_written(tmp_path: Path) -> None:
    made = pictures(tmp_path / "source")
    write_annotations(made, "mvtec", tmp_path / "mvtec")
    assert sum(one.mask_path is not None for one in read_mvtec(tmp_path / "mvtec")) == 3
    write_annotations(made, "list", tmp_path / "list")
    listed = PictureList.load(tmp_path / "list" / "pictures.json")
    assert [one.name for one in listed.pictures] == [one.name for one in made]
    assert all(one.file.is_file() and (one.mask is None or one.mask.is_file()) for one in listed.pictures)


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_that_any_format_becomes_any_other_with_the_same_masks(tmp_path: Path, first: Format, second: Format) -> None:
    made = picture(tmp_path / "source", "p/1.png", hard_regions()[:1], kind="scratch")
    write_annotations([made], first, tmp_path / "first")
    between = read_annotations(tmp_path / "first")
    write_annotations(between.pictures, second, tmp_path / "second")
    (found,) = read_annotations(tmp_path / "second").pictures
    assert found.annotation is not None and made.annotation is not None
    assert np.array_equal(found.annotation.mask(), made.annotation.mask())
    assert (found.sha256, found.kind, found.label, found.use) == (made.sha256, "scratch", "bad", "test")


@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_that_run_length_codes_come_back(mask: Mask) -> None:
    counts = counts_of(mask)
    assert decompressed(compressed(counts)) == counts
    assert np.array_equal(mask_of_counts(counts, *mask.shape), mask)


@given(st.lists(st.integers(0, 200_000_000), max_size=12))
def test_that_any_counts_can_be_compressed(counts: list[int]) -> None:
    assert decompressed(compressed(counts)) == counts


@given(arrays.arrays(bool, (7, 8)))
def test_that_labelme_shapes_come_back(mask: Mask) -> None:
    if mask.any():
        one = region(mask, "dent")
        assert labelme._region(labelme._shape(one), 7, 8) == one


def test_that_the_same_pictures_give_the_same_coco_file_with_sorted_kinds(tmp_path: Path) -> None:
    made = pictures(tmp_path / "source")
    for name, order in (("first", made), ("second", made[::-1])):
        write_annotations(order, "coco", tmp_path / name)
    text = (tmp_path / "first/annotations.json").read_text()
    assert text == (tmp_path / "second/annotations.json").read_text()
    document = json.loads(text)
    names = [one["name"] for one in document["categories"]]
    assert names == sorted(names, key=str.casefold) and [one["id"] for one in document["categories"]] == [*range(1, 8)]
    assert [one["loupe"]["name"] for one in document["images"]][:3] == ["a/1.png", "a/2.png", "a/10.png"]


def test_that_a_polygon_is_written_where_it_says_the_same(tmp_path: Path) -> None:
    solid = blank()
    solid[5:20, 8:30] = True
    write_annotations(
        [picture(tmp_path, "1.png", (region(solid, "dent"), *hard_regions()))], "labelme", tmp_path / "out"
    )
    shapes = json.loads((tmp_path / "out/1.json").read_text())["shapes"]
    assert [shape["shape_type"] for shape in shapes] == ["polygon", "mask", "mask", "mask", "mask", "polygon"]


# Files of other programs


def write_coco(folder: Path, segmentation: object, image: dict[str, Any] | None = None, **region: Any) -> Path:
    write_picture(folder, "1.png")
    head = {"id": 7, "file_name": "1.png", "height": HEIGHT, "width": WIDTH} | (image or {})
    annotation = {"id": 3, "image_id": 7, "category_id": 9, "segmentation": segmentation} | region
    document = {"images": [head], "annotations": [annotation], "categories": [{"id": 9, "name": "dent"}]}
    path = folder / "instances_default.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("segmentation", "area"),
    [
        ([[10, 5, 20, 5, 20, 9, 10, 9]], 40),
        ([[10, 5, 20, 5, 20, 9, 10, 9], [30.0, 30.0, 34.0, 30.0, 34.0, 34.0, 30.0, 34.0]], 56),
        ({"size": [HEIGHT, WIDTH], "counts": [10, 5, HEIGHT * WIDTH - 15]}, 5),
        ({"size": [HEIGHT, WIDTH], "counts": compressed([10, 5, HEIGHT * WIDTH - 15])}, 5),
    ],
)
def test_that_polygons_and_both_kinds_of_runs_are_read(tmp_path: Path, segmentation: object, area: int) -> None:
    (found,) = read_annotations(write_coco(tmp_path, segmentation)).pictures
    assert found.annotation is not None
    (one,) = found.annotation.regions
    assert (one.kind, one.area_px, found.label, found.use) == ("dent", area, "bad", "learn")


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [
        ([], "no outline"),
        (None, "no outline"),
        ([[1, 2, 3]], "pairs"),
        ([[1, 2, 3, 4]], "no polygon"),
        ([["a", 2, 3, 4, 5, 6]], "no polygon"),
        ([[0, 0, 1e30, 0, 5, 5]], "far outside"),
        ([[-9, -9, -8, -9, -8, -8]], "covers no pixel"),
        ({"size": [9, 9], "counts": [81]}, "not for a picture"),
        ({"counts": [1, 2, 3]}, "do not fill"),
        ({"counts": [-1, HEIGHT * WIDTH + 1]}, "do not fill"),
        ({"counts": ["x"]}, "do not fill"),
        ({"counts": "ÿ"}, "run-length"),
        ({"counts": "o" * 40}, "run-length"),
        ({"counts": "o"}, "cut short"),
        ({"counts": "11"}, "do not fill"),
    ],
)
def test_that_a_broken_region_is_left_out_with_the_reason(tmp_path: Path, segmentation: object, words: str) -> None:
    found = read_annotations(write_coco(tmp_path, segmentation))
    assert len(found.pictures) == 1 and words in found.left_out[0].why
    assert found.left_out[0].what == "1.png"


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({"height": 20}, "has 64 x 48 px"),
        ({"height": 10**9, "width": 10**9}, "none that a picture has"),
        ({"height": "48"}, "none that a picture has"),
        ({"width": -4}, "none that a picture has"),
        ({"file_name": "broken.png"}, "not a PNG"),
        ({"id": 8}, "does not list"),
    ],
)
def test_that_pictures_that_do_not_fit_are_left_out(tmp_path: Path, image: dict[str, Any], words: str) -> None:
    (tmp_path / "broken.png").write_text("hello, I am no picture at all")
    found = read_annotations(write_coco(tmp_path, [[1, 1, 9, 1, 9, 9]], image))
    assert any(words in one.why for one in found.left_out)
    assert all(one.annotation is None or not one.annotation.regions for one in found.pictures)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "a/../../secret.png", "..\\secret.png", "link.png"])
def test_that_no_name_leads_out_of_its_folder(tmp_path: Path, name: str) -> None:
    outside = write_picture(tmp_path, "secret.png")
    folder = tmp_path / "given"
    path = write_coco(folder, [[1, 1, 9, 1, 9, 9]], {"file_name": name})
    (folder / "link.png").symlink_to(outside)
    (found,) = read_annotations(path).pictures
    assert found.file is None and inside(folder, name) is None
    label = {"shapes": [], "imagePath": name, "imageHeight": HEIGHT, "imageWidth": WIDTH}
    (folder / "label.json").write_text(json.dumps(label))
    assert read_annotations(folder / "label.json").pictures[0].file is None


def test_that_exported_names_stay_inside_and_apart() -> None:
    names = Names()
    given = [
        str(names.give(name, ".png"))
        for name in ("a/1.png", "A/1.PNG", "a/1.jpg", "../../x.png", "C:\\nul", "", "a\0b?.png", "x" * 300 + ".png")
    ]
    assert given[:5] == ["a/1.png", "A/1-2.png", "a/1.jpg.png", "x.png", "C_/_nul.png"]
    assert given[5:7] == ["_.png", "a_b_.png"] and len(given[7]) < 130


def test_that_pictures_are_found_in_the_usual_places_or_where_told(tmp_path: Path) -> None:
    path = write_coco(tmp_path / "annotations", [[1, 1, 9, 1, 9, 9]])
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations/1.png").rename(tmp_path / "images/1.png")
    assert read_annotations(tmp_path).pictures[0].file == tmp_path / "images/1.png"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images/1.png").rename(tmp_path / "elsewhere/1.png")
    assert read_annotations(path).pictures[0].file is None
    assert read_annotations(path, pictures_folder=tmp_path / "elsewhere").pictures[0].file is not None


def write_label(folder: Path, *shapes: dict[str, Any], **document: Any) -> Path:
    write_picture(folder, "1.png")
    shapes_ = [{"label": "dent", "flags": {}} | shape for shape in shapes]
    whole = {"version": "4.5.6", "shapes": shapes_, "imagePath": "1.png", "imageData": None}
    path = folder / "1.json"
    path.write_text(json.dumps(whole | {"imageHeight": HEIGHT, "imageWidth": WIDTH} | document))
    return path


SMALL = base64.b64encode(encode_png(np.full((40, 2), 1, np.uint8))).decode()


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ({"points": [[2, 3], [6, 3], [6, 5], [2, 5]], "shape_type": "polygon"}, 15),
        ({"points": [[2, 3], [6, 3], [6, 5], [2, 5]]}, 15),
        ({"points": [[6, 5], [2, 3]], "shape_type": "rectangle"}, 15),
        ({"points": [[2, 3], [6, 3], [6, 5], [2, 5]], "shape_type": "oriented_rectangle"}, 15),
        ({"points": [[20, 20], [20, 22]], "shape_type": "circle"}, 21),
        ({"points": [[5, 5], [6, 44]], "shape_type": "mask", "mask": SMALL}, 80),
        ({"points": [[60, 30], [61, 69]], "shape_type": "mask", "mask": SMALL}, 36),
    ],
)
def test_that_shapes_of_labelme_are_read(tmp_path: Path, shape: dict[str, Any], area: int) -> None:
    (found,) = read_annotations(write_label(tmp_path, shape)).pictures
    assert found.annotation is not None and found.file == tmp_path / "1.png"
    assert [(one.kind, one.area_px) for one in found.annotation.regions] == [("dent", area)]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"points": [[2, 3], [6, 3]], "shape_type": "line"}, "a line covers no area"),
        ({"points": [[2, 3], [6, 3]], "shape_type": "polygon"}, "cannot have 2 points"),
        ({"points": [[2, 3]], "shape_type": "circle"}, "cannot have 1 points"),
        ({"points": [[2, 3], [4]], "shape_type": "rectangle"}, "no pairs"),
        ({"points": [["x", 3], [4, 4]], "shape_type": "rectangle"}, "no polygon"),
        ({"points": []}, "no pairs"),
        ({}, "has no points"),
        ({"points": [[2, 3], [6, 3]], "shape_type": "mask", "mask": "!!!"}, "no PNG"),
        ({"points": [[2, 3], [6, 3]], "shape_type": "mask", "mask": 4}, "no PNG"),
        ({"points": [[-5, 3], [6, 3]], "shape_type": "mask", "mask": SMALL}, "covers no pixel"),
        ({"points": [[900, 900], [910, 910]], "shape_type": "rectangle"}, "covers no pixel"),
    ],
)
def test_that_shapes_without_area_are_left_out(tmp_path: Path, shape: dict[str, Any], words: str) -> None:
    found = read_annotations(write_label(tmp_path, shape))
    assert len(found.pictures) == 1 and words in found.left_out[0].why


def test_that_a_label_file_without_kind_or_size_is_read(tmp_path: Path) -> None:
    shape = {"label": "  ", "points": [[6, 5], [2, 3]], "shape_type": "rectangle"}
    (found,) = read_annotations(write_label(tmp_path, shape, imageHeight=None, imageWidth=None)).pictures
    assert found.annotation is not None and found.annotation.kinds == (USUAL_KIND,)


def test_that_broken_files_among_good_ones_are_left_out(tmp_path: Path) -> None:
    write_label(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/2.json").write_text("[" * 100_000)
    (tmp_path / "other.json").write_text("{}")
    found = read_annotations(tmp_path)
    assert len(found.pictures) == 1 and {one.what for one in found.left_out} == {"deep/2.json", tmp_path.name}
    assert "1 JSON files in it are no label files" in found.left_out[1].why
    with pytest.raises(AnnotationError, match="no label file"):
        read_annotations(tmp_path / "other.json", "labelme")


def test_that_a_mask_of_another_size_is_left_out_and_its_picture_kept(tmp_path: Path) -> None:
    write_picture(tmp_path, "test/dent/1.png")
    (tmp_path / "ground_truth/dent").mkdir(parents=True)
    (tmp_path / "ground_truth/dent/1_mask.png").write_bytes(encode_png(np.zeros((40, 40), np.uint8)))
    write_picture(tmp_path, "test/dent/2.png").write_bytes(b"broken")
    found = read_annotations(tmp_path)
    assert [(one.name, one.annotation) for one in found.pictures] == [("test/dent/1.png", None)]
    assert "40 x 40" in found.left_out[0].why + found.left_out[1].why


# Wrong use


def write_text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def write_two(folder: Path) -> Path:
    path = write_coco(folder, [])
    shutil.copy(path, folder / "instances_train.json")
    return folder


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "nothing", "no such file"),
        (lambda folder: folder, "holds no annotations"),
        (lambda folder: write_picture(folder, "1.png"), "no JSON"),
        (lambda folder: write_text(folder / "x.json", "{}"), "neither a COCO"),
        (write_two, "several files"),
    ],
)
def test_that_what_holds_no_annotations_is_told(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    with pytest.raises(AnnotationError, match=words):
        read_annotations(make(tmp_path))


def test_that_nothing_is_overwritten_and_a_stop_leaves_nothing(tmp_path: Path) -> None:
    made = pictures(tmp_path / "source")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").touch()
    with pytest.raises(AnnotationError, match="not overwritten"):
        write_annotations(made, "coco", tmp_path / "taken")
    with pytest.raises(CancelledError):
        write_annotations(made, "coco", tmp_path / "stopped", cancelled=lambda: True)
    with pytest.raises(AnnotationError, match="cannot be written"):
        write_annotations(made, "coco", tmp_path / "taken/file/out")
    assert {path.name for path in tmp_path.iterdir()} == {"source", "taken"}


@pytest.mark.parametrize("form", FORMATS)
def test_that_a_picture_that_was_not_found_is_told_and_the_rest_written(tmp_path: Path, form: Format) -> None:
    made = pictures(tmp_path / "source")[:2]
    export = write_annotations([replace(made[0], file=None), made[1]], form, tmp_path / "out")
    assert export.pictures == 1 and "not found" in export.left_out[0].why


@pytest.mark.parametrize("form", FORMATS)
def test_that_a_name_of_any_length_is_written_or_told(tmp_path: Path, form: Format) -> None:
    made = picture(tmp_path / "source", "1.png", hard_regions())
    deep = replace(made, name="/".join(["folder" * 15] * 20) + "/1.png")
    export = write_annotations([deep, made], form, tmp_path / "out")
    found = read_annotations(tmp_path / "out")
    told = {one.what for one in export.left_out}
    assert len(found.pictures) + any(what.endswith("...") for what in told) == 2


@pytest.mark.parametrize("form", FORMATS)
def test_that_letters_that_no_text_file_holds_are_replaced(tmp_path: Path, form: Format) -> None:
    path = write_coco(tmp_path / "source", [[1, 1, 9, 1, 9, 9]])
    document = json.loads(path.read_text())
    document["categories"][0]["name"] = "dent\ud800\x00"
    document["images"][0]["loupe"] = {"name": "a\ud800\n.png"}
    path.write_text(json.dumps(document))
    export = write_annotations(read_annotations(path).pictures, form, tmp_path / "out")
    (found,) = read_annotations(tmp_path / "out").pictures
    assert not export.left_out and found.annotation is not None and found.annotation.kinds == ("dent",)
