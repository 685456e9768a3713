"""Which pictures a job learns from and which it sets aside for judging: from its folders or its list. No torch.

A list is held to what keeps its figures honest: a part, or a picture under two names, is either learnt from or tested
with.
"""

from contextlib import suppress
from pathlib import Path

from ml.calibration import assign_groups
from ml.dataset import GoodPicture, LabelledPicture, good_of, labelled, read_good
from ml.errors import ParameterError, TrainingError
from ml.job import TrainingJob
from ml.picture_list import ListedPicture, PictureList, is_picture_list


def good_pictures(job: TrainingJob) -> tuple[Path, list[GoodPicture]]:
    """The good pictures that the job does not exclude, none read yet, and the folder that holds them or the list.

    Raises TrainingError where there are none, where an excluded name is unknown, and for a part of a list that is both
    learnt from and tested with; ParameterError for what is no list.
    """
    if is_picture_list(job.data):
        return job.data.parent, good_of(_listed(job), job.data)
    folder, found = read_good(job.data)
    _refuse_unknown(job, {picture.name for picture in found})
    return folder, [picture for picture in found if picture.name not in job.exclude]


def listed_defects(job: TrainingJob) -> list[LabelledPicture]:
    """The pictures of defective parts to learn from of the job's list; empty where the job has none."""
    return [labelled(one) for one in _listed(job).of("bad", "learn")] if is_picture_list(job.data) else []


def set_aside(job: TrainingJob) -> tuple[ListedPicture, ...]:
    """Those that the job's list sets aside for judging, in its order; empty where the job has none.

    Each has its part as far as list or name tell it.
    """
    if not is_picture_list(job.data):
        return ()
    tests = (one for one in _listed(job).pictures if one.use == "test" and one.label != "unsure")
    return tuple(one.model_copy(update={"part": _part_of(one, job.group_by)}) for one in tests)


def _listed(job: TrainingJob) -> PictureList:
    """The job's list without what it excludes."""
    whole = PictureList.load(job.data)
    _refuse_unknown(job, {picture.name for picture in whole.pictures})
    listed = whole.without(job.exclude)
    shown: dict[str, ListedPicture] = {}
    for picture in listed.pictures:
        part = None if picture.label == "unsure" else _part_of(picture, job.group_by)
        first = picture if part is None else shown.setdefault(part, picture)
        if first.use != picture.use:
            raise TrainingError(
                f"{job.data}: '{first.name}' and '{picture.name}' show the same part '{part}', and one is learnt from "
                "while the other is set aside for testing. Give both the same use."
            )
    return listed


def _part_of(picture: ListedPicture, group_by: str | None) -> str | None:
    """As listed, else by its name; None for a picture that stands for itself."""
    if picture.part is None and group_by is not None:
        with suppress(ParameterError):  # a name in which nothing is found: told where the picture is learnt from
            return assign_groups([picture.name], group_by)[0]
    return picture.part


def _refuse_unknown(job: TrainingJob, names: set[str]) -> None:
    """A name to exclude that there is not is most likely misspelt, and the picture that was meant would be learnt."""
    unknown = sorted(set(job.exclude) - names)
    if unknown:
        raise TrainingError(f"{job.data}: there is no picture '{unknown[0]}' to exclude. Correct the name or drop it.")
