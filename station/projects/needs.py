"""Whether this machine has the memory and the disk that a candidate's training needs, in words. No Qt, no torch."""

from dataclasses import dataclass
from pathlib import Path

from ml.job import TrainingJob
from ml.training.resources import available, in_units, needed, shortage, workload_of
from station.projects.order import described_job, listed_pictures
from station.projects.project import Candidate, Project
from station.projects.store import ProjectError

CHECK_FILE = "check.json"


@dataclass(frozen=True, slots=True)
class Needs:
    """`told`: what is needed and what there is; `obstacle`: why training cannot begin, `warning`: why it may be cut
    short; both empty where all is well."""

    told: str
    obstacle: str = ""
    warning: str = ""


def needs_of(job: TrainingJob) -> Needs:
    """Of a job whose pictures are listed. Reads some of their headers. Raises LoupeError."""
    wanted, there = needed(job, workload_of(job)), available(job)
    lack = shortage(job, wanted, there)
    told = (
        f"Needs up to {in_units(wanted.memory)} of memory, {in_units(there.memory)} are free; up to "
        f"{in_units(wanted.disk)} on the disk, {in_units(there.disk)} are free."
    )
    return Needs(told, lack.obstacle, lack.warning)


def needs_before(project: Project, candidate: Candidate, folder: Path, base: Path | None = None) -> Needs:
    """The same before the pictures are put aside; `folder` is the project's. Raises LoupeError."""
    job = described_job(project, candidate.order, folder, base).model_copy(update={"data": folder / CHECK_FILE})
    try:
        listed_pictures(project, {}).save(job.data)
    except OSError as error:
        raise ProjectError(f"{job.data}: cannot be written ({error.strerror}). Free some space.") from error
    return needs_of(job)
