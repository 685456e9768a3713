"""Works measured in turns: round after round, so that a busy machine slows all of them alike. No torch.

Within a round each has a block of calls. The first is not counted: it finds the caches full of what another one left,
and threads that sleep, which none of them does when it has the machine to itself.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from ml.progress import Progress, silent

CALLS = 3
"""Counted in a row. Longer blocks measure the same and let the machine change between one work and the next."""

Laps = Mapping[str, float]
"""What one call took: seconds by stage."""

Work = Callable[[int], Laps]
"""Done once for the round of this number, it gives what it took."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Of all counted calls, in milliseconds. The least tells what a machine with other work could do."""

    median_ms: float
    p95_ms: float
    least_ms: float

    @classmethod
    def of(cls, seconds: list[float]) -> Self:
        return cls(statistics.median(seconds) * 1e3, float(np.percentile(seconds, 95)) * 1e3, min(seconds) * 1e3)


class Stopwatch:
    """Time since the last lap, added up by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.perf_counter()

    def start(self) -> None:
        """Forget all laps."""
        self.laps = {}
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = self.laps.get(stage, 0.0) + now - self._since
        self._since = now


def timed(stage: str, work: Callable[[int], object]) -> Work:
    """A work of one stage."""

    def once(number: int) -> Laps:
        began = time.perf_counter()
        work(number)
        return {stage: time.perf_counter() - began}

    return once


def in_turns(works: list[Work], rounds: int, calls: int = CALLS, progress: Progress = silent) -> dict[str, Spread]:
    """Every stage of every work, over `rounds` blocks of `calls` each; one more round comes first, uncounted."""
    taken: dict[str, list[float]] = {}
    for number in range(-1, rounds):
        progress("Measuring", number + 1, rounds + 1)
        for stage, seconds in _round(works, max(number, 0), calls):
            if number >= 0:
                taken.setdefault(stage, []).append(seconds)
    progress("Measuring", rounds + 1, rounds + 1)
    return {stage: Spread.of(seconds) for stage, seconds in taken.items()}


def _round(works: list[Work], number: int, calls: int) -> Iterator[tuple[str, float]]:
    for work in works:
        work(number)
        for _ in range(calls):
            yield from work(number).items()
