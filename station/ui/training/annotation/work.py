"""What the page Defects has done outside the GUI thread: reading pictures, smart fill, import and export."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.annotation.annotation import AnnotatedRegion, Annotation, region_of
from ml.annotation.formats import Export, Format, read_annotations, write_annotations
from ml.annotation.store import AnnotationStore
from ml.errors import AnnotationError
from ml.inspection_area import Rectangle
from ml.pictures import Pixels, default_window, read_picture
from station.core.presentation import VIEW_SIDE_PX, displayed
from station.projects.annotating import Imported, annotated_pictures, annotation_of_picture, matched, store_imported
from station.projects.project import Project, ProjectPicture
from station.projects.steps.annotation import bad_pictures


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A picture as it was read for drawing on. `problem`: why its annotation cannot be used."""

    picture: ProjectPicture
    pixels: Pixels
    shown: NDArray[np.uint8]
    annotation: Annotation | None
    problem: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """What smart fill found in a picture."""

    name: str
    region: AnnotatedRegion | None


def opened(picture: ProjectPicture, store: AnnotationStore) -> Opened:
    """Raises PictureError."""
    read = read_picture(picture.file)
    shown = displayed(read.pixels, default_window(read.bit_depth), VIEW_SIDE_PX)
    try:
        return Opened(picture, read.pixels, shown, annotation_of_picture(store, picture))
    except AnnotationError as error:
        return Opened(picture, read.pixels, shown, None, str(error))


def filled(source: Opened, box: Rectangle, kind: str) -> Filled:
    """What stands out in a box."""
    # Imported here: it takes a third of a second, which the first visit of the page would have to wait for.
    from ml.annotation.smart_fill import fill_box

    return Filled(source.picture.name, region_of(fill_box(source.pixels, box), kind))


def filled_around(source: Opened, x: float, y: float, kind: str) -> Filled:
    """What stands out where the picture was clicked."""
    from ml.annotation.smart_fill import fill_around

    return Filled(source.picture.name, region_of(fill_around(source.pixels, x, y), kind))


def known_kinds(project: Project, store: AnnotationStore) -> tuple[str, ...]:
    """The kinds in the stored annotations, in the order of the pictures. What cannot be read is told when it is
    opened."""
    found: dict[str, None] = {}
    for picture in bad_pictures(project):
        with suppress(AnnotationError):
            stored = store.load(picture.sha256)
            found |= dict.fromkeys(region.kind for region in stored.regions) if stored else {}
    return tuple(found)


def import_from(path: Path, project: Project, store: AnnotationStore) -> Imported:
    """Read, match and store annotations of any format. Raises AnnotationError."""
    return store_imported(project, store, matched(project, read_annotations(path)))


def export_to(folder: Path, form: Format, project: Project, store: AnnotationStore) -> Export:
    """Write the whole project. Raises AnnotationError."""
    return write_annotations(annotated_pictures(project, store), form, folder)
