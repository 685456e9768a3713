"""Carries out the cells that are not there yet, one after the other. No torch."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.comparison.child import CELL_COMMAND, remove_stale, run_cell
from ml.comparison.fingerprint import cell_key, data_fingerprint
from ml.comparison.records import CellJob, CellOutcome, DoneCell, FailedCell
from ml.comparison.store import CellStore


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell with what came of it."""

    key: str
    job: CellJob
    outcome: CellOutcome


class Watcher:
    """Follows a comparison; every method may be overridden. Cells are numbered from 1."""

    def began(self, number: int, total: int, job: CellJob, left_s: float | None) -> None:
        """`left_s`: the seconds that this cell and all later ones may take, None where nothing is known yet."""

    def progressed(self, number: int, total: int, job: CellJob, stage: str, done: int, of: int) -> None:
        """Called several times a second."""

    def ended(self, number: int, total: int, job: CellJob, outcome: CellOutcome, is_stored: bool) -> None:
        """`is_stored`: it was finished before, by an earlier run."""


def compare(
    jobs: Sequence[CellJob],
    store: CellStore,
    *,
    retry: bool = False,
    watcher: Watcher | None = None,
    command: Sequence[str] = CELL_COMMAND,
) -> list[Cell]:
    """Carry out every cell that `store` does not hold, and give all of them in the order of `jobs`.

    A cell that failed before counts as finished unless `retry`: what ran out of memory after an hour would do so in
    every run. Raises TrainingError for a folder that is not of the MVTec layout and ComparisonError where cells
    cannot be stored; a cell's own failure is its outcome. On KeyboardInterrupt the finished cells stay.
    """
    following = watcher or Watcher()
    remove_stale(store.folder)
    fingerprints = {folder: data_fingerprint(folder) for folder in {job.training.data for job in jobs}}
    keys = [cell_key(job, fingerprints[job.training.data]) for job in jobs]
    stored = {key: outcome for key in keys if (outcome := store.find(key)) is not None}
    if retry:
        stored = {key: outcome for key, outcome in stored.items() if not isinstance(outcome, FailedCell)}
    pace = _Pace()
    cells = list(zip(keys, jobs, strict=True))
    for key, job in cells:
        if key in stored:
            pace.learn(job, stored[key])
    found: list[Cell] = []
    for number, (key, job) in enumerate(cells, start=1):
        outcome = stored.get(key)
        is_stored = outcome is not None
        if outcome is None:
            ahead = [later for its_key, later in cells[number - 1 :] if its_key not in stored]
            following.began(number, len(cells), job, pace.seconds(ahead))
            outcome = _carried_out(job, number, len(cells), store.folder, following, command)
            store.keep(key, job, outcome)
            pace.learn(job, outcome)
        following.ended(number, len(cells), job, outcome, is_stored)
        found.append(Cell(key, job, outcome))
    return found


def _carried_out(
    job: CellJob, number: int, total: int, work: Path, watcher: Watcher, command: Sequence[str]
) -> CellOutcome:
    def progress(stage: str, done: int, of: int) -> None:
        watcher.progressed(number, total, job, stage, done, of)

    return run_cell(job, work, progress, command)


class _Pace:
    """How long cells take, by the method and by the method and data set."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, ...], list[float]] = defaultdict(list)

    def learn(self, job: CellJob, outcome: CellOutcome) -> None:
        if isinstance(outcome, DoneCell):
            for group in ((), (job.variant,), (job.variant, job.data_set)):
                self._seconds[group].append(outcome.seconds)

    def seconds(self, jobs: Sequence[CellJob]) -> float | None:
        """For all of `jobs`, from the most similar cells that are finished; None before the first one is."""
        if not self._seconds[()]:
            return None
        return sum(self._expected(job) for job in jobs)

    def _expected(self, job: CellJob) -> float:
        alike = next(
            times for group in ((job.variant, job.data_set), (job.variant,), ()) if (times := self._seconds[group])
        )
        return sum(alike) / len(alike)
