"""Scores of good pictures that the model has not seen, and the calibration that follows from them."""

from collections.abc import Callable, Sequence

from ml.calibration import Calibration, Source, calibrate, ensure_disjoint, folds
from ml.errors import TrainingError
from ml.job import TrainingJob
from ml.maps import Detection
from ml.methods.base import Method
from ml.progress import Cancelled, Progress
from ml.training.embedded import Chosen, EmbeddedPictures
from ml.training.perturbations import perturbed
from ml.training.splits import Split
from ml.training.survey import Survey, check_cancelled

Measured = tuple[float, float]
"""A picture's score and its map's maximum."""

FOLDS = 5
PERTURBED_COPIES = 40
"""In all, shared by the pictures: more would only repeat what the same pictures can show."""


def fit_and_fold(
    job: TrainingJob,
    method: Method,
    pictures: EmbeddedPictures,
    parts: Sequence[str],
    progress: Progress,
    cancelled: Cancelled,
) -> Calibration:
    """Score every picture with a model fitted without its part, then fit on all.

    Generated pictures are never scored, nor learnt from while the part that they were made from is held out.
    """
    captured = pictures.captured
    own_parts = [parts[index] for index in captured]
    held_out = [[captured[place] for place in fold] for fold in folds(own_parts, FOLDS, job.seed)]
    scores: dict[int, Measured] = {}
    for number, fold in enumerate(held_out, start=1):
        stage = f"Calibrating, round {number} of {len(held_out)}"
        unseen = {parts[index] for index in fold}
        fitted_on = [index for index, part in enumerate(parts) if part not in unseen]
        ensure_disjoint([parts[index] for index in fitted_on], [parts[index] for index in fold])
        method.fit_for_scores(Chosen(pictures, fitted_on), job.seed, staged(progress, stage), cancelled)
        for index in fold:
            check_cancelled(cancelled)
            scores[index] = measured(pictures.detect(index), method, pictures.name(index))
    source: Source = "leave-one-out" if len(held_out) == len(set(own_parts)) else "5-fold"
    calibration = _calibrated(job, [scores[index] for index in captured], own_parts, source)
    method.fit(pictures, job.seed, staged(progress, "Building the model"), cancelled)
    return calibration


def fit_and_hold_out(
    job: TrainingJob,
    method: Method,
    pictures: EmbeddedPictures,
    parts: Sequence[str],
    split: Split,
    once_fitted: Callable[[], None],
    progress: Progress,
    cancelled: Cancelled,
) -> Calibration:
    """Fit once; score the parts that were held out. `once_fitted` is called in between, and may change how."""
    learnt, validation = Chosen(pictures, split.learnt), Chosen(pictures, split.validation)
    held = split.calibration
    ensure_disjoint([parts[index] for index in (*split.learnt, *split.validation)], [parts[index] for index in held])
    method.fit(learnt, job.seed, staged(progress, "Building the model"), cancelled, validation)
    once_fitted()
    scores = []
    for done, index in enumerate(held):
        check_cancelled(cancelled)
        progress("Calibrating", done, len(held))
        scores.append(measured(pictures.detect(index), method, pictures.name(index)))
    return _calibrated(job, scores, [parts[index] for index in held], "hold-out")


def fit_and_perturb(
    job: TrainingJob,
    method: Method,
    pictures: EmbeddedPictures,
    survey: Survey,
    progress: Progress,
    cancelled: Cancelled,
) -> Calibration:
    """Fit on all; with too few parts to hold any out, score slightly changed copies of the pictures themselves.

    What good parts differ in beyond that is not known then: the calibration says so by its source.
    """
    method.fit(pictures, job.seed, staged(progress, "Building the model"), cancelled)
    copies = -(-PERTURBED_COPIES // len(pictures.captured))
    scores: list[Measured] = []
    for index in pictures.captured:
        for copy in perturbed(survey.read(index).pixels, copies, job.seed + index):
            check_cancelled(cancelled)
            progress("Calibrating", len(scores), copies * len(pictures.captured))
            scores.append(measured(pictures.detect_pixels(copy), method, f"A copy of {pictures.name(index)}"))
    return _calibrated(job, scores, [str(number) for number in range(len(scores))], "perturbations")


def measured(detection: Detection, method: Method, name: str) -> Measured:
    """What the threshold needs of a detection; the map itself is not kept.

    Raises TrainingError for a good part that the method could not compare.
    """
    if detection.score >= method.failed_score:
        raise TrainingError(
            f"{name} could not be brought to lie upon the others, so it cannot help to find the threshold. Exclude it "
            "if the part lies differently there, or choose a method that needs no fixed place, such as patchcore."
        )
    return detection.score, detection.score_map.maximum


def _calibrated(job: TrainingJob, scores: Sequence[Measured], parts: Sequence[str], source: Source) -> Calibration:
    """By the job's false-alarm rate and band, from one measurement and part per picture."""
    pictures, maxima = zip(*scores, strict=True)
    return calibrate(pictures, maxima, parts, alpha=job.alpha, source=source, band_factor=job.unsure_factor)


def staged(progress: Progress, stage: str) -> Progress:
    """Each step of a method as a stage of its own: steps differ in length, and time left is told by stage."""
    return lambda step, done, total: progress(f"{stage}: {step[:1].lower()}{step[1:]}", done, total)
