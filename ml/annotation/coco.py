"""COCO's `instances` files: every region is an annotation with its pixels as run-length code, so that all of it comes
back to the bit, regions that overlap included. Facts that COCO has no field for stand in `loupe` of each picture,
which other programs pass over.

Lin et al., "Microsoft COCO: Common Objects in Context", arXiv 1405.0312; format: cocodataset.org, "Data format".
Read are also polygons and runs as lists. Polygons become the pixels whose centres lie inside (their own tool counts
some pixels on the edge that lie outside).
"""

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ml.annotation.annotation import USUAL_KIND, AnnotatedRegion, Annotation, kind_of, pixels_of, region_of
from ml.annotation.exchange import (
    AnnotatedPicture,
    AnnotatedSet,
    LeftOut,
    Names,
    inside,
    labelled,
    look_at,
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
from ml.annotation.runs import compressed, counts_of, decompressed, mask_of_counts
from ml.errors import AnnotationError, PictureError
from ml.inspection_area import Mask, Polygon, mask_of
from ml.pictures import natural_key
from ml.progress import Progress, silent

FILE: Final = "annotations.json"
PICTURES: Final = "images"
_ANNOTATIONS_FOLDER: Final = "annotations"


def is_coco(document: object) -> bool:
    """Whether a JSON document looks like one of these."""
    return isinstance(document, dict) and isinstance(document.get("images"), list) and "annotations" in document


def read(path: Path, pictures_folder: Path | None = None, progress: Progress = silent) -> AnnotatedSet:
    """`path`: the file. Its pictures are looked for in `pictures_folder`, else beside it, in `images` beside it, and,
    where it lies in a folder `annotations`, beside that one. Raises AnnotationError where it is no such file."""
    document = read_document(path)
    if not is_coco(document):
        raise AnnotationError(f"{path}: is no COCO file: it has no lists `images` and `annotations`. Choose another.")
    folders = [pictures_folder] if pictures_folder else _usual_folders(path)
    kinds = {_key(one.get("id")): kind_of(str(one.get("name", ""))) for one in _records(document, "categories")}
    reader = _Reader(folders, kinds, [])
    of_picture: dict[object, list[Mapping[str, Any]]] = defaultdict(list)
    for one in _records(document, "annotations"):
        of_picture[_key(one.get("image_id"))].append(one)
    pictures: dict[str, AnnotatedPicture] = {}
    images = _records(document, "images")
    for done, image in enumerate(images):
        progress(READING, done, len(images))
        name = _name(image)
        if name in pictures:
            reader.leave_out(name, "is listed twice; the first one was taken")
            continue
        try:
            pictures[name] = reader.picture(image, name, of_picture.pop(_key(image.get("id")), []))
        except (AnnotationError, PictureError) as error:
            reader.leave_out(name, str(error))
    for number, lost in of_picture.items():
        reader.leave_out(f"image {number}", f"{len(lost)} regions on a picture that the file does not list")
    progress(READING, len(images), len(images))
    return AnnotatedSet(tuple(pictures.values()), tuple(reader.left_out))


def write(pictures: Sequence[AnnotatedPicture], folder: Path, progress: Progress = silent) -> tuple[LeftOut, ...]:
    """`annotations.json` and `images/` into an empty folder. Categories are sorted, numbers count from 1 in the order
    of the pictures' names: the same pictures give the same file. Raises OSError."""
    usable, left_out = with_files(pictures)
    usable.sort(key=lambda one: natural_key(one[0].name))
    every_kind = {kind for picture, _ in usable if picture.annotation for kind in picture.annotation.kinds}
    categories = {kind: number for number, kind in enumerate(sorted(every_kind, key=natural_key), start=1)}
    images: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    names = Names()
    for done, (picture, file) in enumerate(usable):
        progress(WRITING, done, len(usable))
        name = names.give(picture.name, file.suffix)
        target = folder / PICTURES / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        image = {"id": done + 1, "file_name": f"{PICTURES}/{name}"}
        size = {"width": picture.width_px, "height": picture.height_px}
        images.append({**image, **size, "loupe": {"name": picture.name, **picture_facts(picture)}})
        for region in picture.annotation.regions if picture.annotation else ():
            head = {"id": len(regions) + 1, "image_id": done + 1, "category_id": categories[region.kind]}
            regions.append({**head, **_segmentation(region, picture), "iscrowd": 0})
    progress(WRITING, len(usable), len(usable))
    document = {
        "info": {"description": "Defects annotated with Loupe", "version": "1"},
        "licenses": [],
        "images": images,
        "annotations": regions,
        "categories": [{"id": number, "name": kind, "supercategory": "defect"} for kind, number in categories.items()],
    }
    write_document(folder / FILE, document)
    return tuple(left_out)


def _segmentation(region: AnnotatedRegion, picture: AnnotatedPicture) -> dict[str, Any]:
    box = region.area
    whole = np.zeros((picture.height_px, picture.width_px), bool)
    whole[box.y : box.y + box.height, box.x : box.x + box.width] = pixels_of(region)
    return {
        "segmentation": {"size": [picture.height_px, picture.width_px], "counts": compressed(counts_of(whole))},
        "area": region.area_px,
        "bbox": [box.x, box.y, box.width, box.height],
    }


def _usual_folders(path: Path) -> list[Path]:
    beside = path.absolute().parent
    folders = [beside, beside / PICTURES]
    if beside.name == _ANNOTATIONS_FOLDER:
        folders += [beside.parent, beside.parent / PICTURES]
    return folders


def _records(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = document.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _key(number: object) -> object:
    """Numbers of other types than whole ones are compared as text, so that nothing in a file can be unhashable."""
    return number if isinstance(number, int) else repr(number)


def _name(image: Mapping[str, Any]) -> str:
    """The name that we gave it once, else that of its file, else its number."""
    said = image.get("loupe")
    own = said.get("name") if isinstance(said, dict) else None
    names = (own, image.get("file_name"), f"image {image.get('id')}")
    return printable(next(name for name in names if isinstance(name, str) and name))


@dataclass(frozen=True, slots=True)
class _Reader:
    """`folders`: where pictures may lie; `kinds`: the names of the categories by their keys."""

    folders: Sequence[Path]
    kinds: Mapping[object, str]
    left_out: list[LeftOut]

    def leave_out(self, what: str, why: str) -> None:
        self.left_out.append(LeftOut(what, why))

    def picture(self, image: Mapping[str, Any], name: str, regions: Sequence[Mapping[str, Any]]) -> AnnotatedPicture:
        height, width = said_size(image.get("height"), image.get("width"))
        file = self._file(image)
        seen = look_at(file) if file else None
        if seen is not None and seen.size != (height, width):
            raise AnnotationError(other_size((height, width), seen.size))
        found = [region for one in regions if (region := self._region(one, name, height, width)) is not None]
        annotation = Annotation(height_px=height, width_px=width, regions=tuple(found))
        picture = AnnotatedPicture(name, file, height, width, seen.sha256 if seen else None, annotation=annotation)
        return labelled(picture, image.get("loupe"))

    def _file(self, image: Mapping[str, Any]) -> Path | None:
        name = image.get("file_name")
        if not isinstance(name, str):
            return None
        return next((found for folder in self.folders if (found := inside(folder, name))), None)

    def _region(self, one: Mapping[str, Any], name: str, height: int, width: int) -> AnnotatedRegion | None:
        kind = self.kinds.get(_key(one.get("category_id")), USUAL_KIND)
        try:
            region = region_of(_mask(one.get("segmentation"), height, width), kind)
        except ValueError as error:
            self.leave_out(name, f"region {one.get('id')}: {error}")
            return None
        if region is None:
            self.leave_out(name, f"region {one.get('id')} covers no pixel")
        return region


def _mask(segmentation: object, height: int, width: int) -> Mask:
    """Raises ValueError for what is no area."""
    if isinstance(segmentation, dict) and isinstance(counts := segmentation.get("counts"), str | list):
        if segmentation.get("size", [height, width]) != [height, width]:
            raise ValueError(f"its runs are not for a picture of {width} x {height} px")
        return mask_of_counts(decompressed(counts) if isinstance(counts, str) else counts, height, width)
    if isinstance(segmentation, list) and segmentation:
        whole = np.zeros((height, width), bool)
        for outline in segmentation:
            whole |= mask_of(_polygon(outline), height, width)
        return whole
    raise ValueError("it has no outline, at most a box")


def _polygon(outline: object) -> Polygon:
    """Raises ValueError."""
    if not isinstance(outline, list) or len(outline) % 2:
        raise ValueError("its outline is no list of pairs x, y")
    return polygon_of(list(zip(outline[::2], outline[1::2], strict=True)))
