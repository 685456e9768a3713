"""The defects of one picture: regions, each a kind of defect and a set of pixels. All functions are pure.

Regions may touch and may overlap: two scratches that meet are two, and a stain may lie over a scratch. What is drawn
joins the regions of its own kind that it touches, so that a defect drawn in several strokes is one region.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal, NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ml.inspection_area import LARGEST_SIDE_PX, Brush, Mask, Shape, brush_of, mask_of

ANNOTATION_VERSION: Final = 1
LONGEST_KIND: Final = 80
USUAL_KIND: Final = "defect"
"""What a region is called whose kind nobody said."""
MOST_REGIONS: Final = 250
"""A mask of more specks than this becomes one region: nobody names or deletes them one by one."""

Kind = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_KIND, pattern=r"^\S(.*\S)?$")]


class AnnotatedRegion(BaseModel):
    """One defect; `area` is the smallest box around its pixels, with those pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    area: Brush

    @property
    def area_px(self) -> int:
        return sum(self.area.runs[1::2])


class Annotation(BaseModel):
    """Every defect of a picture of `width_px` x `height_px`; no regions: somebody looked and there is nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = ANNOTATION_VERSION
    height_px: int = Field(ge=1, le=LARGEST_SIDE_PX)
    width_px: int = Field(ge=1, le=LARGEST_SIDE_PX)
    regions: tuple[AnnotatedRegion, ...] = ()

    @model_validator(mode="after")
    def _inside(self) -> Self:
        for number, region in enumerate(self.regions, start=1):
            box = region.area
            if box.x + box.width > self.width_px or box.y + box.height > self.height_px:
                raise ValueError(f"region {number} reaches out of the picture of {self.width_px} x {self.height_px} px")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those of its regions, each once, sorted."""
        return tuple(sorted({region.kind for region in self.regions}))

    @property
    def main_kind(self) -> str | None:
        """The kind that covers most pixels, for what can hold only one; None without regions."""
        areas = {kind: sum(one.area_px for one in self.regions if one.kind == kind) for kind in self.kinds}
        return max(areas, key=lambda kind: areas[kind], default=None)

    def mask(self, kind: str | None = None) -> Mask:
        """bool `(height_px, width_px)`: true on every region, or on those of one kind."""
        whole = np.zeros((self.height_px, self.width_px), bool)
        for region in self.regions:
            if kind is None or region.kind == kind:
                box = region.area
                whole[box.y : box.y + box.height, box.x : box.x + box.width] |= pixels_of(region)
        return whole


def kind_of(text: str) -> str:
    """A kind of defect as a person or a file wrote it: white space and what cannot be printed as single blanks, no
    longer than LONGEST_KIND; USUAL_KIND where nothing is left."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:LONGEST_KIND].rstrip() or USUAL_KIND


def pixels_of(region: AnnotatedRegion) -> Mask:
    """bool, as large as the region's box."""
    box = region.area
    return mask_of(box.model_copy(update={"x": 0, "y": 0}), box.height, box.width)


def region_of(mask: Mask, kind: str) -> AnnotatedRegion | None:
    """The set pixels of a mask of the picture's size as one region; None where there are none."""
    return AnnotatedRegion(kind=kind, area=brush_of(mask)) if mask.any() else None


def annotation_of(mask: Mask, kind: str) -> Annotation:
    """A mask `(height, width)` as regions: each group of pixels that touch, corners included, is one."""
    height, width = mask.shape
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count - 1 > MOST_REGIONS:
        return Annotation(height_px=height, width_px=width, regions=_present([region_of(mask, kind)]))
    regions = [
        AnnotatedRegion(kind=kind, area=_moved(brush_of(labels[y : y + h, x : x + w] == number), x, y))
        for number, (x, y, w, h, _) in enumerate(boxes[1:].tolist(), start=1)
    ]
    return Annotation(height_px=height, width_px=width, regions=tuple(regions))


