"""Annotating the bad pictures of an open project: what is drawn is stored at once and can be taken back, annotations
come from other programs and go to them. No Qt."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ml.annotation.annotation import Annotation, kind_of
from ml.annotation.exchange import AnnotatedPicture, AnnotatedSet, LeftOut, annotated_by_mask
from ml.annotation.store import AnnotationStore
from ml.errors import AnnotationError
from station.projects.flow import Flow
from station.projects.project import Project, ProjectPicture
from station.projects.steps.annotation import bad_pictures
from station.projects.undo import UndoStack


def annotation_of_picture(store: AnnotationStore, picture: ProjectPicture) -> Annotation:
    """What was drawn here, else the mask that came with the picture, else nothing. Raises AnnotationError."""
    drawn = store.load(picture.sha256)
    if drawn is not None:
        if (drawn.height_px, drawn.width_px) == (picture.height_px, picture.width_px):
            return drawn
        raise AnnotationError(f"{picture.name}: was annotated as a picture of another size. Delete its regions.")
    if picture.imported_mask is None:
        return Annotation(height_px=picture.height_px, width_px=picture.width_px)
    return annotated_by_mask(_exchanged(picture, None), picture.imported_mask)


def annotated_pictures(project: Project, store: AnnotationStore) -> tuple[AnnotatedPicture, ...]:
    """The whole project for an export: good pictures, and bad ones with their regions. Raises AnnotationError."""
    pictures = (one for one in project.pictures if not one.set_aside)
    return tuple(
        _exchanged(one, annotation_of_picture(store, one) if one.label == "bad" and _has_some(one) else None)
        for one in pictures
    )


@dataclass(frozen=True, slots=True)
class Matched:
    """Imported annotations by the names of the project's pictures; the rest with the reasons."""

    annotations: Mapping[str, Annotation]
    left_out: tuple[LeftOut, ...]


def matched(project: Project, found: AnnotatedSet) -> Matched:
    """Whose annotations these are: the same file, else the same name, else the same file name where no other picture
    has it."""
    pictures = _Pictures(project.pictures)
    annotations: dict[str, Annotation] = {}
    left_out = list(found.left_out)
    for one in found.pictures:
        if one.annotation is None or (one.label == "good" and not one.annotation.regions):
            continue
        picture = pictures.like(one)
        reason = _objection(picture, one)
        if picture is None or reason:
            left_out.append(LeftOut(one.name, reason))
        elif picture.name in annotations:
            left_out.append(LeftOut(one.name, f"is {picture.name} once more; the first annotation was taken"))
        else:
            annotations[picture.name] = one.annotation
    return Matched(annotations, tuple(left_out))


@dataclass(frozen=True, slots=True)
class Imported:
    """Stored annotations: for each picture's name what was there before, and what is there now."""

    before: Mapping[str, Annotation]
    now: Mapping[str, Annotation]
    left_out: tuple[LeftOut, ...]


def store_imported(project: Project, store: AnnotationStore, found: Matched) -> Imported:
    """Write them, which for many pictures takes a while: not in the thread of the desk, which learns of it by
    `AnnotatingDesk.adopt`. What cannot be written is left out."""
    before: dict[str, Annotation] = {}
    left_out = list(found.left_out)
    for picture in project.pictures:
        if picture.name not in found.annotations:
            continue
        try:
            there = annotation_of_picture(store, picture)
        except AnnotationError:  # what could not be used is replaced
            there = Annotation(height_px=picture.height_px, width_px=picture.width_px)
        try:
            store.save(picture.sha256, found.annotations[picture.name])
        except AnnotationError as error:
            left_out.append(LeftOut(picture.name, str(error)))
        else:
            before[picture.name] = there
    return Imported(before, {name: found.annotations[name] for name in before}, tuple(left_out))


