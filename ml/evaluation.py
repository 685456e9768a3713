"""How good is a model on labelled pictures: runs the detector over an MVTec layout and measures."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.calibration import Calibration
from ml.dataset import LabelledPicture, read_mask, read_tests
from ml.detector import Detector
from ml.errors import CalibrationError, CancelledError, DetectorError, PictureError
from ml.judging import Judgement, judge
from ml.maps import Detection
from ml.metrics import Evaluation, EvaluationReport
from ml.picture_list import read_listed
from ml.pictures import Pixels, decode_picture
from ml.progress import Cancelled, Progress, never, silent
from ml.region_rules import RegionRules
from ml.unseen import refuse_learnt


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPicture:
    """One judged test picture: what it shows, the raw score and map, and where the defect truly is.

    `name` is the one of reports (`KIND/FILE`, or `FILE` of a good picture). `pixels` are as read, read-only; `mask` is
    bool at their size, None for a good picture and where there is none. `judgement` comes of holding score and map
    against `calibration` and the model's region rules.
    """

    labelled: LabelledPicture
    name: str
    pixels: Pixels
    detection: Detection
    mask: NDArray[np.bool_] | None
    calibration: Calibration
    judgement: Judgement


def evaluate(
    detector: Detector,
    data: Path,
    progress: Progress = silent,
    cancelled: Cancelled = never,
    on_fault: Callable[[Path, str], None] = lambda path, reason: None,
    on_picture: Callable[[ScoredPicture], None] = lambda picture: None,
) -> EvaluationReport:
    """Score every test picture of `data` and hold it against its label and mask.

    A picture that cannot be read or scored is a FAULT: counted, in no rate. Latency is decoded pixels to score and map.
    `on_picture` receives every judged picture in turn; keep of it what you need, pictures are large.
    `data` is an MVTec layout or a list of pictures. Raises TrainingError when it is neither, when a mask cannot be used
    and when the model learnt from one of the test pictures, and CancelledError: figures of some pictures would be taken
    for those of all.
    """
    pictures = read_tests(data)  # what is plainly wrong is told before the warm-up
    refuse_learnt(pictures, detector.manifest.data)
    detector.warm_up(settles_threads=True)
    calibration = detector.manifest.calibration
    return measure_pictures(
        lambda labelled: detector.score,
        calibration,
        detector.manifest.rules,
        data,
        progress,
        cancelled,
        on_fault,
        on_picture,
    )


def measure_pictures(
    prepared: Callable[[LabelledPicture], Callable[[Pixels], Detection]],
    calibration: Calibration,
    rules: RegionRules | None,
    data: Path,
    progress: Progress,
    cancelled: Cancelled,
    on_fault: Callable[[Path, str], None],
    on_picture: Callable[[ScoredPicture], None],
) -> EvaluationReport:
    """`evaluate` for whatever scores: `prepared` gives for each picture what scores it, and is not part of the latency.

    `prepared` and what it gives may raise PictureError, CalibrationError and DetectorError, which make a FAULT.
    """
    pictures = read_tests(data)
    evaluation = Evaluation(calibration)
    for index, labelled in enumerate(pictures):
        if cancelled():
            raise CancelledError("Stopped on request; nothing was measured.")
        progress("Scoring", index, len(pictures))
        name = labelled.title
        try:
            data_read = read_listed(labelled.path, labelled.sha256)
            pixels = decode_picture(data_read, str(labelled.path)).pixels
            score = prepared(labelled)
            began = time.perf_counter()
            detection = score(pixels)
            latency_ms = (time.perf_counter() - began) * 1e3
            judgement = judge(detection, calibration, rules)
            mask = read_mask(labelled, pixels.shape)
            evaluation.add(
                name=name,
                truth=labelled.truth,
                kind=labelled.kind,
                score=detection.score,
                anomaly_map=detection.score_map.at_picture_size(),
                mask=mask,
                latency_ms=latency_ms,
                verdict=judgement.verdict,
            )
        except (PictureError, CalibrationError, DetectorError) as error:
            on_fault(labelled.path, str(error))
            evaluation.add_fault(name, labelled.truth, labelled.kind)
        else:
            on_picture(ScoredPicture(labelled, name, pixels, detection, mask, calibration, judgement))
    progress("Measuring", len(pictures), len(pictures))
    return evaluation.report()
