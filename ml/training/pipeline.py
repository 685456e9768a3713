"""A training job, carried out: what `loupe train` and the Training page both do."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from pydantic import BaseModel

from ml import methods
from ml.artifact import DataFingerprint, Manifest, write_model
from ml.calibration import MIN_PARTS, Calibration, assign_groups
from ml.catalogue import method as method_info
from ml.catalogue import parse_settings
from ml.detector import REFERENCE_THUMBNAIL, best_device, is_out_of_memory
from ml.errors import PictureError, TrainingError
from ml.images import prepare
from ml.job import TrainingJob
from ml.methods.base import Method
from ml.methods.trained import TrainedMethod
from ml.pictures import decode_picture, list_pictures, read_picture_bytes
from ml.progress import Cancelled, Progress, never, silent
from ml.training.embedded import Chosen, EmbeddedPictures, InputPictures
from ml.training.geometry import fitted_input_size, fixed_input_size, geometry_of, preprocessing_of
from ml.training.held_out import FOLDS, fit_and_fold, fit_and_hold_out, fit_and_perturb, staged
from ml.training.plan import PROBED_PICTURES, Plan, make_plan
from ml.training.splits import Split, can_split, distinct_parts, hold_out
from ml.training.survey import Survey, check_cancelled, survey_pictures, too_few


@dataclass(frozen=True, slots=True)
class TrainingResult:
    path: Path
    manifest: Manifest
    survey: Survey
    plan: Plan
    seconds: float


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A job with all that is known before the work begins. `split`: None where the parts are too few for one."""

    method: Method
    survey: Survey
    parts: list[str]
    split: Split | None
    plan: Plan
    device: str


def run(
    job: TrainingJob,
    progress: Progress = silent,
    cancelled: Cancelled = never,
    on_survey: Callable[[Survey], None] | None = None,
    on_plan: Callable[[Plan], None] | None = None,
) -> TrainingResult:
    """Train, calibrate and write `job.out`. Nothing is written unless all of it succeeds.

    `on_plan` hears what is going to be done and how long it will take about, before it begins.
    Raises TrainingError, PictureError, ParameterError, WeightsError, CalibrationError or ModelFileError, each with
    a text for the user, and CancelledError when `cancelled` said so.
    """
    try:
        return _run(job, progress, cancelled, on_survey, on_plan)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            "Not enough memory to train with these settings. Close other programs, or choose the preset 'fast', a "
            "smaller size or patch, or fewer pictures."
        ) from error


def estimate(job: TrainingJob, progress: Progress = silent, cancelled: Cancelled = never) -> tuple[Survey, Plan]:
    """What `run` would do with this job and how long it would take about; raises what it would raise up to there."""
    prepared = _prepare(job, progress, cancelled, None)
    return prepared.survey, prepared.plan


def _run(
    job: TrainingJob,
    progress: Progress,
    cancelled: Cancelled,
    on_survey: Callable[[Survey], None] | None,
    on_plan: Callable[[Plan], None] | None,
) -> TrainingResult:
    began = time.monotonic()
    _refuse_unwritable(job.out)
    prepared = _prepare(job, progress, cancelled, on_survey)
    if on_plan is not None:
        on_plan(prepared.plan)
    method, survey, device = prepared.method, prepared.survey, prepared.device
    preprocessing = preprocessing_of(job, method, survey)
    if method.learns_embedding:
        inputs = InputPictures(survey, preprocessing, cancelled)
        learnt = range(len(inputs)) if prepared.split is None else prepared.split.learnt
        method.learn_embedding(Chosen(inputs, learnt), job.seed, staged(progress, "Learning the features"), cancelled)
    pictures = EmbeddedPictures(survey, preprocessing, method, device, job.seed, cancelled)
    for index in range(len(pictures)):
        progress("Computing features", index, len(pictures))
        pictures.load(index)
    progress("Computing features", len(pictures), len(pictures))
    reference, thumbnail = pictures.reference()
    defects = _learn_from_defects(job, method, pictures)
    calibration = _fit(job, prepared, pictures, progress, cancelled)
    check_cancelled(cancelled)
    manifest = write_model(
        job.out,
        name=job.model_name,
        method=job.method,
        parameters=method.parameters.model_dump(mode="json"),
        preprocessing=preprocessing,
        calibration=calibration,
        backbone=getattr(method.parameters, "backbone", None),
        reference=reference,
        data=DataFingerprint(
            files=tuple(zip(survey.names, survey.hashes, strict=True)),
            skipped=tuple(item.file for item in survey.skipped),
            defects=defects,
        ),
        seed=job.seed,
        notes=job.notes,
        tensors={**method.tensors(), REFERENCE_THUMBNAIL: thumbnail},
        thumbnail=pictures.display_thumbnail(),
    )
    return TrainingResult(job.out, manifest, survey, prepared.plan, time.monotonic() - began)


