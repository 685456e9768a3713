"""Loupe's own lists of pictures (`ml.picture_list`) with a mask file each: one kind per picture, as in the MVTec
layout. Pictures stay where they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ml.annotation.annotation import kind_of
from ml.annotation.exchange import (
    AnnotatedPicture,
    AnnotatedSet,
    LeftOut,
    Names,
    look_at,
    mask_png,
    masked,
    with_files,
)
from ml.annotation.mvtec import READING, WRITING
from ml.errors import AnnotationError, ParameterError, PictureError
from ml.picture_list import ListedPicture, PictureList
from ml.progress import Progress, silent

LIST_FILE: Final = "pictures.json"
MASKS: Final = "masks"
LONGEST_NAME: Final = 400
"""As lists take them."""


def read(path: Path, progress: Progress = silent) -> AnnotatedSet:
    """Raises AnnotationError for what is no list."""
    try:
        listed = PictureList.load(path).pictures
    except ParameterError as error:
        raise AnnotationError(str(error)) from error
    pictures: list[AnnotatedPicture] = []
    left_out: list[LeftOut] = []
    for done, one in enumerate(listed):
        progress(READING, done, len(listed))
        try:
            picture = _picture(one)
        except PictureError as error:
            left_out.append(LeftOut(one.name, str(error)))
            continue
        pictures.append(masked(picture, one.mask, left_out))
    progress(READING, len(listed), len(listed))
    return AnnotatedSet(tuple(pictures), tuple(left_out))


def write(pictures: Sequence[AnnotatedPicture], folder: Path, progress: Progress = silent) -> tuple[LeftOut, ...]:
    """`pictures.json` and `masks/` into an empty folder; returns what a list cannot hold. Raises OSError."""
    usable, left_out = with_files(pictures)
    names, listed = Names(), []
    (folder / MASKS).mkdir()
    for done, (picture, file) in enumerate(usable):
        progress(WRITING, done, len(usable))
        if len(picture.name) > LONGEST_NAME:
            left_out.append(LeftOut(f"{picture.name[:60]}...", f"its name has more than {LONGEST_NAME} letters"))
            continue
        mask: Path | None = None
        annotation = picture.annotation
        if annotation is not None and annotation.regions:
            mask = Path(MASKS) / names.give(picture.name, file.suffix).with_suffix(".png")
            (folder / mask).parent.mkdir(parents=True, exist_ok=True)
            (folder / mask).write_bytes(mask_png(annotation.mask()))
            if len(annotation.kinds) > 1:
                kinds = f"a list holds one kind per picture: {', '.join(annotation.kinds)}"
                left_out.append(LeftOut(picture.name, f"{kinds} were all written as {picture.one_kind}"))
        listed.append(
            ListedPicture(
                name=picture.name,
                file=file.absolute(),
                sha256=picture.sha256,
                label=picture.label,
                use=picture.use,
                kind=picture.one_kind if picture.label == "bad" else None,
                mask=mask,
            )
        )
    progress(WRITING, len(usable), len(usable))
    PictureList(pictures=tuple(listed)).save(folder / LIST_FILE)
    return tuple(left_out)


def _picture(one: ListedPicture) -> AnnotatedPicture:
    seen = look_at(one.file)
    if one.sha256 not in (None, seen.sha256):
        raise PictureError(f"{one.file}: has changed since the list was made.")
    height, width = seen.size
    return AnnotatedPicture(
        name=one.name,
        file=one.file,
        height_px=height,
        width_px=width,
        sha256=seen.sha256,
        label=one.label,
        use=one.use,
        kind=None if one.kind is None else kind_of(one.kind),
    )
