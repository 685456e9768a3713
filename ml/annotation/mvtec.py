"""The MVTec layout (`ml.dataset`): one kind per picture, all of its defects in one mask.

Kept: masks to the bit, good and bad, learn and test of good pictures. Not kept: which pixels are one region where two
touch, several kinds on one picture, bad pictures to learn from (the layout has no place for them but test).
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ml.annotation.annotation import kind_of
from ml.annotation.exchange import (
    AnnotatedPicture,
    AnnotatedSet,
    LeftOut,
    Names,
    as_folder,
    look_at,
    mask_png,
    masked,
    printable,
    with_files,
)
from ml.dataset import GOOD, LabelledPicture, read_mvtec, read_normals
from ml.errors import AnnotationError, PictureError, TrainingError
from ml.picture_list import Use
from ml.progress import Progress, silent

TRAIN, TEST, TRUTH = "train", "test", "ground_truth"
READING: Final = "Reading annotations"
WRITING: Final = "Writing annotations"


def read(folder: Path, progress: Progress = silent) -> AnnotatedSet:
    """Raises AnnotationError for another layout or none."""
    try:
        wanted: list[tuple[LabelledPicture, Use]] = [(picture, "test") for picture in _tests(folder)]
        if (folder / TRAIN / GOOD).is_dir():
            normals = read_normals(folder)[1]
            wanted = [*((LabelledPicture(path, "normal", None, None), "learn") for path in normals), *wanted]
    except TrainingError as error:
        raise AnnotationError(str(error)) from error
    pictures: list[AnnotatedPicture] = []
    left_out: list[LeftOut] = []
    for done, (found, use) in enumerate(wanted):
        progress(READING, done, len(wanted))
        name = printable(found.path.relative_to(folder).as_posix())
        try:
            picture = _picture(found, use, name)
        except PictureError as error:
            left_out.append(LeftOut(name, str(error)))
            continue
        pictures.append(masked(picture, found.mask_path, left_out))
    progress(READING, len(wanted), len(wanted))
    return AnnotatedSet(tuple(pictures), tuple(left_out))


def write(pictures: Sequence[AnnotatedPicture], folder: Path, progress: Progress = silent) -> tuple[LeftOut, ...]:
    """Into an empty folder; returns what the layout cannot hold. Raises OSError."""
    usable, left_out = with_files(pictures)
    names = Names()
    for done, (picture, file) in enumerate(usable):
        progress(WRITING, done, len(usable))
        if picture.label == "unsure":
            left_out.append(LeftOut(picture.name, "it is neither good nor bad, and the layout knows nothing between"))
            continue
        part = TRAIN if picture.label == "good" and picture.use == "learn" else TEST
        kind = GOOD if picture.label == "good" else as_folder(picture.one_kind or kind_of(""))
        left_out += _losses(picture, kind)
        target = folder / names.give(f"{part}/{kind}/{Path(picture.name).name}", file.suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        if picture.label == "bad" and picture.annotation is not None and picture.annotation.regions:
            mask = folder / TRUTH / kind / f"{target.stem}_mask.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            mask.write_bytes(mask_png(picture.annotation.mask()))
    progress(WRITING, len(usable), len(usable))
    return tuple(left_out)


def _losses(picture: AnnotatedPicture, folder: str) -> list[LeftOut]:
    kinds = picture.annotation.kinds if picture.annotation else ()
    losses = []
    if picture.label == "good" and kinds:
        losses.append(LeftOut(picture.name, "its defects: it is labelled good, and good pictures have no masks"))
    elif len(kinds) > 1:
        kept = f"the layout holds one kind per picture: {', '.join(kinds)} were all written as {folder}"
        losses.append(LeftOut(picture.name, kept))
    return losses


def _tests(folder: Path) -> list[LabelledPicture]:
    return read_mvtec(folder) if (folder / TEST).is_dir() else []


def _picture(found: LabelledPicture, use: Use, name: str) -> AnnotatedPicture:
    seen = look_at(found.path)
    height, width = seen.size
    return AnnotatedPicture(
        name=name,
        file=found.path,
        height_px=height,
        width_px=width,
        sha256=seen.sha256,
        label="good" if found.truth == "normal" else "bad",
        use=use,
        kind=None if found.kind is None else kind_of(found.kind),
    )
