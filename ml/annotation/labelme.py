"""LabelMe's label files (the program `labelme`): NAME.json beside each picture.

Written is a polygon where LabelMe makes the very pixels of the region of it, and its "mask" shape, a picture of the
region's box, where it would not: holes, several parts, one pixel thin. So all of it comes back to the bit, regions that
overlap included. Facts that the format has no field for stand in `loupe`, which LabelMe keeps.

Read are polygons, rectangles (turned ones too), circles and masks. LabelMe fills outlines with Pillow, the outermost
pixels included, and so do we here, unlike elsewhere: its users have seen, and meant, these pixels.
"""

import base64
import binascii
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PureWindowsPath
from typing import Any, Final

import cv2
import numpy as np
from PIL import Image, ImageDraw

from ml.annotation.annotation import AnnotatedRegion, Annotation, kind_of, pixels_of, region_of
from ml.annotation.exchange import (
    AnnotatedPicture,
    AnnotatedSet,
    LeftOut,
    Names,
    inside,
    labelled,
    look_at,
    mask_png,
    other_size,
    picture_facts,
    polygon_of,
    printable,
    read_document,
    said_size,
    with_files,
    write_document,
)
from ml.annotation.mvtec import READING, WRITING
from ml.errors import AnnotationError, PictureError
from ml.inspection_area import Mask
from ml.pictures import MAX_PIXELS, default_window, encode_png, natural_key, read_picture
from ml.progress import Progress, silent

VERSION: Final = "5.5.0"
"""Of the format, as LabelMe counts: the first that all of this needs."""
_SUFFIX: Final = ".json"
_CORNERS: Final = {"rectangle": (2, 4), "circle": (2,), "oriented_rectangle": (4,)}


def is_labelme(document: object) -> bool:
    """Whether a JSON document looks like one of these."""
    return isinstance(document, dict) and isinstance(document.get("shapes"), list) and "imagePath" in document


def read(path: Path, pictures_folder: Path | None = None, progress: Progress = silent) -> AnnotatedSet:
    """`path`: one label file, or a folder with such files in it and in the folders below. Pictures are looked for where
    the files say, never outside of `path`, else in `pictures_folder`. Raises AnnotationError where there are none."""
    root = path if path.is_dir() else path.parent
    files = sorted(root.rglob(f"*{_SUFFIX}"), key=lambda file: natural_key(str(file))) if path.is_dir() else [path]
    reader = _Reader(root, pictures_folder, [])
    pictures: dict[str, AnnotatedPicture] = {}
    others = 0
    for done, file in enumerate(files):
        progress(READING, done, len(files))
        name = file.relative_to(root).as_posix()
        try:
            document = read_document(file)
            if not is_labelme(document):
                others += 1
                continue
            picture = reader.picture(file, document)
        except (AnnotationError, PictureError) as error:
            reader.leave_out(name, str(error))
            continue
        if picture.name in pictures:
            reader.leave_out(name, f"is of the same picture as another file: {picture.name}")
        else:
            pictures[picture.name] = picture
    if others == len(files):
        raise AnnotationError(f"{path}: is or holds no label file of LabelMe, with `shapes` and `imagePath`.")
    if others:
        reader.leave_out(root.name, f"{others} JSON files in it are no label files of LabelMe")
    progress(READING, len(files), len(files))
    return AnnotatedSet(tuple(pictures.values()), tuple(reader.left_out))


def write(pictures: Sequence[AnnotatedPicture], folder: Path, progress: Progress = silent) -> tuple[LeftOut, ...]:
    """Each picture with its label file into an empty folder. Raises OSError, PictureError."""
    usable, left_out = with_files(pictures)
    names = Names()
    for done, (picture, file) in enumerate(usable):
        progress(WRITING, done, len(usable))
        target = folder / names.give(picture.name, file.suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        document = {
            "version": VERSION,
            "flags": {},
            "shapes": [_shape(region) for region in (picture.annotation.regions if picture.annotation else ())],
            "imagePath": target.name,
            "imageData": _shown(file),
            "imageHeight": picture.height_px,
            "imageWidth": picture.width_px,
            "loupe": {"name": picture.name, **picture_facts(picture)},
        }
        write_document(target.with_suffix(_SUFFIX), document)
    progress(WRITING, len(usable), len(usable))
    return tuple(left_out)


def _shape(region: AnnotatedRegion) -> dict[str, Any]:
    head: dict[str, Any] = {"label": region.kind, "group_id": None, "description": "", "flags": {}}
    pixels, box = pixels_of(region), region.area
    outline = _outline(pixels)
    if outline is not None:
        points = [[x + box.x, y + box.y] for x, y in outline]
        return {**head, "points": points, "shape_type": "polygon", "mask": None}
    corners = [[box.x, box.y], [box.x + box.width - 1, box.y + box.height - 1]]
    return {**head, "points": corners, "shape_type": "mask", "mask": base64.b64encode(mask_png(pixels)).decode()}


def _outline(pixels: Mask) -> list[tuple[int, int]] | None:
    """The corners of the polygon that LabelMe fills to exactly these pixels; None where there is none."""
    outlines, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if len(outlines) != 1 or len(outlines[0]) < 3:
        return None
    points = [(int(x), int(y)) for x, y in outlines[0].reshape(-1, 2)]
    return points if np.array_equal(_filled("polygon", points, *pixels.shape), pixels) else None


def _filled(kind: str, points: Sequence[tuple[float, float]], height: int, width: int) -> Mask:
    """As LabelMe fills a shape: its points are indices of pixels."""
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    if kind == "circle":
        (x, y), (edge_x, edge_y) = points
        radius = math.hypot(x - edge_x, y - edge_y)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=1, fill=1)
    elif kind == "rectangle":
        columns, rows = [x for x, _ in points], [y for _, y in points]
        draw.rectangle((min(columns), min(rows), max(columns), max(rows)), outline=1, fill=1)
    else:
        draw.polygon(list(points), outline=1, fill=1)
    return np.array(canvas, bool)


