"""Measures a model on pictures: `benchmark`. torch comes in at the end, for what the inspection is held against."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from ml.artifact import Manifest
from ml.benchmark.stages import ClockedDetector, network_inputs
from ml.benchmark.turns import Spread, Work, in_turns, timed
from ml.comparison.machine import Machine, peak_memory_bytes, this_machine
from ml.detector import Detector
from ml.pictures import Picture, read_picture
from ml.progress import Progress, silent
from ml.quality import measure
from ml.runtime.scores import RuntimeName
from ml.threads import configure, default_threads


class Bench:
    """A loaded model and the pictures that it is measured on: round n takes picture n, then from the first again."""

    def __init__(self, detector: Detector, paths: Sequence[Path]) -> None:
        self.detector = detector
        self._paths = paths
        # One round asks a dozen times for the same.
        self._read = lru_cache(maxsize=1)(read_picture)
        self._made = lru_cache(maxsize=1)(self._inputs_of)

    def path(self, number: int) -> Path:
        return self._paths[number % len(self._paths)]

    def picture(self, number: int) -> Picture:
        """Raises PictureError."""
        return self._read(self.path(number))

    def inputs(self, number: int) -> tuple[NDArray[np.float32], int]:
        """One network input of a picture, and how many it makes."""
        return self._made(self.path(number))

    def _inputs_of(self, path: Path) -> tuple[NDArray[np.float32], int]:
        return network_inputs(self._read(path).pixels, self.detector.manifest.preprocessing)


@dataclass(frozen=True, slots=True)
class BareFigure:
    """A bare work's time per picture: `what` is `forward` or `product`, `library` `torch` or `onnx`."""

    what: str
    library: str
    threads: int
    time: Spread


@dataclass(frozen=True, slots=True)
class Measured:
    """stages: those of `ml.benchmark.stages`, of `own_works` and of further works.

    peak_memory_bytes: of the process after every picture was inspected, before anything else was loaded.
    inputs: of the network per picture, the mean.
    """

    manifest: Manifest
    runtime: str
    title: str
    machine: Machine
    pictures: int
    inputs: float
    repeats: int
    stages: dict[str, Spread]
    bare: tuple[BareFigure, ...]
    peak_memory_bytes: int

    def best(self, what: str) -> BareFigure | None:
        """The quickest of the bare works of a kind."""
        return min((one for one in self.bare if one.what == what), key=lambda one: one.time.median_ms, default=None)

    @property
    def backbone(self) -> BareFigure | None:
        """The bare forward pass in the library and on the threads of the inspection itself."""
        own = ("forward", self.runtime, self.machine.threads)
        return next((one for one in self.bare if (one.what, one.library, one.threads) == own), None)

    @property
    def scoring_ms(self) -> float | None:
        """What the network takes beside its backbone."""
        backbone = self.backbone
        return None if backbone is None else self.stages["network"].median_ms - backbone.time.median_ms

    @property
    def ratio(self) -> float | None:
        """The whole to the better bare forward pass."""
        forward = self.best("forward")
        return None if forward is None else self.stages["whole"].median_ms / forward.time.median_ms

    @property
    def floor_ratio(self) -> float | None:
        """The whole to the better bare forward pass and, for a memory, the better product."""
        forward, product = self.best("forward"), self.best("product")
        if forward is None:
            return None
        floor_ms = forward.time.median_ms + (0.0 if product is None else product.time.median_ms)
        return self.stages["whole"].median_ms / floor_ms


def benchmark(
    model: Path,
    paths: Sequence[Path],
    runtime: RuntimeName = "auto",
    threads: int | None = None,
    repeats: int = 20,
    further: Callable[[Bench], Sequence[Work]] = lambda _: (),
    progress: Progress = silent,
) -> Measured:
    """Measure the inspection of pictures on the processor. threads: None for what is fastest here and now;
    a number holds for what it is compared with, too.

    further: makes works to be measured among the others. Raises LoupeError for a model or a picture that cannot be
    used.
    """
    detector = Detector.load(model, "cpu", runtime, threads or default_threads())
    detector.warm_up(settles_threads=threads is None)
    title, machine = detector.runtime.title, this_machine("cpu", detector.runtime.threads)
    bench = Bench(detector, paths)
    clocked = ClockedDetector(detector)
    inputs = []
    for number, path in enumerate(paths):
        progress(f"Inspecting {path.name}", number, len(paths))
        clocked.inspect(bench.picture(number).pixels)
        inputs.append(bench.inputs(number)[1])
    peak_memory = peak_memory_bytes()
    works = [*own_works(bench, clocked), *further(bench)]
    configure(machine.threads)
    from ml.benchmark.floor import Floor

    tried = {machine.threads} if threads else {1, machine.cores, machine.threads}
    floor = Floor(model, sorted(tried), machine.threads)
    stages = in_turns([*works, *floor.works(bench.inputs)], repeats, progress=progress)
    bare = [BareFigure(one.what, one.library, one.threads, stages.pop(one.stage)) for one in floor.figures]
    return Measured(
        manifest=detector.manifest,
        runtime=detector.runtime.name,
        title=title,
        machine=machine,
        pictures=len(paths),
        inputs=mean(inputs),
        repeats=repeats,
        stages=stages,
        bare=tuple(bare),
        peak_memory_bytes=peak_memory,
    )


def own_works(bench: Bench, clocked: ClockedDetector) -> list[Work]:
    """What is done to a picture, but for storing it."""
    manifest, thumbnail = bench.detector.manifest, bench.detector.reference_thumbnail
    window = manifest.preprocessing.window_low, manifest.preprocessing.window_high
    shrinking = manifest.reference.shrinking
    return [
        timed("decode", lambda number: read_picture(bench.path(number))),
        timed("picture check", lambda number: measure(bench.picture(number).pixels, window, thumbnail, shrinking)),
        lambda number: clocked.inspect(bench.picture(number).pixels),
    ]
