"""Annotated pictures between formats: the records that every reader makes and every writer takes, and what is common
to them. What files from outside say is not trusted: no name in them leads out of their folder, no size is believed
that the picture does not have.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import numpy as np
from pydantic import ValidationError

from ml.annotation.annotation import Annotation, annotation_of, kind_of
from ml.dataset import LabelledPicture, read_mask
from ml.errors import AnnotationError, TrainingError
from ml.inspection_area import LARGEST_SIDE_PX, Mask, Polygon
from ml.picture_list import Label, Use
from ml.pictures import MAX_PIXELS, Pixels, decode_picture, encode_png, read_picture_bytes

MOST_JSON_BYTES: Final = 1 << 29
_LONGEST_PART, _MOST_FOLDERS = 120, 6
"""Of names from outside; together no longer than file systems take."""
_NOT_IN_NAMES: Final = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


class LeftOut(NamedTuple):
    """Something that could not be taken over as it is: what, and why or what was done instead."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class AnnotatedPicture:
    """One picture with what is known of it. `name` is relative with /, unique in its set; `file` is None where only its
    annotation was found. `annotation` is None where nobody said where its defects are; `kind` is the picture's as a
    whole, which may be known without them.
    """

    name: str
    file: Path | None
    height_px: int
    width_px: int
    sha256: str | None = None
    label: Label = "good"
    use: Use = "learn"
    kind: str | None = None
    annotation: Annotation | None = None

    @property
    def one_kind(self) -> str | None:
        """For formats that hold one kind per picture: its own, else that of most of its defects."""
        return self.kind or (self.annotation.main_kind if self.annotation else None)


@dataclass(frozen=True, slots=True)
class AnnotatedSet:
    """What was read."""

    pictures: tuple[AnnotatedPicture, ...]
    left_out: tuple[LeftOut, ...] = ()


class SeenPicture(NamedTuple):
    """A picture file that could be read; `pixels` as `ml.pictures.Picture`."""

    sha256: str
    pixels: Pixels

    @property
    def size(self) -> tuple[int, int]:
        """Height, width."""
        return self.pixels.shape[0], self.pixels.shape[1]


def look_at(file: Path) -> SeenPicture:
    """Raises PictureError."""
    data = read_picture_bytes(file)
    return SeenPicture(sha256(data).hexdigest(), decode_picture(data, str(file)).pixels)


def read_document(path: Path) -> Any:
    """A JSON file from outside. Raises AnnotationError that names it."""
    try:
        if path.stat().st_size > MOST_JSON_BYTES:
            raise AnnotationError(f"{path}: is larger than {MOST_JSON_BYTES >> 20} MiB. Cut the data set up.")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror}). Check the name.") from error
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{path}: is no JSON file, or a damaged one. Export it again.") from error


