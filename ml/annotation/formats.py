"""Annotations of any format: recognised, read, written and converted.

mvtec      a folder of the MVTec layout
coco       a COCO `instances` file, or a folder that holds one
labelme    a folder of LabelMe's label files, or one of them
list       a list of pictures (`ml.picture_list`) with masks
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, get_args
from uuid import uuid4

from ml.annotation import coco, labelme, listed, mvtec
from ml.annotation.exchange import AnnotatedPicture, AnnotatedSet, LeftOut, read_document
from ml.dataset import is_mvtec
from ml.errors import AnnotationError, CancelledError
from ml.progress import Cancelled, Progress, never, silent

Format = Literal["mvtec", "coco", "labelme", "list"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

Writer = Callable[[Sequence[AnnotatedPicture], Path, Progress], tuple[LeftOut, ...]]
_WRITERS: Final[Mapping[Format, Writer]] = MappingProxyType(
    {"mvtec": mvtec.write, "coco": coco.write, "labelme": labelme.write, "list": listed.write}
)


@dataclass(frozen=True, slots=True)
class Export:
    """What was written into `folder`, and what could not be."""

    folder: Path
    pictures: int
    regions: int
    left_out: tuple[LeftOut, ...]


def recognised(path: Path) -> tuple[Format, Path]:
    """The format, and the file or folder that holds it. Raises AnnotationError where it is none of them or several."""
    if not path.exists():
        raise AnnotationError(f"{path}: there is no such file or folder. Check the name.")
    if path.is_file():
        return _of_file(path), path
    has_labels = any(_kind(file) == "labelme" for file in path.rglob("*.json"))
    if is_mvtec(path) and not (has_labels and not (path / mvtec.TRUTH).is_dir()):
        return "mvtec", path  # label files beside the pictures of such a layout say more than it does without masks
    whole = _whole_file(path, ("coco", "list"))
    if whole is not None:
        return whole
    if has_labels:
        return "labelme", path
    raise AnnotationError(
        f"{path}: holds no annotations: neither an MVTec layout (test/KIND, ground_truth/KIND), nor a COCO file, "
        "nor label files of LabelMe, nor a list of pictures."
    )


def _whole_file(folder: Path, forms: Sequence[Format]) -> tuple[Format, Path] | None:
    """The one file of a folder, or of `annotations` in it, that says all. Raises AnnotationError for several."""
    files = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    wholes = [(kind, file) for file in files if (kind := _kind(file)) in forms]
    if len(wholes) > 1:
        names = ", ".join(file.name for _, file in wholes)
        raise AnnotationError(f"{folder}: holds several files of annotations ({names}). Choose one of them.")
    return next(((kind, file) for kind, file in wholes if kind), None)


def read_annotations(
    path: Path,
    form: Format | None = None,
    pictures_folder: Path | None = None,
    progress: Progress = silent,
) -> AnnotatedSet:
    """What lies at `path`, in a format that is recognised unless given. `pictures_folder`: where the pictures of a COCO
    or LabelMe file are, if not beside it. Raises AnnotationError where nothing can be read; single pictures that cannot
    are left out, with the reason."""
    if form is None:
        form, path = recognised(path)
    elif form in ("coco", "list") and path.is_dir():
        whole = _whole_file(path, (form,))
        if whole is None:
            raise AnnotationError(f"{path}: holds no annotations of the format {form}.")
        path = whole[1]
    match form:
        case "mvtec":
            return mvtec.read(path, progress)
        case "coco":
            return coco.read(path, pictures_folder, progress)
        case "labelme":
            return labelme.read(path, pictures_folder, progress)
        case "list":
            return listed.read(path, progress)


def write_annotations(
    pictures: Sequence[AnnotatedPicture],
    form: Format,
    out: Path,
    progress: Progress = silent,
    cancelled: Cancelled = never,
) -> Export:
    """Into the new or empty folder `out`, which appears whole or not at all. Raises AnnotationError, CancelledError."""
    _refuse_taken(out)
    staging = out.with_name(f".{out.name}.{uuid4().hex}.tmp")

    def watched(stage: str, done: int, total: int) -> None:
        if cancelled():
            raise CancelledError
        progress(stage, done, total)

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
        left_out = _WRITERS[form](pictures, staging, watched)
        if out.is_dir():
            out.rmdir()  # empty, or this fails
        staging.rename(out)
    except OSError as error:
        raise AnnotationError(
            f"{out}: cannot be written ({error.strerror}). Free some space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    written = [picture for picture in pictures if picture.file is not None]
    regions = sum(len(picture.annotation.regions) for picture in written if picture.annotation)
    return Export(out, len(written), regions, left_out)


def _refuse_taken(out: Path) -> None:
    """Before the work, not after it."""
    if any(out.iterdir()) if out.is_dir() else out.exists():
        raise AnnotationError(f"{out}: is there already and is not overwritten. Choose a new or an empty folder.")


def _of_file(path: Path) -> Format:
    document = read_document(path)
    kind = _kind_of_document(document)
    if kind is None:
        raise AnnotationError(f"{path}: is neither a COCO file, nor a label file of LabelMe, nor a list of pictures.")
    return kind


def _kind(path: Path) -> Format | None:
    """None also for what is no JSON."""
    try:
        return _kind_of_document(read_document(path))
    except AnnotationError:
        return None


def _kind_of_document(document: object) -> Format | None:
    if labelme.is_labelme(document):
        return "labelme"
    if coco.is_coco(document):
        return "coco"
    is_list = isinstance(document, dict) and isinstance(document.get("pictures"), list)
    return "list" if is_list else None