class AnnotatingDesk:
    """The annotations of an open project. Each picture has steps of its own to take back, until the project is closed.
    Lives in one thread.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._steps: dict[str, UndoStack[Annotation]] = {}
        """By the pictures' hashes: the same file under two names has one annotation."""
        self._kinds: dict[str, None] = {}
        self.kinds()

    @property
    def store(self) -> AnnotationStore:
        return AnnotationStore(self._flow.annotations_folder)

    def open(self, name: str) -> Annotation:
        """The present annotation of a picture. Raises AnnotationError."""
        picture = self._picture(name)
        if picture.sha256 not in self._steps:
            self._steps[picture.sha256] = UndoStack(annotation_of_picture(self.store, picture))
        return self._steps[picture.sha256].state

    def begin(self, name: str, annotation: Annotation | None = None) -> Annotation:
        """As `open`, where the annotation was read already; None: without regions, for a picture whose annotation
        cannot be used. What is stored stays until something is drawn."""
        picture = self._picture(name)
        fresh = annotation or Annotation(height_px=picture.height_px, width_px=picture.width_px)
        return self._steps.setdefault(picture.sha256, UndoStack(fresh)).state

    def put(self, name: str, annotation: Annotation) -> None:
        """Store another annotation of a picture. Raises AnnotationError, ProjectError; then nothing has changed."""
        if annotation != self.open(name):
            self._save(name, annotation)
            self._of(name).push(annotation)

    def adopt(self, imported: Imported) -> None:
        """Take over what `store_imported` wrote; it can be taken back picture by picture. Pictures that have left the
        project meanwhile are passed over. Raises ProjectError."""
        changed: dict[str, ProjectPicture] = {}
        here = {picture.name for picture in self._flow.project.pictures}
        for name, annotation in imported.now.items():
            if name not in here:
                continue
            self.begin(name, imported.before[name])
            self._of(name).push(annotation)
            changed |= self._marked(name, annotation)
        self._flow.change_pictures(changed)

    def undo(self, name: str) -> bool:
        """Take the last change of a picture back; returns whether there was one. Raises as `put`."""
        steps = self._of(name)
        return self._step(name, steps.undo(), steps.redo)

    def redo(self, name: str) -> bool:
        """Bring back what was taken back last."""
        steps = self._of(name)
        return self._step(name, steps.redo(), steps.undo)

    def can_undo(self, name: str) -> bool:
        return self._of(name).can_undo

    def can_redo(self, name: str) -> bool:
        return self._of(name).can_redo

    def kinds(self, *more: str) -> tuple[str, ...]:
        """Every kind that the bad pictures and their opened regions had since the desk was made, and `more`. A kind
        keeps its place: people know its number by heart."""
        for picture in bad_pictures(self._flow.project):
            if picture.kind:
                self._kinds.setdefault(kind_of(picture.kind))
            if picture.sha256 in self._steps:
                self._kinds |= dict.fromkeys(region.kind for region in self._steps[picture.sha256].state.regions)
        self._kinds |= dict.fromkeys(more)
        return tuple(self._kinds)

    def _step(self, name: str, state: Annotation | None, take_back: Callable[[], Annotation | None]) -> bool:
        if state is None:
            return False
        try:
            self._save(name, state)
        except BaseException:
            take_back()
            raise
        return True

    def _save(self, name: str, annotation: Annotation) -> None:
        self.store.save(self._picture(name).sha256, annotation)
        changed = self._marked(name, annotation)
        if changed:
            self._flow.change_pictures(changed)

    def _marked(self, name: str, annotation: Annotation) -> dict[str, ProjectPicture]:
        """Every picture of that file that says something else of its annotation than is true now."""
        sha256 = self._picture(name).sha256
        same = (one for one in self._flow.project.pictures if one.sha256 == sha256)
        marked = {one.name: (one, _told(one, annotation)) for one in same}
        return {name: told for name, (one, told) in marked.items() if told != one}

    def _of(self, name: str) -> UndoStack[Annotation]:
        return self._steps[self._picture(name).sha256]

    def _picture(self, name: str) -> ProjectPicture:
        return next(one for one in self._flow.project.pictures if one.name == name)


def _told(picture: ProjectPicture, annotation: Annotation) -> ProjectPicture:
    """Its kind is one of its regions', that of the most pixels unless its own is among them."""
    is_true = not annotation.regions or picture.kind in annotation.kinds
    kind = picture.kind if is_true else annotation.main_kind
    return picture.model_copy(update={"outlined": bool(annotation.regions), "kind": kind})


class _Pictures:
    """Finds the picture that an annotation belongs to."""

    def __init__(self, pictures: Sequence[ProjectPicture]) -> None:
        self._by_hash = {one.sha256: one for one in reversed(pictures)}
        self._by_name = {one.name: one for one in pictures}
        self._by_file: dict[str, list[ProjectPicture]] = defaultdict(list)
        for one in pictures:
            self._by_file[PurePosixPath(one.name).name].append(one)

    def like(self, wanted: AnnotatedPicture) -> ProjectPicture | None:
        if wanted.sha256 is not None:
            if wanted.sha256 in self._by_hash:
                return self._by_hash[wanted.sha256]
        elif wanted.name in self._by_name:
            return self._by_name[wanted.name]
        same = self._by_file[PurePosixPath(wanted.name).name] if wanted.sha256 is None else []
        return same[0] if len(same) == 1 else None


def _objection(picture: ProjectPicture | None, one: AnnotatedPicture) -> str:
    if picture is None:
        return "is no picture of this project, or several have its name"
    if one.annotation is not None and (picture.height_px, picture.width_px) != (one.height_px, one.width_px):
        here = f"{picture.width_px} x {picture.height_px} px"
        return f"is annotated as {one.width_px} x {one.height_px} px, the project's picture has {here}"
    if picture.set_aside:
        return "is set aside in this project"
    if picture.label != "bad":
        return f"is labelled {picture.label} in this project. Label it bad under Pictures, then import again"
    return ""


def _has_some(picture: ProjectPicture) -> bool:
    return picture.outlined is not None or picture.imported_mask is not None


def _exchanged(picture: ProjectPicture, annotation: Annotation | None) -> AnnotatedPicture:
    return AnnotatedPicture(
        name=picture.name,
        file=Path(picture.file),
        height_px=picture.height_px,
        width_px=picture.width_px,
        sha256=picture.sha256,
        label=picture.label,
        use=picture.use,
        kind=picture.kind,
        annotation=annotation,
    )
