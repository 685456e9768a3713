"""Where the defects are: which pictures are annotated, and what their masks are for. Nothing here is required."""

from pathlib import Path

from ml.annotation.store import AnnotationStore
from station.projects.flow import Readiness
from station.projects.project import Project, ProjectPicture


def readiness(project: Project) -> Readiness:
    """Never incomplete: models learn from good parts."""
    bad = bad_pictures(project)
    if not bad:
        return Readiness(consequence="No bad pictures, so there is nothing to outline; models learn from good parts")
    done = sum(is_outlined(picture) for picture in bad)
    words = f"{done} of {len(bad)} bad pictures are outlined"
    if done:
        return Readiness(consequence=f"{words}: they show how well defects are located, and can be learnt from")
    return Readiness(consequence=f"{words}; outlining is optional")


def bad_pictures(project: Project) -> tuple[ProjectPicture, ...]:
    """Those that can be annotated, to learn from and to test with, in the order of the project."""
    return project.used("bad")


def is_outlined(picture: ProjectPicture) -> bool:
    """Whether it is known where the picture's defects are."""
    return picture.imported_mask is not None if picture.outlined is None else picture.outlined


def mask_files(project: Project, annotations_folder: Path) -> dict[str, Path]:
    """For the list that a model is trained and judged with: a mask of the picture's size, not 0 on the defects, by the
    names of the bad pictures that have one. Raises AnnotationError."""
    store = AnnotationStore(annotations_folder)
    found: dict[str, Path] = {}
    for picture in bad_pictures(project):
        mask = picture.imported_mask if picture.outlined is None else store.mask_file(picture.sha256)
        if mask is not None:
            found[picture.name] = mask
    return found
