"""A project's candidates, trained one after another. QtCore only.

Whatever happens stands in the project before it is shown, so that a crash or a power cut at any moment leaves a queue
that can go on.
"""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from ml.job import TrainingJob
from ml.picture_list import PictureList
from station.history.archive import Archive
from station.history.models import ModelShelf
from station.projects.flow import Flow
from station.projects.needs import Needs, needs_before, needs_of
from station.projects.order import content_hashes, training_job
from station.projects.project import Candidate, Project
from station.projects.queue import again, can_resume, is_outdated, next_waiting, recovered, trained, without
from station.projects.steps.annotation import mask_files
from station.projects.store import ProjectError
from station.workers.queries import Queries
from station.workers.training import JOB_FILE, TrainingOutcome, TrainingProcess


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A candidate whose pictures are kept and whose job can be carried out."""

    candidate_id: str
    job: TrainingJob
    resume: bool
    needs: Needs


class CandidateTraining(QObject):
    """Of one open project. The station trains one model at a time: while another project's turn lasts, this one waits.

    A run goes on when this object is closed; the project finds out what became of it when it is opened again.
    """

    changed = Signal()
    """A candidate is in another state, gone, or new."""
    begun = Signal(object)
    """Candidate: its turn has come; its pictures are being put aside, then it is trained."""
    ended = Signal(object)
    """Candidate, with what became of it."""
    checked = Signal(object)
    """Needs of the candidate that is next, or whose turn has come."""
    compared = Signal(object)
    """frozenset of the ids of trained candidates whose pictures are not those of the project any more."""
    problem_found = Signal(str)
    """The project cannot be stored, or there is too little memory or disk: why, and what to do. "" for all is well."""

    def __init__(self, flow: Flow, archive: Archive, process: TrainingProcess, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._flow, self._archive, self._process = flow, archive, process
        self._queries = Queries(self)
        self._is_going = False
        self._preparing: str | None = None
        self._running: str | None = None
        self._is_closed = False
        process.succeeded.connect(self._on_success)
        process.failed.connect(self._on_failure)
        process.cancelled.connect(self._on_cancelled)
        self.catch_up()

    @property
    def current(self) -> Candidate | None:
        """The candidate whose turn it is."""
        return self._flow.project.candidate(self._running or self._preparing)

    @property
    def is_waiting_for_others(self) -> bool:
        """Whether this queue begins by itself when another project's training is over."""
        return self._is_going and self.is_taken

    @property
    def is_taken(self) -> bool:
        """Whether the station trains for another project."""
        return self._process.is_running and self._running is None

    @property
    def taken_by(self) -> str:
        """The title of the training that goes on for others."""
        return self._process.running_title if self.is_taken else ""

    def can_continue(self, candidate: Candidate) -> bool:
        """Whether its training was stopped after it had learnt something."""
        return candidate.state in ("cancelled", "failed") and can_resume(self._folder(candidate.id))

    def catch_up(self) -> None:
        """Find out what became of runs that nobody watched, and take over the one that is still going on."""
        running_in = self._process.running_in
        for one in self._flow.project.candidates:
            if running_in == self._folder(one.id):
                self._running = one.id
        self._store(recovered(self._flow.project, self._folder, running_in))

    def check(self) -> None:
        """Look which candidates were trained on other pictures than there are now (`compared`), and hold what the next
        one needs against what this machine has (`checked`).
        """
        candidate, project, folder = next_waiting(self._flow.project), self._flow.project, self._flow.folder
        models = self._archive.models
        done = {one.id: self._folder(one.id) for one in trained(project)}
        if done:
            self._queries.ask(
                lambda: frozenset(name for name, place in done.items() if is_outdated(project, place)),
                then=self.compared.emit,
            )
        if candidate is not None and self.current is None:
            self._queries.ask(
                lambda: needs_before(project, candidate, folder, _base(project, models)),
                then=self.checked.emit,
                otherwise=self.problem_found.emit,
            )

    @Slot()
    def start(self) -> None:
        """Train those that wait, in their order."""
        self._is_going = True
        self._begin_next()

    def start_again(self, candidate: Candidate, *, resume: bool = False) -> None:
        """Train one that failed or was stopped, from its beginning or on from where it stood, then those that wait."""
        if self.current is None and not self.is_taken:
            if not resume:  # what can go on stays so until it does: whatever keeps it from beginning, nothing is lost
                self._set(candidate, state="waiting", problem="")
            self._is_going = True
            self._prepare(candidate, resume=resume)

    def queue_again(self, candidate: Candidate) -> None:
        """Queue the same order once more, for the pictures as they are now."""
        self._store(again(self._flow.project, candidate))
        self.changed.emit()

    def remove(self, candidate: Candidate) -> None:
        """Take one out of the queue, with its folder; ignored for the one whose turn it is."""
        current = self.current
        is_its_turn = current is not None and current.id == candidate.id
        if not is_its_turn and self._store(without(self._flow.project, candidate.id)):
            folder = self._folder(candidate.id)
            self._queries.ask(lambda: shutil.rmtree(folder, ignore_errors=True))
            self.changed.emit()

    @Slot()
    def cancel(self) -> None:
        """Stop the one whose turn it is; those behind it wait on."""
        self._is_going = False
        if self._running is not None:
            self._process.cancel()
        elif self._preparing is not None:  # its preparation ends by itself, and nothing follows
            self._preparing = None
            self.changed.emit()

    def close(self) -> None:
        """Follow no longer what goes on."""
        self._is_closed = True
        self._queries.close()

    def _begin_next(self) -> None:
        candidate = next_waiting(self._flow.project)
        if not self._is_going or self.current is not None or self.is_taken:
            self.changed.emit()
        elif candidate is None:
            self._is_going = False
            self.changed.emit()
        else:
            self._prepare(candidate)

    def _prepare(self, candidate: Candidate, *, resume: bool = False) -> None:
        self._preparing = candidate.id
        project, annotations = self._flow.project, self._flow.annotations_folder
        self.begun.emit(candidate)
        self.changed.emit()
        self._queries.ask(
            lambda: _prepared(
                project, candidate, self._archive, annotations, self._folder(candidate.id), resume=resume
            ),
            then=self._launch,
            otherwise=partial(self._on_unprepared, candidate.id),
        )

    def _launch(self, prepared: _Prepared) -> None:
        if self._preparing != prepared.candidate_id:
            return
        if prepared.needs.obstacle:  # nothing is lost: it stays what it was until there is room
            self._preparing, self._is_going = None, False
            self.checked.emit(prepared.needs)
            self.changed.emit()
            return
        self.checked.emit(prepared.needs)
        self._preparing = None
        candidate = self._flow.project.candidate(prepared.candidate_id)
        if candidate is None or self.is_taken:  # removed, or another project was quicker
            self._begin_next()
            return
        self._running = candidate.id
        if self._set(candidate, state="running", problem="", folder=str(prepared.job.out.parent)):
            self._process.train(prepared.job, self._flow.project.name, resume=prepared.resume)
        else:
            self._running, self._is_going = None, False
        self.changed.emit()

    def _on_unprepared(self, candidate_id: str, reason: str) -> None:
        if self._preparing != candidate_id:
            return
        candidate, self._preparing = self.current, None
        self._is_going = False  # what is wrong with the pictures is wrong for all
        if candidate is not None:
            self._finish(candidate, state="failed", problem=reason)

    @Slot(object)
    def _on_success(self, outcome: TrainingOutcome) -> None:
        self._on_end(state="trained", problem="", model_hash=outcome.model_hash, seconds=outcome.seconds)

    @Slot(str)
    def _on_failure(self, reason: str) -> None:
        self._on_end(state="failed", problem=reason)

    @Slot()
    def _on_cancelled(self) -> None:
        self._is_going = self._is_going and self._running is None  # others may stop theirs
        self._on_end(state="cancelled", problem="")

    def _on_end(self, **fields: object) -> None:
        if self._is_closed:
            return
        candidate, self._running = self._flow.project.candidate(self._running), None
        if candidate is not None:
            self._finish(candidate, **fields)
        self._begin_next()

    def _finish(self, candidate: Candidate, **fields: object) -> None:
        self._set(candidate, **fields)
        self.ended.emit(candidate.model_copy(update=fields))
        self.changed.emit()

    def _set(self, candidate: Candidate, **fields: object) -> bool:
        latest = self._flow.project.candidate(candidate.id) or candidate
        return self._store(self._flow.project.with_candidate(latest.model_copy(update=fields)))

    def _store(self, project: Project) -> bool:
        try:
            self._flow.replace(project)
        except ProjectError as error:
            self.problem_found.emit(str(error))
            return False
        return True

    def _folder(self, candidate_id: str) -> Path:
        return self._flow.candidate_folder(candidate_id)


def _prepared(
    project: Project, candidate: Candidate, archive: Archive, annotations: Path, folder: Path, *, resume: bool
) -> _Prepared:
    """Raises LoupeError, whose text is for the engineer. What is continued keeps the pictures it began with."""
    if resume:
        job = TrainingJob.load(folder / JOB_FILE)
    else:
        masks, base = mask_files(project, annotations), _base(project, archive.models)
        job = training_job(project, candidate, archive.pictures, folder, masks, base)
        archive.snapshots.pin(f"project:{project.id}", content_hashes(PictureList.load(job.data)))
    return _Prepared(candidate.id, job, resume, needs_of(job))


def _base(project: Project, models: ModelShelf) -> Path | None:
    """The file of the model that is fine-tuned. Raises StorageError where it is gone."""
    return None if project.base_model is None else models.path(project.base_model)
