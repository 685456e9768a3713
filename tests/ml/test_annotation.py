"""Annotations of one picture: what is drawn, erased, named, stored and filled."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml.annotation.annotation import (
    LONGEST_KIND,
    MOST_REGIONS,
    USUAL_KIND,
    AnnotatedRegion,
    Annotation,
    annotation_of,
    drawn,
    erased,
    kind_of,
    region_at,
    region_of,
    shape_region,
    with_kind,
    without,
)
from ml.annotation.smart_fill import fill_around, fill_box
from ml.annotation.store import AnnotationStore
from ml.errors import AnnotationError
from ml.inspection_area import Brush, Ellipse, Mask, Rectangle
from ml.pictures import Pixels, read_picture

HEIGHT, WIDTH = 12, 17
EMPTY = Annotation(height_px=HEIGHT, width_px=WIDTH)
MASKS = arrays.arrays(bool, (HEIGHT, WIDTH))
PICTURE = "ab" * 32


def box(x: int, y: int, width: int, height: int, kind: str = "scratch") -> AnnotatedRegion:
    region = shape_region(EMPTY, Rectangle(x=x, y=y, width=width, height=height), kind)
    assert region is not None
    return region


def put(annotation: Annotation, mask: Mask, kind: str) -> Annotation:
    region = region_of(mask, kind)
    return annotation if region is None else drawn(annotation, region)


@given(MASKS)
def test_that_a_mask_comes_back_to_the_bit(mask: Mask) -> None:
    annotation = annotation_of(mask, "dent")
    assert np.array_equal(annotation.mask(), mask) and np.array_equal(annotation.mask("dent"), mask)
    assert sum(region.area_px for region in annotation.regions) == mask.sum()
    assert Annotation.model_validate_json(annotation.model_dump_json()) == annotation


@given(st.lists(st.tuples(MASKS, st.sampled_from(["dent", "stain"])), max_size=4), MASKS)
def test_that_drawing_and_erasing_change_just_what_they_cover(strokes: list[tuple[Mask, str]], gone: Mask) -> None:
    annotation, wanted = EMPTY, {kind: np.zeros((HEIGHT, WIDTH), bool) for kind in ("dent", "stain")}
    for mask, kind in strokes:
        annotation = put(annotation, mask, kind)
        wanted[kind] |= mask
    if (region := region_of(gone, "any")) is not None:
        annotation = erased(annotation, region.area)
    for kind, mask in wanted.items():
        assert np.array_equal(annotation.mask(kind), mask & ~gone)
    assert all(region.area_px for region in annotation.regions)
    Annotation.model_validate(annotation.model_dump())


def test_that_strokes_that_touch_are_one_region_and_others_are_not() -> None:
    annotation = drawn(drawn(EMPTY, box(0, 0, 3, 3)), box(6, 0, 3, 3))
    assert len(annotation.regions) == 2
    corner = drawn(annotation, box(3, 3, 2, 2))
    assert [region.area_px for region in corner.regions] == [13, 9]
    bridged = drawn(annotation, box(2, 1, 5, 1))
    assert len(bridged.regions) == 1 and bridged.regions[0].area_px == 21
    assert len(drawn(annotation, box(1, 1, 2, 2, "stain")).regions) == 3  # another kind stays apart, overlap or not


def test_that_regions_are_renamed_deleted_found_and_erased_alone() -> None:
    annotation = drawn(drawn(EMPTY, box(0, 0, 4, 4)), box(2, 2, 4, 4, "stain"))
    assert region_at(annotation, 3.5, 3.5) == 1 and region_at(annotation, 0.2, 0.9) == 0
    assert region_at(annotation, 9, 9) is None
    assert with_kind(annotation, 0, "dent").kinds == ("dent", "stain")
    assert without(annotation, 0).regions == annotation.regions[1:]
    alone = erased(annotation, box(0, 0, 6, 6).area, only=1)
    assert alone.regions == annotation.regions[:1]
    assert annotation.main_kind in {"scratch", "stain"} and EMPTY.main_kind is None


def test_that_a_mask_of_many_specks_is_one_region() -> None:
    mask = np.zeros((64, 64), bool)
    mask[::2, ::2] = True
    assert mask.sum() > MOST_REGIONS
    assert len(annotation_of(mask, "dust").regions) == 1


def test_that_a_region_outside_of_its_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="reaches out"):
        Annotation(height_px=5, width_px=5, regions=(box(4, 4, 3, 3),))
    assert shape_region(EMPTY, Ellipse(centre_x=-50, centre_y=0, radius_x=2, radius_y=2), "dent") is None


@given(st.text(max_size=200))
def test_that_any_text_becomes_a_kind(text: str) -> None:
    kind = kind_of(text)
    assert 1 <= len(kind) <= LONGEST_KIND
    AnnotatedRegion(kind=kind, area=Brush(x=0, y=0, width=1, height=1, runs=(0, 1)))
    assert kind_of(kind) == kind and kind_of("  \n ") == USUAL_KIND


def test_that_what_is_stored_is_there_again_and_so_is_its_mask(tmp_path: Path) -> None:
    store = AnnotationStore(tmp_path / "annotations")
    assert store.load(PICTURE) is None and store.mask_file(PICTURE) is None and store.stored() == frozenset()
    big = Annotation(height_px=40, width_px=60)
    region = shape_region(big, Ellipse(centre_x=20, centre_y=15, radius_x=8, radius_y=4), "dent")
    assert region is not None
    store.save(PICTURE, drawn(big, region))
    assert AnnotationStore(tmp_path / "annotations").load(PICTURE) == drawn(big, region)
    file = store.mask_file(PICTURE)
    assert file is not None and np.array_equal(read_picture(file).pixels == 255, drawn(big, region).mask())
    store.save(PICTURE, big)
    assert store.mask_file(PICTURE) is None and store.stored() == {PICTURE}
    assert [path.name for path in (tmp_path / "annotations").iterdir()] == [f"{PICTURE}.json"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "damaged"),
        ('{"height_px": 4}', "damaged"),
        ('{"version": 2, "height_px": 4, "width_px": 4}', "another Loupe"),
    ],
)
def test_that_a_damaged_file_is_told_with_its_name(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / f"{PICTURE}.json").write_text(text)
    with pytest.raises(AnnotationError, match=words) as told:
        AnnotationStore(tmp_path).load(PICTURE)
    assert PICTURE in str(told.value)


def test_that_a_folder_that_cannot_be_written_is_told_and_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AnnotationError, match="cannot be saved"):
        AnnotationStore(tmp_path / "file" / "annotations").save(PICTURE, EMPTY)


def picture_with_spot(dtype: type[np.uint8 | np.uint16], channels: int) -> tuple[Pixels, Mask]:
    random = np.random.default_rng(7)
    spot = shape_region(
        Annotation(height_px=300, width_px=400), Ellipse(centre_x=210, centre_y=140, radius_x=30, radius_y=18), "x"
    )
    assert spot is not None
    truth = Annotation(height_px=300, width_px=400, regions=(spot,)).mask()
    grey = random.normal(120, 3, (300, 400)) - 30 * truth
    scaled = grey * (16 if dtype is np.uint16 else 1)
    pixels: Pixels = scaled.round().astype(dtype)
    return (pixels if channels == 1 else np.stack([pixels] * 3, axis=2)), truth


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_that_smart_fill_finds_the_outline_in_a_loose_box(dtype: type[np.uint8 | np.uint16], channels: int) -> None:
    pixels, truth = picture_with_spot(dtype, channels)
    loose = Rectangle(x=165, y=105, width=90, height=70)
    for found in (fill_box(pixels, loose), fill_around(pixels, 212, 138)):
        assert (found & truth).sum() / (found | truth).sum() > 0.85
    assert np.array_equal(fill_box(pixels, loose), fill_box(pixels, loose))


def test_that_smart_fill_finds_nothing_where_nothing_stands_out() -> None:
    flat = np.full((100, 100), 90, np.uint8)
    assert not fill_box(flat, Rectangle(x=20, y=20, width=30, height=30)).any()
    assert not fill_around(flat, 50, 50).any()
    noisy = np.random.default_rng(1).integers(0, 255, (60, 60), dtype=np.uint8)
    assert not fill_box(noisy, Rectangle(x=-9, y=-9, width=99, height=99)).any()  # no surroundings
    assert not fill_box(noisy, Rectangle(x=5, y=5, width=1, height=1)).any()


def test_that_smart_fill_finds_what_differs_on_a_megapixel() -> None:
    pixels = np.random.default_rng(3).normal(120, 20, (1000, 1000, 3)).clip(0, 255).astype(np.uint8)
    pixels[300:700, 250:600] //= 2
    found = fill_box(pixels, Rectangle(x=200, y=250, width=500, height=500))
    dark = np.zeros((1000, 1000), bool)
    dark[300:700, 250:600] = True
    assert (found & dark).sum() / (found | dark).sum() > 0.9
