"""The queue of candidates: what is trained next, what became of each, and what a crash left. No Qt, no torch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ml.artifact import read_manifest
from ml.catalogue import METHODS
from ml.errors import ModelFileError, ParameterError
from ml.generation.catalogue import GENERATORS
from ml.job import TrainingJob
from ml.picture_list import PictureList
from station.projects.order import MODEL_FILE, PICTURES_FILE, shown_order
from station.projects.project import Candidate, Project

USUAL_METHOD: Final[str] = TrainingJob.model_fields["method"].default
USUAL_PRESET: Final[str] = TrainingJob.model_fields["preset"].default
MOST_DIFFERENCES = 3
FINE_TUNED: Final = "Fine-tuned"
INTERRUPTED: Final = "Interrupted when Loupe ended."

FolderOf = Callable[[str], Path]
"""The folder of a candidate by its id."""


def is_queued(project: Project) -> bool:
    """Whether what the page Method shows is among the candidates already."""
    order = shown_order(project)
    return any(one.order == order for one in project.candidates)


def settled(project: Project) -> Project:
    """The project with the usual order where none was chosen: what is trained now is not changed by later advice."""
    if project.order or project.is_fine_tuning:
        return project
    return project.model_copy(update={"order": {"method": USUAL_METHOD, "preset": USUAL_PRESET}})


def with_shown(project: Project, estimated_s: float | None = None) -> Project:
    """The project with what the page Method shows as one more candidate, waiting."""
    order = shown_order(project)
    title = FINE_TUNED if project.is_fine_tuning else title_of(order)
    return project.with_candidate(Candidate(title=_unused(project, title), order=order, estimated_s=estimated_s))


def again(project: Project, candidate: Candidate) -> Project:
    """The project with a candidate of the same order, waiting: for other pictures than it was trained on."""
    title = _unused(project, candidate.title)
    return project.with_candidate(Candidate(title=title, order=candidate.order, estimated_s=candidate.seconds))


def without(project: Project, candidate_id: str) -> Project:
    """The project without a candidate; its folder is left to whoever asked."""
    kept = tuple(one for one in project.candidates if one.id != candidate_id)
    chosen = None if project.chosen == candidate_id else project.chosen
    return project.model_copy(update={"candidates": kept, "chosen": chosen})


def next_waiting(project: Project) -> Candidate | None:
    """The one that is trained next."""
    return next((one for one in project.candidates if one.state == "waiting"), None)


def trained(project: Project) -> tuple[Candidate, ...]:
    """Those that have a model."""
    return tuple(one for one in project.candidates if one.state == "trained")


def is_outdated(project: Project, folder: Path) -> bool:
    """Whether the candidate in `folder` was trained on other pictures, or other labels, than the project has now.

    Reads the candidate's list; one that cannot be read tells nothing.
    """
    try:
        listed = PictureList.load(folder / PICTURES_FILE)
    except ParameterError:
        return False
    then = {(one.sha256, one.label, one.use) for one in listed.pictures}
    return then != {(one.sha256, one.label, one.use) for one in project.pictures if one.is_used}


def can_resume(folder: Path) -> bool:
    """Whether the training in a candidate's folder was stopped after it had learnt something."""
    return TrainingJob(data=folder, out=folder / MODEL_FILE).resume_file.is_file()


def recovered(project: Project, folder_of: FolderOf, running_in: Path | None = None) -> Project:
    """The project as it is after the station was closed, crashed or lost power while candidates were `running`.

    One whose model is complete is trained; one that had learnt something can go on (`cancelled`, see `can_resume`);
    any other waits again. The one in `running_in` is still being trained and stays.
    """
    for one in project.candidates:
        folder = folder_of(one.id)
        if one.state != "running" or folder == running_in:
            continue
        project = project.with_candidate(one.model_copy(update=_left_in(folder)))
    return project


def _left_in(folder: Path) -> dict[str, Any]:
    if can_resume(folder):  # it is removed once the model is complete
        return {"state": "cancelled", "problem": INTERRUPTED}
    try:
        manifest = read_manifest(folder / MODEL_FILE)
    except ModelFileError:
        return {"state": "waiting", "problem": ""}
    return {"state": "trained", "problem": "", "model_hash": manifest.model_hash}


def title_of(order: Mapping[str, Any]) -> str:
    """Method, preset and what differs from it: `PatchCore, fast, patches of 256 px, coreset share 0.2`."""
    method = METHODS[order.get("method", USUAL_METHOD)]
    preset = order.get("preset", USUAL_PRESET)
    different = _differences(order, method.presets[preset].size_px)
    shown = different[:MOST_DIFFERENCES]
    if len(different) > MOST_DIFFERENCES:
        shown.append(f"{len(different) - MOST_DIFFERENCES} more")
    return ", ".join([method.title, preset, *shown])


def _differences(order: Mapping[str, Any], usual_px: int) -> list[str]:
    words = []
    if order.get("patch"):
        words.append(f"patches of {order['patch']} px")
    elif order.get("size") not in (None, usual_px):
        words.append(f"{order['size']} px")
    words += [f"{name.replace('_', ' ')} {_shown(value)}" for name, value in order.get("parameters", {}).items()]
    if augment := order.get("augment"):
        generator = GENERATORS.get(augment["generator"])
        words.append(f"{augment['count']} generated ({generator.title if generator else augment['generator']})")
    if side := order.get("conv_processing"):
        words.append(f"map filter {side}")
    return words


def _shown(value: object) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case list() | tuple():
            return " ".join(map(str, value))
        case _:
            return str(value)


def _unused(project: Project, title: str) -> str:
    titles = {one.title for one in project.candidates}
    numbered = (f"{title} ({number})" for number in range(2, len(titles) + 3))
    return title if title not in titles else next(one for one in numbered if one not in titles)
