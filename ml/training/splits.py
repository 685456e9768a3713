"""Which parts a model learns from and which are held out. Always by part: pictures of one part resemble each other."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ml.calibration import MIN_PARTS, assign_groups
from ml.job import TrainingJob
from ml.training.survey import Survey

CALIBRATION_SHARE = 0.2
CALIBRATION_PARTS = 10
"""So many parts are held out to find the threshold, but no more than a third where good parts are few."""
VALIDATION_SHARE = 0.1
MIN_PARTS_TO_SPLIT = 6
"""With fewer, three to calibrate with would leave too little to learn from: they are held out in turn instead."""


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of pictures, ascending: learnt from, used to choose an epoch or scale maps, used for the threshold."""

    learnt: tuple[int, ...]
    validation: tuple[int, ...]
    calibration: tuple[int, ...]


def parts_of(survey: Survey, group_by: str | None) -> list[str]:
    """The part of each picture as listed, else by its name, and see `distinct_parts`.

    A generated picture shows the part of the picture that it was made from; one whose source is not among the others
    shows a part of its own. Raises ParameterError, see `assign_groups`.
    """
    captured = survey.captured
    names = [survey.names[index] for index in captured]
    by_name = assign_groups([name for name in names if name not in survey.listed_parts], group_by)
    rest = iter(by_name)
    named = [survey.listed_parts[name] if name in survey.listed_parts else next(rest) for name in names]
    keys = [survey.key(index) for index in captured]
    of_picture = dict(zip(keys, distinct_parts(named, keys), strict=True))
    sources = {index: mark.source_sha256 or "" for index, mark in survey.marks.items()}
    return [
        of_picture.get(sources.get(index, survey.key(index)), f"generated: {name}")
        for index, name in enumerate(survey.names)
    ]


def distinct_parts(groups: Sequence[str], hashes: Sequence[str]) -> list[str]:
    """The part of each picture: its group, where groups that share a picture, byte for byte, are one.

    A copy under another name must not be held out while the model is fitted on its double: its score would be 0.
    """
    joined = {group: group for group in groups}

    def first_of(group: str) -> str:
        while joined[group] != group:
            group = joined[group]
        return group

    seen: dict[str, str] = {}
    for group, picture in zip(groups, hashes, strict=True):
        joined[first_of(group)] = first_of(seen.setdefault(picture, group))
    return [first_of(group) for group in groups]


def must_hold_out(job: TrainingJob) -> bool:
    """Whether parts are held out once for all, whatever the method: what the job makes of good parts beside the model
    (generated pictures, a map filter) must come from parts that the threshold does not come from.
    """
    return job.augment is not None or job.conv_processing is not None


def can_split(parts: Sequence[str]) -> bool:
    """Whether a network that is trained once can be calibrated on parts of its own."""
    return len(set(parts)) >= MIN_PARTS_TO_SPLIT


def hold_out_share(parts: Sequence[str], indices: Sequence[int], seed: int) -> tuple[list[int], list[int]]:
    """Of these pictures, those to learn from and, for methods that choose a state by them, those not to: a share of
    the parts, at least one, none of fewer than MIN_PARTS.
    """
    names = list(dict.fromkeys(parts[index] for index in indices))
    count = max(1, round(VALIDATION_SHARE * len(names))) if len(names) >= MIN_PARTS else 0
    shown = {names[place] for place in np.random.default_rng(seed).permutation(len(names))[:count]}
    return (
        [index for index in indices if parts[index] not in shown],
        [index for index in indices if parts[index] in shown],
    )


def hold_out(parts: Sequence[str], seed: int, generated: Collection[int] = ()) -> Split:
    """Deal parts, in an order that the seed decides, to calibration, validation and learning.

    Generated pictures are learnt from or, where their part is held out, left out: they are never held out themselves.
    Call only where the parts of the others can be split.
    """
    names = list(dict.fromkeys(part for index, part in enumerate(parts) if index not in generated))
    count = len(names)
    calibration = max(MIN_PARTS, min(CALIBRATION_PARTS, count // 3), round(CALIBRATION_SHARE * count))
    validation = max(1, round(VALIDATION_SHARE * count))
    order = [names[index] for index in np.random.default_rng(seed).permutation(count)]
    role = {
        name: 0 if place < calibration else 1 if place < calibration + validation else 2
        for place, name in enumerate(order)
    }
    held, shown, learnt = (
        tuple(
            index
            for index, part in enumerate(parts)
            if role.get(part, 2) == wanted and (wanted == 2 or index not in generated)
        )
        for wanted in range(3)
    )
    return Split(learnt=learnt, validation=shown, calibration=held)