def write_document(path: Path, document: object) -> None:
    """Raises OSError."""
    path.write_text(json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def inside(folder: Path, name: str) -> Path | None:
    """The file `name` of `folder`; None where the name, or a link on the way, leads out of it or to nothing."""
    try:
        found = (folder / name.replace("\\", "/")).resolve()
        return found if found.is_relative_to(folder.resolve()) and found.is_file() else None
    except (OSError, ValueError, RuntimeError):  # names that no file system takes, links in a circle
        return None


def said_size(height: object, width: object) -> tuple[int, int]:
    """A size that a file claims. Raises AnnotationError for what no picture has."""
    if isinstance(height, int) and isinstance(width, int):
        is_possible = 0 < height <= LARGEST_SIDE_PX and 0 < width <= LARGEST_SIDE_PX and height * width <= MAX_PIXELS
        if is_possible:
            return height, width
    raise AnnotationError(f"its size in the file, {width} x {height} px, is none that a picture has")


def printable(name: str) -> str:
    """A name from outside with _ for what no text file may hold."""
    return "".join(letter if letter.isprintable() else "_" for letter in name)


def other_size(said: tuple[int, int], seen: tuple[int, int]) -> str:
    """Why a picture is left out; sizes are height, width."""
    return f"is annotated as {said[1]} x {said[0]} px, and the picture has {seen[1]} x {seen[0]} px"


def polygon_of(points: Sequence[tuple[object, object]]) -> Polygon:
    """Of numbers from outside. Raises ValueError in words."""
    try:
        polygon = Polygon.model_validate({"points": points})
    except ValidationError as error:
        raise ValueError("its outline is no polygon") from error
    if any(abs(value) > 2 * LARGEST_SIDE_PX for point in polygon.points for value in point):
        raise ValueError("its outline lies far outside of any picture")
    return polygon


def annotated_by_mask(picture: AnnotatedPicture, mask_file: Path) -> Annotation:
    """What a picture of a mask says. Raises AnnotationError naming it."""
    mask = mask_in(mask_file, picture)
    return annotation_of(mask, kind_of(picture.kind or ""))


def masked(picture: AnnotatedPicture, mask_file: Path | None, left_out: list[LeftOut]) -> AnnotatedPicture:
    """The picture with what its mask says; without, and the reason in `left_out`, where that cannot be used."""
    if mask_file is None:
        return picture
    try:
        return replace(picture, annotation=annotated_by_mask(picture, mask_file))
    except AnnotationError as error:
        left_out.append(LeftOut(picture.name, str(error)))
        return picture


def mask_in(mask_file: Path, picture: AnnotatedPicture) -> Mask:
    """bool of the picture's size. Raises AnnotationError."""
    named = LabelledPicture(picture.file or Path(picture.name), "anomaly", picture.kind, mask_file)
    try:
        mask = read_mask(named, (picture.height_px, picture.width_px))
    except TrainingError as error:
        raise AnnotationError(str(error)) from error
    return np.zeros((picture.height_px, picture.width_px), bool) if mask is None else mask


def mask_png(mask: Mask) -> bytes:
    """255 where the mask is set."""
    return encode_png(mask.astype(np.uint8) * np.uint8(255))


class Names:
    """Gives every picture of an export a name that any file system takes and that none has already.

    Two names count as the same whatever their capitals and suffixes: `a.png` and `A.jpg` would share `a.json`, and
    `a_mask.png`.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, name: str, suffix: str) -> PurePosixPath:
        """Like `name`, with `suffix`."""
        *folders, last = [_plain(part) for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")] or ["_"]
        folders = folders[-_MOST_FOLDERS:]
        stem = last.removesuffix(PurePosixPath(last).suffix) if _has_suffix(last, suffix) else last
        base = PurePosixPath(*folders, stem)
        wanted, number = base, 1
        while str(wanted).casefold() in self._taken:
            number += 1
            wanted = base.with_name(f"{base.name}-{number}")
        self._taken.add(str(wanted).casefold())
        return wanted.with_name(wanted.name + suffix)


def as_folder(kind: str) -> str:
    """A kind of defect as the name of one folder; never `good`, which means something else there."""
    plain = _plain(re.sub(r"[/\\]", "_", kind))
    return f"{plain}_" if plain.casefold() == "good" else plain


def with_files(pictures: Iterable[AnnotatedPicture]) -> tuple[list[tuple[AnnotatedPicture, Path]], list[LeftOut]]:
    """What an export can hold: every picture whose file is known, with it."""
    found, left_out = [], []
    for picture in pictures:
        if picture.file is None:
            left_out.append(LeftOut(picture.name, "the picture itself was not found"))
        else:
            found.append((picture, picture.file))
    return found, left_out


def labelled(picture: AnnotatedPicture, said: object) -> AnnotatedPicture:
    """With what a file of ours says of the picture beyond its format (`picture_facts`); without that, a picture with
    regions is bad, one without is good."""
    facts = said if isinstance(said, dict) else {}
    label, use, kind = facts.get("label"), facts.get("use"), facts.get("kind")
    has_regions = picture.annotation is not None and bool(picture.annotation.regions)
    found = replace(
        picture,
        label=label if label in ("good", "bad", "unsure") else "bad" if has_regions else "good",
        use=use if use in ("learn", "test") else "learn",
        kind=kind_of(kind) if isinstance(kind, str) and kind.strip() else None,
    )
    is_unmarked = not has_regions and facts.get("annotated") is not True
    return replace(found, annotation=None) if is_unmarked else found


def picture_facts(picture: AnnotatedPicture) -> dict[str, object]:
    """What formats of others cannot hold, for a field of ours that they pass over."""
    return {
        "label": picture.label,
        "use": picture.use,
        "kind": picture.kind,
        "annotated": picture.annotation is not None,
    }


def _plain(part: str) -> str:
    plain = _NOT_IN_NAMES.sub("_", part).strip(" .")[:_LONGEST_PART].rstrip(" .") or "_"
    return f"_{plain}" if _RESERVED.fullmatch(plain) else plain


def _has_suffix(name: str, suffix: str) -> bool:
    return PurePosixPath(name).suffix.casefold() == suffix.casefold()
