"""Labelled and unlabelled pictures in folders and lists. No torch.

The MVTec layout, of which Loupe reads

    train/good/*                      good pictures to train on
    test/good/*                       good pictures to test with
    test/KIND/*                       pictures with the defect KIND
    ground_truth/KIND/NAME_mask.png   (or NAME.png) where the defect of test/KIND/NAME.* is, not 0 on the defect

The folder name `good`, and no order of names, makes a picture normal. A list of pictures (`ml.picture_list`) may stand
for such folders: what it says is good is normal, what it says is bad an anomaly, what is unsure is left alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ml.errors import PictureError, TrainingError
from ml.generation.marking import refuse_generated
from ml.picture_list import ListedPicture, PictureList, is_picture_list
from ml.pictures import PICTURE_SUFFIXES, list_pictures, natural_key, read_picture

Truth = Literal["normal", "anomaly"]

GOOD = "good"


@dataclass(frozen=True, slots=True)
class GoodPicture:
    """A picture of a good part to learn from. `name` is unique among them; `sha256` is what the file must have and
    `part` what it shows, where a list of pictures tells."""

    name: str
    path: Path
    sha256: str | None = None
    part: str | None = None


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A test picture: its truth, the kind of defect (None when normal), and its mask file where there is one.

    `name` is the one in a list of pictures, and `sha256` what the file must have, where the list tells.
    """

    path: Path
    truth: Truth
    kind: str | None
    mask_path: Path | None
    name: str | None = None
    sha256: str | None = None

    @property
    def title(self) -> str:
        """What reports call it: its name in a list, else `KIND/FILE`, or `FILE` of a good picture."""
        return self.name or (f"{self.kind}/{self.path.name}" if self.kind else self.path.name)


def read_good(data: Path) -> tuple[Path, list[GoodPicture]]:
    """The good pictures to learn from, of a folder (see `read_normals`) or of a list of pictures, and the folder that
    holds them or the list.

    Raises TrainingError when there are none, ParameterError for what is no list.
    """
    if is_picture_list(data):
        return data.parent, good_of(PictureList.load(data), data)
    folder, paths = read_normals(data)
    return folder, [GoodPicture(path.relative_to(folder).as_posix(), path) for path in paths]


def good_of(listed: PictureList, data: Path) -> list[GoodPicture]:
    """The good pictures to learn from of the list that was read from `data`. Raises TrainingError for none."""
    found = [GoodPicture(one.name, one.file, one.sha256, one.part) for one in listed.of("good", "learn")]
    if not found:
        raise TrainingError(f"{data}: lists no pictures of good parts to learn from. Add some, or change their use.")
    return found


def labelled(listed: ListedPicture) -> LabelledPicture:
    """A good or bad picture of a list."""
    is_bad = listed.label == "bad"
    return LabelledPicture(
        path=listed.file,
        truth="anomaly" if is_bad else "normal",
        kind=listed.kind if is_bad else None,
        mask_path=listed.mask if is_bad else None,
        name=listed.name,
        sha256=listed.sha256,
    )


def read_normals(folder: Path) -> tuple[Path, list[Path]]:
    """The good pictures to train on, in natural order, and the folder that holds them.

    `folder` holds pictures itself, or train/good as in the MVTec layout; what lies under test is never read.
    Raises TrainingError when there are none.
    """
    _refuse_other_than_folder(folder)
    layout = folder / "train" / GOOD
    normals = layout if layout.is_dir() else folder
    pictures = _pictures(normals)
    if not pictures:
        raise TrainingError(
            f"{normals}: no pictures ({', '.join(sorted(PICTURE_SUFFIXES))}) of good parts. "
            "Choose a folder with pictures in it, or one with train/good as in the MVTec layout."
        )
    return normals, pictures


def is_mvtec(folder: Path) -> bool:
    """Whether a folder tells good from bad pictures by its own folders, as the MVTec layout does."""
    return (folder / "train" / GOOD).is_dir() or any((folder / "test").glob("*/"))


def read_mvtec(folder: Path) -> list[LabelledPicture]:
    """The labelled test pictures of an MVTec layout: the good ones first, then kind by kind in natural order.

    Raises TrainingError when the folder is not of that layout, has no pictures, or two masks claim one picture.
    """
    _refuse_other_than_folder(folder)
    test = folder / "test"
    if not test.is_dir():
        raise TrainingError(
            f"{folder}: is not of the MVTec layout: it has no folder test. Put good pictures into test/good, "
            "and pictures with defects into a folder of test per kind of defect."
        )
    kinds = sorted((entry.name for entry in test.iterdir() if entry.is_dir()), key=_good_first)
    pictures = [picture for kind in kinds for picture in _of_kind(folder, kind)]
    if not pictures:
        raise TrainingError(
            f"{test}: no pictures in its folders. Put good pictures into test/good, and pictures with defects into "
            "a folder of test per kind of defect."
        )
    return pictures


def read_tests(data: Path) -> list[LabelledPicture]:
    """`read_mvtec`, or the test pictures of a list in the same order, for figures.

    Raises TrainingError also where no camera took one of the pictures, ParameterError for what is no list.
    """
    found = _listed_tests(data) if is_picture_list(data) else read_mvtec(data)
    # A file that is not there any more is told when it is read.
    refuse_generated((picture.path for picture in found if picture.path.is_file()), "test pictures")
    return found