def shape_region(annotation: Annotation, shape: Shape, kind: str) -> AnnotatedRegion | None:
    """What a shape covers of the picture; None where it covers no pixel."""
    return region_of(mask_of(shape, annotation.height_px, annotation.width_px), kind)


def drawn(annotation: Annotation, region: AnnotatedRegion) -> Annotation:
    """With `region`: it joins those of its kind that it touches, corners included, in the place of the first; it comes
    last where it touches none."""
    joined = [
        number
        for number, one in enumerate(annotation.regions)
        if one.kind == region.kind and _touch(one.area, region.area)
    ]
    if not joined:
        return _with(annotation, (*annotation.regions, region))
    area = region.area
    for number in joined:
        area = _united(area, annotation.regions[number].area)
    kept = [
        region.model_copy(update={"area": area}) if number == joined[0] else one
        for number, one in enumerate(annotation.regions)
        if number not in joined[1:]
    ]
    return _with(annotation, kept)


def erased(annotation: Annotation, area: Brush, only: int | None = None) -> Annotation:
    """Without the pixels of `area`, in every region or in region `only`; what keeps none is gone."""
    return _with(
        annotation,
        _present(
            _cut(one, area) if only is None or number == only else one for number, one in enumerate(annotation.regions)
        ),
    )


def without(annotation: Annotation, number: int) -> Annotation:
    """Without region `number`, counted from 0."""
    return _with(annotation, [one for place, one in enumerate(annotation.regions) if place != number])


def with_kind(annotation: Annotation, number: int, kind: str) -> Annotation:
    """With another kind for region `number`, counted from 0."""
    regions = list(annotation.regions)
    regions[number] = regions[number].model_copy(update={"kind": kind})
    return _with(annotation, regions)


def region_at(annotation: Annotation, x: float, y: float) -> int | None:
    """The number of the region at a place, the one drawn last where several lie there."""
    for number, region in reversed(list(enumerate(annotation.regions))):
        column, row = int(x) - region.area.x, int(y) - region.area.y
        is_in_box = 0 <= column < region.area.width and 0 <= row < region.area.height
        if is_in_box and pixels_of(region)[row, column]:
            return number
    return None


class _Box(NamedTuple):
    """A window of the picture, in px."""

    x: int
    y: int
    width: int
    height: int

    def pixels(self, area: Brush) -> Mask:
        """The window's pixels that `area`, which begins in it, covers."""
        return mask_of(_moved(area, -self.x, -self.y), self.height, self.width)


def _around(first: Brush, second: Brush) -> _Box:
    x, y = min(first.x, second.x), min(first.y, second.y)
    right = max(first.x + first.width, second.x + second.width)
    bottom = max(first.y + first.height, second.y + second.height)
    return _Box(x, y, right - x, bottom - y)


def _touch(first: Brush, second: Brush) -> bool:
    box = _around(first, second)
    if box.width > first.width + second.width or box.height > first.height + second.height:
        return False  # the boxes lie apart
    spread: NDArray[np.uint8] = cv2.dilate(box.pixels(first).astype(np.uint8), np.ones((3, 3), np.uint8))
    return bool((spread.astype(bool) & box.pixels(second)).any())


def _united(first: Brush, second: Brush) -> Brush:
    box = _around(first, second)
    return _moved(brush_of(box.pixels(first) | box.pixels(second)), box.x, box.y)


def _cut(region: AnnotatedRegion, area: Brush) -> AnnotatedRegion | None:
    box = _around(region.area, area)
    left = box.pixels(region.area) & ~box.pixels(area)
    if not left.any():
        return None
    return region.model_copy(update={"area": _moved(brush_of(left), box.x, box.y)})


def _moved(area: Brush, x: int, y: int) -> Brush:
    return area.model_copy(update={"x": area.x + x, "y": area.y + y})


def _with(annotation: Annotation, regions: Iterable[AnnotatedRegion]) -> Annotation:
    return annotation.model_copy(update={"regions": tuple(regions)})


def _present(regions: Iterable[AnnotatedRegion | None]) -> tuple[AnnotatedRegion, ...]:
    return tuple(region for region in regions if region is not None)