def _prepare(
    job: TrainingJob, progress: Progress, cancelled: Cancelled, on_survey: Callable[[Survey], None] | None
) -> _Prepared:
    info = method_info(job.method)
    size, parameters = resolved(job)
    fixed = fixed_input_size(job, info, size)
    # Built before the pictures are read where it can be: a wrong size or missing weights show at once.
    early = None if fixed is None else _build(job, parameters, fixed)
    survey = survey_pictures(job, progress, cancelled)
    if on_survey is not None:
        on_survey(survey)
    input_size = fixed or fitted_input_size(job, info, size, survey)
    method = early or _build(job, parameters, input_size)
    parts = distinct_parts(assign_groups(survey.names, job.group_by), survey.hashes)
    different = len(set(parts))
    if method.needs_defects and job.defects is None:
        raise TrainingError(
            f"{info.title} with these settings learns from pictures of defective parts. Name a folder of them "
            "(--defects), which are then no longer fit to evaluate the model with, or change the settings."
        )
    _defect_paths(job)  # a wrong folder shows now and not after the features
    if job.defects is not None and not method.needs_defects:
        raise TrainingError(
            f"{info.title} with these settings learns from good parts alone. Leave the folder of defects out."
        )
    if len(parts) < method.min_parts:
        raise TrainingError(too_few(job, len(parts), method.min_parts, survey.skipped))
    if different < method.min_parts:
        raise TrainingError(
            f"{job.data}: the {len(parts)} pictures show {different} different good part(s); at least "
            f"{method.min_parts} are needed, 30 or more are better. (Identical files show one part.)"
        )
    progress("Measuring this machine", 0, 1)
    device = best_device()
    preprocessing = preprocessing_of(job, method, survey)
    blank = torch.zeros(survey.height_px, survey.width_px, dtype=torch.uint8).numpy()
    fits = min(FOLDS, different) + 1 if _held_out_in_turn(method, parts) else 1
    inputs = InputPictures(survey, preprocessing, cancelled)
    plan = make_plan(
        info,
        parameters,
        lambda complete: _build(job, complete, input_size),
        samples=[inputs[index][:1] for index in range(min(PROBED_PICTURES, len(inputs)))],
        pictures=len(survey.names),
        inputs_per_picture=prepare(blank, preprocessing).count,
        minutes=info.presets[job.preset].minutes,
        fits=fits,
        device=device,
    )
    progress("Measuring this machine", 1, 1)
    if isinstance(method, TrainedMethod):
        method = _build(job, plan.parameters, input_size)
    split = hold_out(parts, job.seed) if can_split(parts) else None
    return _Prepared(method.to(torch.device(device)), survey, parts, split, plan, device)


def _fit(
    job: TrainingJob, prepared: _Prepared, pictures: EmbeddedPictures, progress: Progress, cancelled: Cancelled
) -> Calibration:
    method, parts = prepared.method, prepared.parts
    if _held_out_in_turn(method, parts):
        return fit_and_fold(job, method, pictures, parts, progress, cancelled)
    if prepared.split is not None:
        return fit_and_hold_out(job, method, pictures, parts, prepared.split, progress, cancelled)
    return fit_and_perturb(job, method, pictures, prepared.survey, progress, cancelled)


def _held_out_in_turn(method: Method, parts: Sequence[str]) -> bool:
    """Whether the method is fitted several times; not where its features are learnt, which happens only once: no part
    would be new to them.
    """
    is_whole = method.held_out == "hold-out" and can_split(parts)
    return len(set(parts)) >= MIN_PARTS and not is_whole and not method.learns_embedding


def _learn_from_defects(job: TrainingJob, method: Method, pictures: EmbeddedPictures) -> tuple[tuple[str, str], ...]:
    """Give the method the job's pictures of defective parts, embedded like the good ones; their names and hashes."""
    try:
        read = {path.name: read_picture_bytes(path) for path in _defect_paths(job)}
        method.labelled_defects = [pictures.embed(decode_picture(data, name).pixels) for name, data in read.items()]
    except PictureError as error:
        raise TrainingError(f"A picture of a defective part cannot be used: {error}") from error
    return tuple((name, sha256(data).hexdigest()) for name, data in read.items())


def _defect_paths(job: TrainingJob) -> list[Path]:
    """The job's pictures of defective parts. Raises TrainingError where a folder is named that holds none."""
    if job.defects is None:
        return []
    try:
        paths = list_pictures(job.defects)
    except PictureError as error:
        raise TrainingError(f"No pictures of defective parts: {error}") from error
    if not paths:
        raise TrainingError(f"{job.defects}: no pictures of defective parts. Choose another folder or leave it out.")
    return paths


def resolved(job: TrainingJob) -> tuple[int, BaseModel]:
    """Side of the input in px and the method's parameters: the preset's, overruled by what the job says itself."""
    preset = method_info(job.method).presets[job.preset]
    parameters = parse_settings(job.method, {**preset.settings, **job.parameters})
    return job.size or preset.size_px, parameters


def _build(job: TrainingJob, parameters: BaseModel, input_size: tuple[int, int]) -> Method:
    return methods.create(job.method, parameters, geometry_of(job), input_size, weights=job.weights)


def _refuse_unwritable(out: Path) -> None:
    """Say so before the work, not after it."""
    if out.is_dir():
        raise TrainingError(f"{out}: is a folder; give the name of the model file to write.")
    if not out.parent.is_dir():
        raise TrainingError(f"{out.parent}: no such folder; make it first or choose another place for the model.")
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise TrainingError(
            f"{out.parent}: no file can be written here ({error.strerror}); choose another place for the model."
        ) from error