def read_judged(data: Path) -> tuple[ListedPicture, ...]:
    """What there is to judge a model by: of a list the test pictures and whatever is unsure, of an MVTec layout all of
    test, of another folder its pictures, as unsure ones.

    Raises TrainingError where there is nothing, for a good or bad picture that no camera took and for a name that is
    too long for a list; ParameterError for what is no list.
    """
    if is_picture_list(data):
        listed = PictureList.load(data).pictures
        found = [one for one in listed if one.use == "test" or one.label == "unsure"]
    elif (data / "test").is_dir():
        found = [_listed_as(one, one.path.relative_to(data / "test").as_posix()) for one in read_mvtec(data)]
    else:
        _refuse_other_than_folder(data)
        found = [ListedPicture(name=path.name, file=path, label="unsure", use="test") for path in _pictures(data)]
    if not found:
        raise TrainingError(
            f"{data}: no pictures to judge by. Name a folder of pictures, an MVTec layout, or a list with pictures to "
            "test with."
        )
    refuse_generated((one.file for one in found if one.label != "unsure" and one.file.is_file()), "test pictures")
    return tuple(found)


def _listed_as(picture: LabelledPicture, name: str) -> ListedPicture:
    is_bad = picture.truth == "anomaly"
    try:
        return ListedPicture(
            name=name,
            file=picture.path,
            label="bad" if is_bad else "good",
            use="test",
            kind=picture.kind,
            mask=picture.mask_path,
        )
    except ValidationError as error:
        raise TrainingError(
            f"{picture.path}: the name of the file or of its folder is too long. Shorten it."
        ) from error


def read_defects(folder: Path, masks_folder: Path | None = None) -> list[LabelledPicture]:
    """The pictures of defective parts in `folder`, in natural order; their kind is the folder's name.

    With `masks_folder` each has its mask there, NAME_mask.png or NAME.png. Raises TrainingError where a folder holds no
    pictures, and naming a picture that has no mask or two.
    """
    try:
        paths = list_pictures(folder)
    except PictureError as error:
        raise TrainingError(f"No pictures of defective parts: {error}") from error
    if not paths:
        raise TrainingError(f"{folder}: no pictures of defective parts. Choose another folder or leave it out.")
    if masks_folder is None:
        return [LabelledPicture(path, "anomaly", folder.name, None) for path in paths]
    if not masks_folder.is_dir():
        raise TrainingError(f"{masks_folder}: there is no such folder of masks. Check the name, or leave it out.")
    if masks_folder.samefile(folder):  # a picture NAME.png would be its own mask
        raise TrainingError(f"{masks_folder}: holds the pictures themselves. Keep their masks in another folder.")
    masks = _masks(masks_folder)
    pictures = [LabelledPicture(path, "anomaly", folder.name, _mask_of(path, masks)) for path in paths]
    for picture in pictures:
        if picture.mask_path is None:
            raise TrainingError(
                f"{picture.path}: has no mask {picture.path.stem}_mask.png or {picture.path.stem}.png in "
                f"{masks_folder}. Save one there, not 0 on the defect, or take the picture out of the folder."
            )
    return pictures


def read_mask(picture: LabelledPicture, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Where the defect is: `(height, width)` bool; None for a normal picture and where there is no mask.

    `shape` is that of the picture's pixels. Raises TrainingError naming the mask when it cannot be read, and naming
    both files when their sizes differ.
    """
    if picture.mask_path is None:
        return None
    try:
        pixels = read_picture(picture.mask_path).pixels
    except PictureError as error:
        raise TrainingError(f"The mask of {picture.path} cannot be used: {error}") from error
    height, width = shape[:2]
    mask_height, mask_width = pixels.shape[:2]
    if (mask_height, mask_width) != (height, width):
        raise TrainingError(
            f"The mask {picture.mask_path} is {mask_width} x {mask_height} px and its picture {picture.path} "
            f"{width} x {height} px. Save the mask at the picture's size."
        )
    marked: NDArray[np.bool_] = np.atleast_3d(pixels).max(axis=2) > 0
    return marked


def _listed_tests(data: Path) -> list[LabelledPicture]:
    listed = PictureList.load(data)
    good, bad = listed.of("good", "test"), listed.of("bad", "test")
    if not good and not bad:
        raise TrainingError(f"{data}: lists no good or bad pictures to test with. Add some, or change their use.")
    by_kind = sorted(bad, key=lambda picture: natural_key(picture.kind or ""))
    return [labelled(picture) for picture in (*good, *by_kind)]


def _of_kind(folder: Path, kind: str) -> list[LabelledPicture]:
    pictures = _pictures(folder / "test" / kind)
    if kind == GOOD:
        return [LabelledPicture(path, "normal", None, None) for path in pictures]
    masks = _masks(folder / "ground_truth" / kind)
    return [LabelledPicture(path, "anomaly", kind, _mask_of(path, masks)) for path in pictures]


def _masks(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in _pictures(folder) if path.suffix.lower() == ".png"}


def _mask_of(picture: Path, masks: dict[str, Path]) -> Path | None:
    found = [masks[name] for name in (f"{picture.stem}_mask", picture.stem) if name in masks]
    if len(found) > 1:
        raise TrainingError(f"{picture}: has two masks, {found[0]} and {found[1]}. Remove one of them.")
    return found[0] if found else None


def _pictures(folder: Path) -> list[Path]:
    try:
        return list_pictures(folder)
    except PictureError as error:
        raise TrainingError(str(error)) from error


def _refuse_other_than_folder(folder: Path) -> None:
    if folder.is_file():
        raise TrainingError(f"{folder}: is a file. Choose a folder of pictures, or a list of them (.json).")
    if not folder.is_dir():
        raise TrainingError(f"{folder}: there is no such folder. Check the name.")


def _good_first(kind: str) -> tuple[bool, object]:
    return kind != GOOD, natural_key(kind)
