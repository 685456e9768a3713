"""The way from pictures to a deployed model, step by step: what each still lacks and what it leads to. No Qt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from station.home import FileLock
from station.projects.project import Project, ProjectPicture, Step
from station.projects.store import ProjectStore


@dataclass(frozen=True, slots=True)
class Readiness:
    """Of one step: `obstacle` says what is missing before the next one ("" for nothing), `consequence` in a line what
    the choices so far lead to."""

    obstacle: str = ""
    consequence: str = ""


Rule = Callable[[Project], Readiness]


class Flow:
    """One open project. Every change is on the disk before it is seen. Lives in one thread; `close` lets others open
    the project."""

    def __init__(self, store: ProjectStore, project: Project, lock: FileLock, rules: Mapping[Step, Rule]) -> None:
        self._store = store
        self._project = project
        self._lock = lock
        self._rules = rules

    @classmethod
    def begin(cls, store: ProjectStore, project: Project, rules: Mapping[Step, Rule]) -> Self:
        """A new project. Raises ProjectError."""
        lock = store.lock(project.id, is_new=True)
        try:
            store.save(project)
        except BaseException:
            lock.release()
            raise
        return cls(store, project, lock, rules)

    @classmethod
    def reopen(cls, store: ProjectStore, project_id: str, rules: Mapping[Step, Rule]) -> Self:
        """Where it was left. Raises ProjectError."""
        lock = store.lock(project_id)
        try:
            project = store.load(project_id)
        except BaseException:
            lock.release()
            raise
        return cls(store, project, lock, rules)

    @property
    def project(self) -> Project:
        return self._project

    @property
    def folder(self) -> Path:
        return self._store.folder(self._project)

    @property
    def pictures_folder(self) -> Path:
        return self._store.pictures_folder(self._project)

    @property
    def annotations_folder(self) -> Path:
        return self._store.annotations_folder(self._project)

    def candidate_folder(self, candidate_id: str) -> Path:
        return self._store.candidate_folder(self._project, candidate_id)

    def change(self, **fields: Any) -> Project:
        """Store the project with other values and give it. Raises ProjectError; then nothing has changed."""
        return self.replace(self._project.model_copy(update=fields))

    def replace(self, project: Project) -> Project:
        """As `change`, with the whole project."""
        if project != self._project:
            self._store.save(project, self._project)
            self._project = project
        return self._project

    def change_pictures(self, changed: Mapping[str, ProjectPicture]) -> Project:
        """Store other values of some pictures, by their names."""
        pictures = tuple(changed.get(one.name, one) for one in self._project.pictures)
        return self.change(pictures=pictures)

    def readiness(self, step: Step | None = None) -> Readiness:
        """Of a step, or of the one that is shown."""
        rule = self._rules.get(step or self._project.step)
        return rule(self._project) if rule else Readiness()

    def reachable(self) -> tuple[tuple[Step, ...], str]:
        """The steps that can be shown now, and what keeps the others from being so ("" for nothing)."""
        steps = list(Step)
        for number, step in enumerate(steps, start=1):
            obstacle = self.readiness(step).obstacle
            if obstacle:
                return tuple(steps[:number]), obstacle
        return tuple(steps), ""

    def go(self, step: Step) -> bool:
        """Show a step, if it can be reached; returns whether it is shown now."""
        if step in self.reachable()[0]:
            self.change(step=step)
        return self._project.step is step

    def close(self) -> None:
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
