"""Work that is recorded once per shape of its inputs and replayed from then on, where that is possible and right."""

import logging
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ml.errors import LoupeError
from ml.methods.base import Scored

log = logging.getLogger(__name__)

Work = Callable[[Tensor], Scored]

MOST_SHAPES = 4
"""Recordings kept: the full batch, the last one of a picture, and the same for pictures of another size."""

LARGEST_DIFFERENCE = 0.01
"""Of the highest score: a recording whose replay differs more is not used. Another choice of kernels in half precision
differs by a thousandth; what was recorded wrongly has nothing in common with the scores.
"""


class NotReplayableError(LoupeError):
    """Work that cannot be recorded, and why."""


class Recorder(Protocol):
    def record(self, work: Work, inputs: Tensor) -> Work:
        """`work` for other inputs of the same shape, as one launch. What it gives belongs to the caller.

        Raises NotReplayableError.
        """
        ...


class Replayed:
    """`work`, recorded when a shape comes for the second time; the first time warms it up.

    A recording is held against the work itself before it is used. Where it cannot be made or differs, the work is
    computed launch by launch for good.
    """

    def __init__(self, work: Work, name: str, recorder: Callable[[], Recorder]) -> None:
        """`name`: for the log. `recorder`: makes a new one, with memory of its own."""
        self._work = work
        self._name = name
        self._new_recorder = recorder
        self._recorder = recorder()
        self._seen: set[tuple[int, ...]] = set()
        self._recorded: dict[tuple[int, ...], Work] = {}
        self._records = True

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Those that are replayed."""
        return tuple(self._recorded)

    def __call__(self, inputs: Tensor) -> Scored:
        shape = tuple(inputs.shape)
        if shape in self._recorded:
            return self._recorded[shape](inputs)
        scored = self._work(inputs)
        if self._records and shape in self._seen and len(self._recorded) < MOST_SHAPES:
            self._record(shape, inputs, scored)
        self._seen.add(shape)
        return scored

    def forget(self) -> None:
        """What was recorded is no longer the work, which has changed."""
        self._recorded.clear()
        if self._records:
            self._recorder = self._new_recorder()

    def give_up(self) -> None:
        """Give back the memory of all recordings, and make no further ones."""
        self._recorded.clear()
        self._records = False

    def _record(self, shape: tuple[int, ...], inputs: Tensor, expected: Scored) -> None:
        try:
            recording = self._recorder.record(self._work, inputs)
            if not _agree(recording(inputs), expected):
                raise NotReplayableError("replayed, it gives other scores")
        except NotReplayableError as reason:
            log.info("%s is computed launch by launch, not as a CUDA graph: %s", self._name, reason)
            self.give_up()
        else:
            self._recorded[shape] = recording


def _agree(found: Scored, expected: Scored) -> bool:
    pairs = [(found.cells, expected.cells)]
    if found.scores is not None and expected.scores is not None:
        pairs.append((found.scores, expected.scores))
    worst = [((one - other).abs().max(), other.abs().max()) for one, other in pairs]
    return all(bool(torch.le(difference, LARGEST_DIFFERENCE * highest)) for difference, highest in worst)
