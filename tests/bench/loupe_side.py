"""The child that runs Loupe: the training that `loupe train` carries out, and the detector of the inspection."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.side_process import Answer, Watch, peak, serve, timed

if TYPE_CHECKING:  # the import of what inspects is timed
    from ml.runtime.scores import RuntimeName


class LoupeSide:
    """Trains, or loads and scores."""

    def __init__(self) -> None:
        self._detector: Any = None
        self._picture: tuple[str, Any] = ("", None)

    def fit(self, job: dict[str, Any], threads: int) -> Answer:
        """A whole training: reading, features, held-out scores and threshold, final fit, the model file."""
        from ml.job import TrainingJob
        from ml.threads import configure
        from ml.training.pipeline import run

        configure(threads)
        order = TrainingJob.model_validate(job)
        watch = Watch()
        manifest = run(order).manifest
        return {**watch.read(), **peak(), "has_graph": manifest.graph is not None, "refused": manifest.graph_refused}

    def load(self, runtime: "RuntimeName", model: str, threads: int) -> Answer:
        began = time.perf_counter()
        from ml.detector import Detector

        imported = time.perf_counter()
        self._detector = Detector.load(Path(model), "cpu", runtime, threads)
        return {"import_s": imported - began, "load_s": time.perf_counter() - imported}

    def score_array(self, picture: str) -> Answer:
        """From the decoded picture, uint8 RGB, to score and map at the picture's size."""
        if self._picture[0] != picture:
            from ml.pictures import read_picture

            self._picture = (picture, read_picture(Path(picture)).pixels)
        return timed(lambda: self._score(self._picture[1]))

    def score_file(self, picture: str) -> Answer:
        from ml.pictures import read_picture

        return timed(lambda: self._score(read_picture(Path(picture)).pixels))

    def _score(self, pixels: Any) -> float:
        detection = self._detector.score(pixels)
        detection.score_map.at_picture_size()
        return float(detection.score)


if __name__ == "__main__":
    side = LoupeSide()
    serve(
        {
            "fit": side.fit,
            "load": side.load,
            "score_array": side.score_array,
            "score_file": side.score_file,
            "peak": peak,
        }
    )