def _shown(file: Path) -> str | None:
    """What LabelMe shows of a picture that it cannot read itself: a PNG of 16 bits, in 8 of them."""
    if file.suffix.lower() != ".png":
        return None
    picture = read_picture(file)
    if picture.pixels.dtype == np.uint8:
        return None
    _, white = default_window(picture.bit_depth)
    return base64.b64encode(encode_png((picture.pixels * (255 / white)).round().astype(np.uint8))).decode()


@dataclass(frozen=True, slots=True)
class _Reader:
    root: Path
    pictures_folder: Path | None
    left_out: list[LeftOut]

    def leave_out(self, what: str, why: str) -> None:
        self.left_out.append(LeftOut(what, why))

    def picture(self, file: Path, document: Mapping[str, Any]) -> AnnotatedPicture:
        """What a label file says. Raises AnnotationError, PictureError."""
        picture_file = self._file(file, document)
        seen = look_at(picture_file) if picture_file else None
        said = document.get("imageHeight"), document.get("imageWidth")
        height, width = seen.size if seen and said == (None, None) else said_size(*said)
        if seen is not None and seen.size != (height, width):
            raise AnnotationError(other_size((height, width), seen.size))
        name = self._name(file, document)
        annotation = Annotation(
            height_px=height, width_px=width, regions=tuple(self._regions(document["shapes"], name, height, width))
        )
        found = AnnotatedPicture(
            name, picture_file, height, width, seen.sha256 if seen else None, annotation=annotation
        )
        return labelled(found, document.get("loupe"))

    def _name(self, file: Path, document: Mapping[str, Any]) -> str:
        said = document.get("loupe")
        own = said.get("name") if isinstance(said, dict) else None
        if isinstance(own, str) and own:
            return printable(own)
        suffix = PureWindowsPath(str(document["imagePath"])).suffix
        return printable(file.relative_to(self.root).with_suffix(suffix if suffix != "." else "").as_posix())

    def _file(self, file: Path, document: Mapping[str, Any]) -> Path | None:
        said = PureWindowsPath(str(document["imagePath"])).as_posix()
        beside = file.parent.relative_to(self.root).as_posix()
        found = inside(self.root, f"{beside}/{said}")
        if found is None and self.pictures_folder is not None:
            last = PureWindowsPath(said).name
            found = inside(self.pictures_folder, f"{beside}/{last}") or inside(self.pictures_folder, last)
        return found

    def _regions(self, shapes: Sequence[object], name: str, height: int, width: int) -> list[AnnotatedRegion]:
        regions = []
        for number, shape in enumerate(shapes, start=1):
            try:
                region = _region(shape, height, width)
            except ValueError as error:
                self.leave_out(name, f"shape {number}: {error}")
                continue
            if region is None:
                self.leave_out(name, f"shape {number} covers no pixel of the picture")
            else:
                regions.append(region)
        return regions


def _region(shape: object, height: int, width: int) -> AnnotatedRegion | None:
    """Raises ValueError for what is no area."""
    if not isinstance(shape, dict) or not isinstance(shape.get("points"), list):
        raise ValueError("has no points")
    kind = kind_of(str(shape.get("label", "")))
    form = shape.get("shape_type") or "polygon"
    points = _points(shape["points"])
    if form == "mask":
        return region_of(_pasted(shape.get("mask"), points, height, width), kind)
    if form not in ("polygon", *_CORNERS):
        raise ValueError(f"a {form} covers no area")
    if len(points) not in _CORNERS.get(form, (len(points),)) or (form == "polygon" and len(points) < 3):
        raise ValueError(f"a {form} cannot have {len(points)} points")
    return region_of(_filled(form, points, height, width), kind)


def _points(points: Sequence[object]) -> list[tuple[float, float]]:
    pairs = [tuple(point) for point in points if isinstance(point, list) and len(point) == 2]
    if not pairs or len(pairs) != len(points):
        raise ValueError("its points are no pairs x, y")
    at_least_three = (pairs * 3)[: max(3, len(pairs))]
    return list(polygon_of(at_least_three).points[: len(pairs)])


def _pasted(said: object, points: Sequence[tuple[float, float]], height: int, width: int) -> Mask:
    """A mask shape: a PNG, not 0 on the region, whose first pixel lies at the first point."""
    try:
        data = base64.b64decode(said, validate=True) if isinstance(said, str) else b""
    except binascii.Error:
        data = b""
    pixels = _decoded(data)
    whole = np.zeros((height, width), bool)
    x, y = int(points[0][0]), int(points[0][1])
    if min(x, y) >= 0:
        part = whole[y : y + pixels.shape[0], x : x + pixels.shape[1]]
        part[:] = pixels[: part.shape[0], : part.shape[1]]
    return whole


def _decoded(data: bytes) -> Mask:
    """Not by `decode_picture`, which refuses what is as small as many a defect."""
    try:
        with Image.open(BytesIO(data), formats=("PNG",)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError("its mask is larger than any picture")
            mask: Mask = np.atleast_3d(np.array(picture)).max(axis=2) > 0
            return mask
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("its mask is no PNG, or a damaged one") from error
