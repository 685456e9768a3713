"""How good is a model on labelled pictures: runs the detector over an MVTec layout and measures."""

import time
from collections.abc import Callable
from pathlib import Path

from ml.dataset import read_mask, read_mvtec
from ml.detector import Detector
from ml.errors import PictureError
from ml.metrics import Evaluation, EvaluationReport
from ml.pictures import read_picture
from ml.progress import Cancelled, Progress, never, silent

WARM_UP_PICTURES = 3


def evaluate(
    detector: Detector,
    data: Path,
    progress: Progress = silent,
    cancelled: Cancelled = never,
    on_fault: Callable[[Path, str], None] = lambda path, reason: None,
) -> EvaluationReport:
    """Score every test picture of `data` and hold it against its label and mask.

    A picture that cannot be read or scored is a FAULT: counted, in no rate. Latency is decoded pixels to score and map.
    Raises TrainingError when `data` is not an MVTec layout.
    """
    pictures = read_mvtec(data)
    calibration = detector.manifest.calibration
    evaluation = Evaluation(calibration)
    for _ in range(WARM_UP_PICTURES):
        detector.warm_up()
    for index, labelled in enumerate(pictures):
        if cancelled():
            break
        progress("Scoring", index, len(pictures))
        try:
            pixels = read_picture(labelled.path).pixels
            began = time.perf_counter()
            detection = detector.score(pixels)
            latency_ms = (time.perf_counter() - began) * 1e3
            mask = read_mask(labelled, pixels.shape[:2])
        except PictureError as error:
            on_fault(labelled.path, str(error))
            evaluation.add_fault(labelled.path.name, labelled.truth, labelled.kind)
            continue
        evaluation.add(
            name=labelled.path.name,
            truth=labelled.truth,
            kind=labelled.kind,
            score=detection.score,
            anomaly_map=detection.score_map.at_picture_size(),
            mask=mask,
            latency_ms=latency_ms,
        )
    progress("Measuring", len(pictures), len(pictures))
    return evaluation.report()
