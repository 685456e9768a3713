"""How good is a model on labelled pictures: runs the detector over an MVTec layout and measures."""

import time
from collections.abc import Callable
from pathlib import Path

from ml.dataset import read_mask, read_mvtec
from ml.detector import Detector
from ml.errors import CalibrationError, CancelledError, DetectorError, PictureError
from ml.metrics import Evaluation, EvaluationReport
from ml.pictures import read_picture
from ml.progress import Cancelled, Progress, never, silent


def evaluate(
    detector: Detector,
    data: Path,
    progress: Progress = silent,
    cancelled: Cancelled = never,
    on_fault: Callable[[Path, str], None] = lambda path, reason: None,
) -> EvaluationReport:
    """Score every test picture of `data` and hold it against its label and mask.

    A picture that cannot be read or scored is a FAULT: counted, in no rate. Latency is decoded pixels to score and map.
    Raises TrainingError when `data` is not an MVTec layout or a mask cannot be used, and CancelledError: figures of a
    part of the pictures would be taken for those of all.
    """
    pictures = read_mvtec(data)
    calibration = detector.manifest.calibration
    evaluation = Evaluation(calibration)
    detector.warm_up(settles_threads=True)
    for index, labelled in enumerate(pictures):
        if cancelled():
            raise CancelledError("Stopped on request; nothing was measured.")
        progress("Scoring", index, len(pictures))
        name = f"{labelled.kind}/{labelled.path.name}" if labelled.kind else labelled.path.name
        try:
            pixels = read_picture(labelled.path).pixels
            began = time.perf_counter()
            detection = detector.score(pixels)
            latency_ms = (time.perf_counter() - began) * 1e3
            evaluation.add(
                name=name,
                truth=labelled.truth,
                kind=labelled.kind,
                score=detection.score,
                anomaly_map=detection.score_map.at_picture_size(),
                mask=read_mask(labelled, pixels.shape),
                latency_ms=latency_ms,
            )
        except (PictureError, CalibrationError, DetectorError) as error:
            on_fault(labelled.path, str(error))
            evaluation.add_fault(name, labelled.truth, labelled.kind)
    progress("Measuring", len(pictures), len(pictures))
    return evaluation.report()
