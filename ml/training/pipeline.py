"""A training job, carried out: what `loupe train` and the Training page both do."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from pydantic import BaseModel

from ml import methods
from ml.artifact import DataFingerprint, Manifest, write_model
from ml.calibration import MIN_PARTS, Calibration
from ml.catalogue import method as method_info
from ml.catalogue import parse_settings
from ml.dataset import LabelledPicture
from ml.detector import REFERENCE_THUMBNAIL
from ml.errors import TrainingError
from ml.job import TrainingJob
from ml.map_filter import MAP_FILTER, Kernel
from ml.methods.base import Method
from ml.methods.trained import TrainedMethod
from ml.progress import Cancelled, Progress, never, silent
from ml.runtime.devices import best_device
from ml.runtime.torch_runtime import is_out_of_memory
from ml.training import fine_tuning
from ml.training.augmentation import augmented, check_augmentation, check_sources, described, generating_seconds
from ml.training.checkpoint import Checkpoint, Order, read_order, refuse_another
from ml.training.embedded import Chosen, EmbeddedPictures, InputPictures, inputs_per_picture
from ml.training.geometry import fitted_input_size, fixed_input_size, geometry_of, margin_of, preprocessing_of
from ml.training.graph import graph_of
from ml.training.held_out import FOLDS, fit_and_fold, fit_and_hold_out, fit_and_perturb, staged
from ml.training.labels import defects_for_filter, defects_hashed, defects_of, teach
from ml.training.loop import Watch
from ml.training.map_filtering import learn_map_filter
from ml.training.monitor import Monitor
from ml.training.order import data_hash, generated_hash, machine, order_of, ordered
from ml.training.part_search import find_parts
from ml.training.plan import PROBED_PICTURES, Plan, make_plan
from ml.training.set_aside import FileHash, hashed_tests
from ml.training.splits import MIN_PARTS_TO_SPLIT, Split, can_split, hold_out, must_hold_out, parts_of
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
    """A job with all that is known before the work begins.

    `split`: None where the parts are too few for one. `in_turn`: the method is fitted several times, parts being held
    out in turn.
    """

    method: Method
    survey: Survey
    parts: list[str]
    split: Split | None
    in_turn: bool
    defects: list[LabelledPicture]
    tests: tuple[FileHash, ...]
    plan: Plan
    device: str
    order: Order


def run(
    job: TrainingJob,
    progress: Progress = silent,
    cancelled: Cancelled = never,
    on_survey: Callable[[Survey], None] | None = None,
    on_plan: Callable[[Plan], None] | None = None,
    monitor: Monitor | None = None,
    *,
    resume: bool = False,
    checkpoints: bool = True,
) -> TrainingResult:
    """Train, calibrate and write `job.out`. No model is written unless all of it succeeds.

    `on_plan` hears what is going to be done and how long it will take about, before it begins; `monitor` follows
    networks that train in steps. With `checkpoints` these are kept in `job.resume_file` about every minute and when
    they are stopped, until the model is written. `resume` goes on from there, with the plan that was made then; where
    there is nothing to go on from, training begins anew.
    Raises TrainingError, PictureError, ParameterError, WeightsError, CalibrationError or ModelFileError, each with
    a text for the user, and CancelledError when `cancelled` said so.
    """
    try:
        watch = Watch(monitor or Monitor())
        return _run(job, progress, cancelled, on_survey, on_plan, watch, resume=resume, checkpoints=checkpoints)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            "Not enough memory to train with these settings. Close other programs, or choose the preset 'fast', a "
            "smaller size or patch, or fewer pictures."
        ) from error


def estimate(job: TrainingJob, progress: Progress = silent, cancelled: Cancelled = never) -> tuple[Survey, Plan]:
    """What `run` would do with this job and how long it would take about; raises what it would raise up to there."""
    if job.base is not None:
        tuning = fine_tuning.prepare(job, progress, cancelled)
        return tuning.survey, tuning.plan
    prepared = _prepare(job, progress, cancelled, None, resume=False)
    return prepared.survey, prepared.plan


def _run(
    job: TrainingJob,
    progress: Progress,
    cancelled: Cancelled,
    on_survey: Callable[[Survey], None] | None,
    on_plan: Callable[[Plan], None] | None,
    watch: Watch,
    *,
    resume: bool,
    checkpoints: bool,
) -> TrainingResult:
    began = time.monotonic()
    _refuse_unwritable(job.out)
    if job.base is not None:
        tuning = fine_tuning.prepare(job, progress, cancelled, on_survey)
        if on_plan is not None:
            on_plan(tuning.plan)
        manifest = fine_tuning.carry_out(tuning, progress, cancelled, watch, resume=resume, checkpoints=checkpoints)
        return TrainingResult(job.out, manifest, tuning.survey, tuning.plan, time.monotonic() - began)
    prepared = _prepare(job, progress, cancelled, on_survey, resume=resume)
    if on_plan is not None:
        on_plan(prepared.plan)
    with augmented(job, prepared.survey, prepared.parts, prepared.split, progress, cancelled) as learnt:
        generated = generated_hash(learnt.survey, len(prepared.survey.names))
        order = prepared.order.model_copy(update={"generated": generated})
        everything = replace(prepared, survey=learnt.survey, parts=learnt.parts, split=learnt.split, order=order)
        manifest = _carried_out(job, everything, progress, cancelled, watch, resume=resume, checkpoints=checkpoints)
    return TrainingResult(job.out, manifest, prepared.survey, prepared.plan, time.monotonic() - began)


def _carried_out(
    job: TrainingJob,
    prepared: _Prepared,
    progress: Progress,
    cancelled: Cancelled,
    watch: Watch,
    *,
    resume: bool,
    checkpoints: bool,
) -> Manifest:
    method, survey, device = prepared.method, prepared.survey, prepared.device
    preprocessing = preprocessing_of(job, method, survey)
    if checkpoints:
        watch = replace(watch, checkpoint=Checkpoint(job.resume_file, prepared.order, resume))
    if method.learns_embedding:
        method.watch = Watch() if isinstance(method, TrainedMethod) else watch
        inputs = InputPictures(survey, preprocessing, cancelled)
        learnt = range(len(inputs)) if prepared.split is None else prepared.split.learnt
        method.learn_embedding(Chosen(inputs, learnt), job.seed, staged(progress, "Learning the features"), cancelled)
    pictures = EmbeddedPictures(survey, preprocessing, method, device, job.seed, cancelled)
    for index in range(len(pictures)):
        progress("Computing features", index, len(pictures))
        pictures.load(index)
    progress("Computing features", len(pictures), len(pictures))
    reference, thumbnail = pictures.reference()
    defects, defect_masks = teach(method, prepared.defects, pictures)
    if not prepared.in_turn:
        method.watch = watch
    calibration = _fit(job, prepared, pictures, progress, cancelled)
    check_cancelled(cancelled)
    graph, graph_refused = graph_of(
        method, preprocessing, calibration, reference, survey, pictures.map_filter, progress
    )
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
            defect_masks=defect_masks,
            generated=tuple(survey.names[index] for index in sorted(survey.marks)),
            augmentation=described(job.augment),
            held_out=_held_out_once(prepared),
            tests=prepared.tests,
        ),
        seed=job.seed,
        notes=job.notes,
        rules=job.rules,
        tensors={**method.tensors(), REFERENCE_THUMBNAIL: thumbnail, **_filter_tensors(pictures)},
        thumbnail=pictures.display_thumbnail(),
        graph=graph,
        graph_refused=graph_refused,
    )
    if watch.checkpoint is not None:
        watch.checkpoint.remove()
    return manifest


def _prepare(
    job: TrainingJob,
    progress: Progress,
    cancelled: Cancelled,
    on_survey: Callable[[Survey], None] | None,
    *,
    resume: bool,
) -> _Prepared:
    info = method_info(job.method)
    size, parameters = resolved(job)
    check_augmentation(job.augment)
    fixed = fixed_input_size(job, info, size)
    # Built before the pictures are read where it can be: a wrong size or missing weights show at once.
    early = None if fixed is None else _build(job, parameters, fixed)
    survey = find_parts(job, survey_pictures(job, progress, cancelled), progress, cancelled)
    if on_survey is not None:
        on_survey(survey)
    input_size = fixed or fitted_input_size(job, info, size, survey)
    method = early or _build(job, parameters, input_size)
    parts = parts_of(survey, job.group_by)
    own_parts = [parts[index] for index in survey.captured]
    different = len(set(own_parts))
    defects = defects_of(job, info.title, method)  # a wrong folder shows now and not after the features
    if len(own_parts) < method.min_parts:
        raise TrainingError(too_few(job, len(own_parts), method.min_parts, survey.skipped, len(survey.marks)))
    if different < method.min_parts:
        raise TrainingError(
            f"{job.data}: the {len(own_parts)} pictures show {different} different good part(s); at least "
            f"{method.min_parts} are needed, 30 or more are better. (Identical files show one part.)"
        )
    if job.conv_processing is not None and not can_split(own_parts):
        raise TrainingError(
            f"{job.data}: a map filter (--conv-processing) is learnt on good parts that the model has not seen. At "
            f"least {MIN_PARTS_TO_SPLIT} different ones are needed; add pictures, or leave the filter out."
        )
    device = best_device()
    in_turn = _held_out_in_turn(job, method, own_parts)
    split = hold_out(parts, job.seed, survey.marks) if can_split(own_parts) else None
    check_sources(job.augment, survey, split)
    learnt = (*zip(survey.names, survey.hashes, strict=True), *defects_hashed(defects))
    tests = hashed_tests(job, learnt, progress, cancelled)
    data = data_hash(survey, split, defects, tests)
    begun = _begun(job, data, device) if resume else None
    if begun is not None:
        plan = Plan(parse_settings(job.method, begun.parameters), begun.seconds, begun.done, begun.published)
    else:
        fits = min(FOLDS, different) + 1 if in_turn else 1
        plan = _planned(job, method, parameters, survey, fits, device, progress, cancelled)
    if isinstance(method, TrainedMethod):
        method = _build(job, plan.parameters, input_size)
    order = order_of(job, data, plan, device)
    on_device = method.to(torch.device(device))
    return _Prepared(on_device, survey, parts, split, in_turn, defects, tests, plan, device, order)


def _begun(job: TrainingJob, data: str, device: str) -> Order | None:
    """The order of the interrupted training, None where there is none. Raises TrainingError where it is another."""
    path = job.resume_file
    if not path.exists():
        return None
    found = read_order(path)
    refuse_another(
        path, found, found.model_copy(update={"job": ordered(job), "data": data, "machine": machine(device)})
    )
    return found


def _planned(
    job: TrainingJob,
    method: Method,
    parameters: BaseModel,
    survey: Survey,
    fits: int,
    device: str,
    progress: Progress,
    cancelled: Cancelled,
) -> Plan:
    progress("Measuring this machine", 0, 1)
    info = method_info(job.method)
    preprocessing = preprocessing_of(job, method, survey)
    inputs = InputPictures(survey, preprocessing, cancelled)
    plan = make_plan(
        info,
        parameters,
        lambda complete: _build(job, complete, method.input_size),
        samples=[inputs[index][:1] for index in range(min(PROBED_PICTURES, len(inputs)))],
        pictures=len(survey.names) + (0 if job.augment is None else job.augment.count),
        inputs_per_picture=inputs_per_picture(survey, preprocessing),
        minutes=info.presets[job.preset].minutes,
        fits=fits,
        device=device,
    )
    progress("Measuring this machine", 1, 1)
    return replace(plan, seconds=plan.seconds + generating_seconds(job.augment))


def _fit(
    job: TrainingJob, prepared: _Prepared, pictures: EmbeddedPictures, progress: Progress, cancelled: Cancelled
) -> Calibration:
    method, parts = prepared.method, prepared.parts
    if prepared.in_turn:
        return fit_and_fold(job, method, pictures, parts, progress, cancelled)
    if prepared.split is not None:
        filtering = partial(_learn_filter, job, prepared, prepared.split, pictures, progress, cancelled)
        return fit_and_hold_out(job, method, pictures, parts, prepared.split, filtering, progress, cancelled)
    return fit_and_perturb(job, method, pictures, prepared.survey, progress, cancelled)


def _learn_filter(
    job: TrainingJob,
    prepared: _Prepared,
    split: Split,
    pictures: EmbeddedPictures,
    progress: Progress,
    cancelled: Cancelled,
) -> None:
    """Set the map filter, where the job wants one, so that the threshold is found with it."""
    if job.conv_processing is None:
        return
    pictures.map_filter = learn_map_filter(
        job.conv_processing,
        pictures,
        prepared.survey,
        split.validation,
        defects_for_filter(prepared.defects, prepared.method),
        job.seed,
        progress,
        cancelled,
    )


def _held_out_once(prepared: _Prepared) -> tuple[str, ...]:
    """Names of the pictures that gave the threshold and nothing else."""
    if prepared.in_turn or prepared.split is None:
        return ()
    return tuple(prepared.survey.names[index] for index in prepared.split.calibration)


def _filter_tensors(pictures: EmbeddedPictures) -> dict[str, Kernel]:
    return {} if pictures.map_filter is None else {MAP_FILTER: pictures.map_filter}


def _held_out_in_turn(job: TrainingJob, method: Method, parts: Sequence[str]) -> bool:
    """Whether the method is fitted several times; not where features are learnt or pictures are generated, which
    happens only once: no part would be new to them.
    """
    is_whole = method.held_out == "hold-out" and can_split(parts)
    learns_once = method.learns_embedding or must_hold_out(job)
    return len(set(parts)) >= MIN_PARTS and not is_whole and not learns_once


def resolved(job: TrainingJob) -> tuple[int, BaseModel]:
    """Side of the input in px and the method's parameters: the preset's, overruled by what the job says itself."""
    preset = method_info(job.method).presets[job.preset]
    parameters = parse_settings(job.method, {**preset.settings, **job.parameters})
    return job.size or preset.size_px, parameters


def _build(job: TrainingJob, parameters: BaseModel, input_size: tuple[int, int]) -> Method:
    margin = margin_of(job)
    return methods.create(job.method, parameters, geometry_of(job), input_size, weights=job.weights, margin=margin)


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
