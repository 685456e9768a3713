"""Where the projects of a station lie: a folder each, under the home.

project.json      the record
pictures.json     its pictures
pictures/         those that were captured here
annotations/      masks that were drawn, see `ml.annotation`
candidates/ID/    job, list of pictures, model and scores of each candidate
lock              held while a window has the project open
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ml.files import write_atomically
from station.core.errors import StorageError
from station.home import FileLock
from station.projects.project import Project, ProjectPicture, Step

PROJECT_FILE, PICTURES_FILE, LOCK_FILE = "project.json", "pictures.json", "lock"

_PICTURES = TypeAdapter(tuple[ProjectPicture, ...])


class ProjectError(StorageError):
    """A project cannot be read, written or opened: which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """One line of the list of projects; `problem` where it cannot be read."""

    id: str
    name: str
    step: Step
    pictures: int
    changed_s: float
    recipe: str | None = None
    is_fine_tuning: bool = False
    problem: str = ""


class ProjectStore:
    """All projects of one home. May be used from any thread; one project is changed in one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self, project: Project) -> Path:
        return self._folder / project.id

    def pictures_folder(self, project: Project) -> Path:
        return self.folder(project) / "pictures"

    def annotations_folder(self, project: Project) -> Path:
        return self.folder(project) / "annotations"

    def candidate_folder(self, project: Project, candidate_id: str) -> Path:
        return self.folder(project) / "candidates" / candidate_id

    def list(self) -> tuple[ProjectSummary, ...]:
        """The last changed first. Raises ProjectError where the folder itself cannot be read."""
        try:
            folders = [file.parent for file in self._folder.glob(f"*/{PROJECT_FILE}")]
            found = [self._summary(folder) for folder in folders]
        except OSError as error:
            raise ProjectError(f"{self._folder}: the projects cannot be read ({error.strerror}).") from error
        return tuple(sorted(found, key=lambda one: -one.changed_s))

    def lock(self, project_id: str, *, is_new: bool = False) -> FileLock:
        """Keep other windows out of a project until released; the folder of a new one is made.

        Raises ProjectError when another one has it open, or when it is gone.
        """
        path = self._folder / project_id / LOCK_FILE
        try:
            if is_new:
                path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock.take(path)
        except OSError as error:
            raise ProjectError(f"{path}: the project cannot be locked ({error.strerror}).") from error
        if lock is None:
            raise ProjectError(
                "This project is open in another window. Close it there, or start another project.",
            )
        return lock

    def load(self, project_id: str) -> Project:
        """Raises ProjectError."""
        folder = self._folder / project_id
        project = _read(folder / PROJECT_FILE, TypeAdapter(Project))
        if project.id != project_id:  # opening or removing it would change the other one
            raise ProjectError(f"{folder}: this is a copy of the project {project.id}. Move it out of this folder.")
        pictures = _read(folder / PICTURES_FILE, _PICTURES) if (folder / PICTURES_FILE).exists() else ()
        loaded: Project = project.model_copy(update={"pictures": pictures})
        return loaded

    def save(self, project: Project, before: Project | None = None) -> None:
        """Write what has changed since `before`; the pictures first. Raises ProjectError."""
        folder = self.folder(project)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if before is None or project.pictures is not before.pictures:
                write_atomically(folder / PICTURES_FILE, _PICTURES.dump_json(project.pictures))
            write_atomically(folder / PROJECT_FILE, (project.model_dump_json(indent=1) + "\n").encode())
        except OSError as error:
            raise ProjectError(
                f"{folder}: the project cannot be saved ({error.strerror}). Free some space or check the disk."
            ) from error

    def remove(self, project_id: str) -> None:
        """With all its candidates; models that are on the shelf stay there. Raises ProjectError."""
        try:
            shutil.rmtree(self._folder / project_id)
        except OSError as error:
            raise ProjectError(f"{self._folder / project_id}: cannot be removed ({error.strerror}).") from error

    def _summary(self, folder: Path) -> ProjectSummary:
        changed_s = (folder / PROJECT_FILE).stat().st_mtime
        try:
            project = self.load(folder.name)
        except ProjectError as error:
            return ProjectSummary(folder.name, folder.name, Step.PICTURES, 0, changed_s, problem=str(error))
        return ProjectSummary(
            project.id,
            project.name,
            project.step,
            len(project.pictures),
            changed_s,
            recipe=project.recipe,
            is_fine_tuning=project.is_fine_tuning,
        )


def _read(path: Path, form: TypeAdapter[Any]) -> Any:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProjectError(f"{path}: the project cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise ProjectError(f"{path}: this is no project file ({error}). Put it back from a back-up.") from error
    version = document.get("version", 1) if isinstance(document, dict) else 1
    if version != 1:
        raise ProjectError(f"{path}: written by another Loupe (project version {version}). Install that one again.")
    try:
        return form.validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProjectError(f"{path}: {where}: {first['msg']}. Put the file back from a back-up.") from error
