"""One inspection, stage by stage, as the detector does it: what is timed is its own code. No torch."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ml.benchmark.turns import Laps, Stopwatch
from ml.detector import Detector
from ml.images import prepare
from ml.judging import Judgement, judge
from ml.part_finder import all_parts
from ml.part_pictures import cut_out
from ml.pictures import Pixels
from ml.preprocessing import Preprocessing
from ml.runtime.scores import CellScores, Runtime

PREPROCESSING, NETWORK, POSTPROCESSING, WHOLE = "preprocessing", "network", "postprocessing", "whole"


class ClockedRuntime:
    """A runtime that tells a stopwatch when it is asked and when it has answered.

    All that comes before it is asked is preprocessing: of a picture in patches also the joining of the patch before,
    which is little beside cutting out the next.
    """

    def __init__(self, runtime: Runtime, watch: Stopwatch) -> None:
        self._runtime = runtime
        self._watch = watch
        self.name, self.device, self.first_batch = runtime.name, runtime.device, runtime.first_batch

    @property
    def title(self) -> str:
        return self._runtime.title

    @property
    def threads(self) -> int:
        return self._runtime.threads

    def score(self, inputs: NDArray[np.float32]) -> CellScores:
        self._watch.lap(PREPROCESSING)
        scores = self._runtime.score(inputs)
        self._watch.lap(NETWORK)
        return scores

    def release(self) -> None:
        self._runtime.release()

    def settle(self, work: Callable[[], object]) -> None:
        self._runtime.settle(work)


class ClockedDetector:
    """From a picture in memory to its verdict, map and regions."""

    def __init__(self, detector: Detector) -> None:
        """From now on `detector` computes through a stopwatch."""
        self._watch = Stopwatch()
        self._detector = detector
        detector.runtime = ClockedRuntime(detector.runtime, self._watch)

    def inspect(self, pixels: Pixels) -> Laps:
        """The stages, which together are all of it, and `whole`, their sum. Raises LoupeError."""
        self._watch.start()
        self.judged(pixels)
        self._watch.lap(POSTPROCESSING)
        return {**self._watch.laps, WHOLE: sum(self._watch.laps.values())}

    def judged(self, pixels: Pixels) -> Judgement:
        manifest = self._detector.manifest
        return judge(self._detector.score(pixels), manifest.calibration, manifest.rules)


def network_inputs(pixels: Pixels, preprocessing: Preprocessing) -> tuple[NDArray[np.float32], int]:
    """The first network input of a picture, (1, 3, height, width), and how many it makes. Raises PictureError."""
    looks = [pixels]
    if preprocessing.parts is not None:
        looks = [cut_out(pixels, pose, preprocessing.parts) for pose in all_parts(pixels, preprocessing.parts)]
    prepared = [prepare(look, preprocessing.of_part) for look in looks]
    return prepared[0].inputs(0, 1), sum(one.count for one in prepared)
