"""What the projects of a station already say about pictures, by their contents: so that nobody labels or outlines a
picture twice. No Qt."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from ml.annotation.store import AnnotationStore
from ml.errors import AnnotationError, ParameterError, PictureError
from ml.picture_list import Label, PictureList
from ml.pictures import encode_png, read_picture_bytes
from station.history.store import PictureStore
from station.projects.order import PICTURES_FILE
from station.projects.project import Project, ProjectPicture
from station.projects.splitting import parts_of
from station.projects.store import ProjectError, ProjectStore


@dataclass(frozen=True, slots=True)
class Known:
    """Of one picture; `part` only where several pictures show it, `mask` in the content store."""

    label: Label
    kind: str | None = None
    part: str | None = None
    mask: Path | None = None

    def filled_from(self, other: "Known") -> Self:
        """With what only another project knows; of its defect only where both call it bad."""
        part = self.part or other.part
        if (self.label, other.label) != ("bad", "bad"):
            return replace(self, part=part)
        return replace(self, part=part, kind=self.kind or other.kind, mask=self.mask or other.mask)


def known_pictures(
    projects: ProjectStore, store: PictureStore, contents: Collection[str], but: str = ""
) -> dict[str, Known]:
    """By content, of those that are labelled good or bad in a project other than `but`; the last changed project counts
    most, in each its pictures before the lists of its candidates. Masks are put into the `store`.

    Projects and lists that cannot be read say nothing. Raises ProjectError where there is no reading any, StorageError
    where a mask cannot be kept.
    """
    found: dict[str, Known] = {}
    for summary in projects.list():
        if summary.id == but or summary.problem:
            continue
        for content, known in _said_by(projects, store, summary.id, contents):
            found[content] = found[content].filled_from(known) if content in found else known
    return found


def _said_by(
    projects: ProjectStore, store: PictureStore, project_id: str, contents: Collection[str]
) -> Iterator[tuple[str, Known]]:
    try:
        project = projects.load(project_id)
    except ProjectError:  # gone since it was listed
        return
    drawn = AnnotationStore(projects.annotations_folder(project))
    for picture, part in zip(project.pictures, _shared(parts_of(project)), strict=True):
        if picture.sha256 in contents and picture.label != "unsure":
            mask = _kept(store, _mask(picture, drawn)) if picture.label == "bad" else None
            yield picture.sha256, Known(picture.label, picture.kind, part, mask)
    for listed in _lists(projects, project):
        for one, part in zip(listed.pictures, _shared([one.part for one in listed.pictures]), strict=True):
            if one.sha256 is not None and one.sha256 in contents and one.label != "unsure":
                mask = None if one.mask is None else _kept(store, _read(one.mask))
                yield one.sha256, Known(one.label, one.kind, part, mask)


def _lists(projects: ProjectStore, project: Project) -> Iterator[PictureList]:
    """The last candidate's first."""
    for candidate in reversed(project.candidates):
        with suppress(ParameterError):
            yield PictureList.load(projects.candidate_folder(project, candidate.id) / PICTURES_FILE)


def _shared(parts: Collection[str | None]) -> list[str | None]:
    """None for a part that one picture alone shows: it needs no name."""
    every = list(parts)
    once = {part for part, count in Counter(every).items() if count == 1}
    return [None if part in once else part for part in every]


def _mask(picture: ProjectPicture, drawn: AnnotationStore) -> bytes | None:
    if picture.outlined is None:
        return None if picture.imported_mask is None else _read(picture.imported_mask)
    try:
        annotation = drawn.load(picture.sha256)
    except AnnotationError:
        return None
    if annotation is None or not annotation.regions:
        return None
    return encode_png(annotation.mask().astype(np.uint8) * np.uint8(255))


def _read(file: Path) -> bytes | None:
    try:
        return read_picture_bytes(file)
    except PictureError:  # it has gone with its folder
        return None


def _kept(store: PictureStore, mask: bytes | None) -> Path | None:
    return None if mask is None else store.path(store.put(mask, ".png"))
