"""Where the part lies in each training picture, for jobs that look at a ring around a circle on it; which parts lie on
each picture, for jobs that find several by a template.
"""

from collections.abc import Sequence
from dataclasses import replace

from ml.circle_search import Circle, striking_circles, usual_range
from ml.errors import PartNotFoundError, TrainingError
from ml.images import prepare
from ml.job import TrainingJob
from ml.part_finder import all_parts
from ml.part_pictures import Pose
from ml.part_search import PartSearch
from ml.preprocessing import Preprocessing, RingSearch
from ml.progress import Cancelled, Progress
from ml.training.geometry import window_of
from ml.training.survey import Skipped, Survey, check_cancelled

MEASURED_PICTURES = 25
"""Of so many pictures, spread evenly over all, the radius is measured where the job does not tell it."""

MOST_LEFT_OUT = 0.2
"""Where the part is not found in more of the pictures than this, it is the search that is wrong."""


def find_parts(job: TrainingJob, survey: Survey, progress: Progress, cancelled: Cancelled) -> Survey:
    """The survey with what the job's search for a ring or for parts found; pictures without are listed as left out.

    Raises TrainingError where the radius cannot be measured, or the part is missing from too many pictures.
    """
    if job.parts is not None:
        return _each_part(job, survey, job.parts, progress, cancelled)
    if job.ring is None:
        return survey
    ring = job.ring
    if ring.radius_px is None:
        measured = _measured_range(job, survey, ring, progress, cancelled)
        ring = ring.model_copy(update={"radius_px": measured})
    searching = _looking(job, survey, ring).model_copy(update={"area": job.area})
    circles: dict[str, Circle] = {}
    left_out: dict[int, Skipped] = {}
    for index, name in enumerate(survey.names):
        check_cancelled(cancelled)
        progress("Finding the part", index, len(survey.names))
        try:
            circle = prepare(survey.read(index).pixels, searching).circle
        except PartNotFoundError as error:
            left_out[index] = Skipped(name, f"{survey.path(index)}: {error}")
        else:
            if circle is not None:
                circles[survey.hashes[index]] = circle
    progress("Finding the part", len(survey.names), len(survey.names))
    if len(left_out) > MOST_LEFT_OUT * len(survey.names):
        raise TrainingError(
            f"{job.data}: the part is not found in {len(left_out)} of {len(survey.names)} pictures. "
            f"{next(iter(left_out.values())).reason} If the pictures are as they should be, tell the circle's radius "
            "and the ring's ends: the field ring of a job file (loupe train --job), see docs/round-parts.md."
        )
    return replace(survey.without(left_out), ring=ring, circles=circles)


def _each_part(
    job: TrainingJob, survey: Survey, search: PartSearch, progress: Progress, cancelled: Cancelled
) -> Survey:
    """The survey in which each part is a picture of its own."""
    # What was made of a picture with several parts does not tell of which of them a part on it was made.
    reason = "is generated, and generated pictures are not searched for parts."
    survey = survey.without({index: Skipped(survey.names[index], reason) for index in survey.marks})
    found: list[tuple[Pose, ...]] = []
    left_out: dict[int, Skipped] = {}
    for index, name in enumerate(survey.names):
        check_cancelled(cancelled)
        progress("Finding the parts", index, len(survey.names))
        try:
            found.append(all_parts(survey.read(index).pixels, search))
        except PartNotFoundError as error:
            left_out[index] = Skipped(name, f"{name}: {error}")
    progress("Finding the parts", len(survey.names), len(survey.names))
    if len(left_out) > MOST_LEFT_OUT * len(survey.names):
        raise TrainingError(
            f"{job.data}: parts are missing in {len(left_out)} of {len(survey.names)} pictures. "
            f"{next(iter(left_out.values())).reason} If the pictures are as they should be, draw the template again, "
            "or lower the likeness that makes a part, or the number of parts."
        )
    return _in_parts(survey.without(left_out), found, search)


def _in_parts(survey: Survey, found: Sequence[tuple[Pose, ...]], search: PartSearch) -> Survey:
    """`found`: the poses of the parts on each picture of the survey."""
    numbered = [
        (index, f"{name}#{number + 1}", poses[number])
        for index, (name, poses) in enumerate(zip(survey.names, found, strict=True))
        for number in range(len(poses))
    ]
    listed = {name: survey.listed_parts.get(survey.names[index]) for index, name, _ in numbered}
    return replace(
        survey,
        names=tuple(name for _, name, _ in numbered),
        hashes=tuple(survey.hashes[index] for index, _, _ in numbered),
        elsewhere={name: survey.path(index) for index, name, _ in numbered},
        listed_parts={name: part for name, part in listed.items() if part is not None},
        parts=search,
        poses={name: pose for _, name, pose in numbered},
    )


def _measured_range(
    job: TrainingJob, survey: Survey, ring: RingSearch, progress: Progress, cancelled: Cancelled
) -> tuple[float, float]:
    """Lowest and highest radius of the most striking circle that most of the pictures share."""
    whole, window = _looking(job, survey, None), window_of(job, survey)
    chosen = range(0, len(survey.names), -(-len(survey.names) // MEASURED_PICTURES))
    circles = []
    for done, index in enumerate(chosen):
        check_cancelled(cancelled)
        progress("Measuring the part", done, len(chosen))
        circles.append(striking_circles(prepare(survey.read(index).pixels, whole).seen, ring, window))
    progress("Measuring the part", len(chosen), len(chosen))
    found = usual_range(circles)
    if found is None:
        raise TrainingError(
            f"{job.data}: no circle is found that most of the {len(chosen)} pictures looked at have in common. "
            "Tell its radius in pixels (the field ring of a job file, see docs/round-parts.md), or leave the ring out."
        )
    return found


def _looking(job: TrainingJob, survey: Survey, ring: RingSearch | None) -> Preprocessing:
    """The job's preprocessing as far as it decides what of a picture is looked at; no input is made of it."""
    low, high = window_of(job, survey)
    return Preprocessing(
        geometry="whole",
        input_height=32,
        input_width=32,
        window_low=low,
        window_high=high,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        region=None if job.region is None else job.region.box,
        clahe=job.clahe,
        ring=ring,
    )
