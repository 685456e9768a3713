"""Which pictures of a set are doubtful as examples of good parts. Proposals for a person, who decides. No torch.

Repeats: a picture whose file is another's, byte for byte, or that shows the same scene again. Two parts on one fixture
look alike too, so how alike is too alike is measured against the set itself, see `same_scenes`.
Blur and exposure: outliers of the set's own focus and brightness, in log terms, by median and MAD.
Likely defects: see `ml.odd_places`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.odd_places import oddness
from ml.picture_facts import LOOK_PX, PictureFacts
from ml.progress import Cancelled, never

DoubtKind = Literal["duplicate", "near_duplicate", "blurred", "dark", "bright", "likely_defect"]

SAME_SCENE = 0.25
"""Of the usual distance to a fifth neighbour. In training pictures of four sets the same scene taken again (noise, 2 %
of gain, JPEG) mostly lies at 0.01 to 0.2, different rendered parts at 0.29 and more; of the pairs found in
magnetic_tile, whose names tell the part, all show one part. What moved by more than a tenth of a look's pixel in
between may not be found. See tests/bench/picture_checks.py."""
_NEIGHBOUR = 5  # copies of one scene rarely come in more than this
_IDENTICAL = 2e-3  # what rounding and another file format leave
_BLOCK = 512

LEAST_TO_COMPARE = 8
"""Good pictures, before one of them can be an outlier."""
FAR_OUT = 3.5  # robust standard deviations, after Iglewicz & Hoaglin 1993
_STEADY = 0.03  # of log brightness and log focus: on a steadier line, a change of a tenth is still none
_BLURRED = 0.75  # of the usual focus; less blur than that harms no model
_ODD = 4.5  # see the figures in `ml.odd_places`
_LEAST_FOR_ODD = 20
ODD_SHARE = 0.05
"""At most so many good pictures are proposed as likely defects: more would be the set's own variety."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """About one picture. `figure`: of repeats the distance as a share of the usual one, of blur and exposure the share
    of the usual focus or brightness, of likely defects the robust standard deviations. `other` is the index of the
    picture that is repeated.
    """

    kind: DoubtKind
    figure: float
    other: int | None = None


def doubts(
    facts: Sequence[PictureFacts], is_good: Sequence[bool], cancelled: Cancelled = never
) -> tuple[tuple[Doubt, ...], ...]:
    """Of each picture, in the order of `facts`. All but `duplicate` is said of good ones only and measured against good
    ones: a bad part may well look like a good one but for its defect.

    Raises CancelledError.
    """
    found: list[list[Doubt]] = [[] for _ in facts]
    first: dict[str, int] = {}
    for index, one in enumerate(facts):
        if first.setdefault(one.sha256, index) != index:
            found[index].append(Doubt("duplicate", 0.0, first[one.sha256]))
    good = [index for index in first.values() if is_good[index]]
    for again, before, distance in same_scenes([facts[index].look for index in good]):
        found[good[again]].append(Doubt("near_duplicate", distance, good[before]))
    for index, doubt in _outliers(facts, good):
        found[index].append(doubt)
    taken = {index for index in good if found[index]}
    for index, doubt in _odd(facts, [index for index in good if index not in taken], cancelled):
        found[index].append(doubt)
    return tuple(tuple(each) for each in found)


def same_scenes(looks: Sequence[NDArray[np.float16]]) -> list[tuple[int, int, float]]:
    """Pictures that show the scene of an earlier one again: (again, the first such, distance as a share of the usual).

    Looks are compared without their slow changes of light and at equal contrast. The usual distance is the median, over
    the set, of that to the fifth neighbour: on a fixture all parts lie near each other, and it shrinks with them.
    """
    count = len(looks)
    if count < 2:
        return []
    rows = _detail(looks)
    neighbour = min(_NEIGHBOUR, count - 1)
    far = np.empty(count, np.float32)
    for start in range(0, count, _BLOCK):
        far[start : start + _BLOCK] = np.partition(_distances(rows, start), neighbour, axis=1)[:, neighbour]
    usual = float(np.median(far))
    # Of two pictures nobody can say how alike different parts are: only the same pixels are a repeat.
    limit = max(SAME_SCENE * usual, _IDENTICAL) if count > 2 else _IDENTICAL
    found = []
    for start in range(0, count, _BLOCK):
        near = _distances(rows, start)
        for row, distances in enumerate(near, start=start):
            earlier = np.flatnonzero(distances[:row] <= limit)
            if earlier.size:
                found.append((row, int(earlier[0]), float(distances[earlier[0]]) / max(usual, _IDENTICAL)))
    return found


def _detail(looks: Sequence[NDArray[np.float16]]) -> NDArray[np.float32]:
    """(pictures, LOOK_PX ** 2), each row of length 1."""
    rows = np.empty((len(looks), LOOK_PX**2), np.float32)
    for index, look in enumerate(looks):
        grey = look.astype(np.float32)
        fine = grey - cv2.GaussianBlur(grey, (0, 0), LOOK_PX / 8)
        rows[index] = (fine - fine.mean()).ravel()
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return rows


def _distances(rows: NDArray[np.float32], start: int) -> NDArray[np.float32]:
    """Of a block of rows to all rows."""
    squared = 2 - 2 * rows[start : start + _BLOCK] @ rows.T
    distances: NDArray[np.float32] = np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
    return distances


def _outliers(facts: Sequence[PictureFacts], good: Sequence[int]) -> list[tuple[int, Doubt]]:
    """Within each bit depth: 10 bits in a 16-bit file are darker than 8 in 8."""
    found: list[tuple[int, Doubt]] = []
    groups: dict[int, list[int]] = defaultdict(list)
    for index in good:
        groups[facts[index].bit_depth].append(index)
    for members in groups.values():
        if len(members) < LEAST_TO_COMPARE:
            continue
        focus, how_sharp = _robust([facts[index].focus for index in members])
        light, how_light = _robust([facts[index].brightness for index in members])
        for place, index in enumerate(members):
            if how_sharp[place] < -FAR_OUT and focus[place] < _BLURRED:
                found.append((index, Doubt("blurred", float(focus[place]))))
            if abs(how_light[place]) > FAR_OUT:
                kind: DoubtKind = "dark" if how_light[place] < 0 else "bright"
                found.append((index, Doubt(kind, float(light[place]))))
    return found


def _robust(values: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each value as a share of the usual one, and its robust standard deviations from it in log terms."""
    logs = np.log(np.maximum(values, 1e-6))
    off = logs - np.median(logs)
    scale = max(1.4826 * float(np.median(np.abs(off))), _STEADY)
    return np.exp(off), off / scale


def _odd(facts: Sequence[PictureFacts], good: Sequence[int], cancelled: Cancelled) -> list[tuple[int, Doubt]]:
    if len(good) < _LEAST_FOR_ODD:
        return []
    scores = oddness([facts[index].look for index in good], cancelled)
    most = max(1, round(ODD_SHARE * len(good)))
    oddest = np.argsort(-scores)[:most]
    return [(good[place], Doubt("likely_defect", float(scores[place]))) for place in oddest if scores[place] > _ODD]
