"""Fine-tuning: a trained model goes on learning from new good parts (`TrainingJob.base`).

Method, settings, preprocessing and frozen networks stay the base's (`ml.base_model`); what was learnt is updated by the
method (`Method.update`), and the threshold is found anew for both batches (`ml.training.update_scores`). What this asks
for and what it gives, method by method: docs/fine-tuning.md, docs/adr/0012.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray

from ml import methods
from ml.artifact import DataFingerprint, Manifest, PictureReference, read_model, write_model
from ml.base_model import refuse_another_recipe, with_base
from ml.catalogue import MethodInfo, parameters_of
from ml.catalogue import method as method_info
from ml.dataset import LabelledPicture
from ml.detector import REFERENCE_THUMBNAIL
from ml.errors import ModelFileError, ParameterError, TrainingError
from ml.job import TrainingJob
from ml.map_filter import MAP_FILTER, checked_filter
from ml.methods.base import Method, Tensors
from ml.methods.trained import update_steps
from ml.progress import Cancelled, Progress
from ml.quality import likeness_of
from ml.runtime.devices import best_device
from ml.training.checkpoint import Checkpoint, Order
from ml.training.embedded import EmbeddedPictures, InputPictures, inputs_per_picture
from ml.training.graph import graph_of
from ml.training.labels import defects_hashed, defects_of, teach
from ml.training.loop import Watch
from ml.training.old_and_new import OldAndNew, gather
from ml.training.order import data_hash, order_of
from ml.training.part_search import find_parts
from ml.training.plan import PROBED_PICTURES, Plan, make_plan
from ml.training.set_aside import FileHash, hashed_tests
from ml.training.splits import parts_of
from ml.training.survey import Survey, check_cancelled
from ml.training.update_scores import OldScores, Updating, old_scores_of, rounds_of

MIN_NEW_PARTS = 3
"""With fewer none of them can be held out."""

WANTED_NEW_PARTS = 20


@dataclass(frozen=True, slots=True, eq=False)
class FineTuning:
    """A fine-tuning with all that is known before the work begins. `job`: with what it keeps of the base filled in."""

    job: TrainingJob
    base: Manifest
    tensors: Tensors
    method: Method
    pictures: OldAndNew
    parts: list[str]
    old_scores: OldScores
    defects: list[LabelledPicture]
    tests: tuple[FileHash, ...]
    plan: Plan
    device: str
    order: Order

    @property
    def survey(self) -> Survey:
        return self.pictures.survey


def prepare(
    job: TrainingJob,
    progress: Progress,
    cancelled: Cancelled,
    on_survey: Callable[[Survey], None] | None = None,
) -> FineTuning:
    """Read and check everything. Raises what `ml.training.pipeline.run` does."""
    if job.base is None:
        raise TrainingError("There is no model to go on from: give one (--base).")
    base, tensors = read_model(job.base)
    filled = with_base(job, base)
    info = method_info(base.method)
    method = _loaded(job, info, base, tensors)
    survey = gather(filled.model_copy(update={"window": job.window}), base.data, progress, cancelled)
    survey = find_parts(filled, survey, progress, cancelled)
    refuse_another_recipe(_look(survey), base, job.data)
    if on_survey is not None:
        on_survey(survey)
    pictures = OldAndNew.of(survey, base.data)
    parts = parts_of(survey, job.group_by)
    different = len({parts[index] for index in pictures.new if index not in survey.marks})
    if different < MIN_NEW_PARTS:
        raise TrainingError(
            f"{job.data}: {different} different new good part(s); at least {MIN_NEW_PARTS} are needed to find the "
            f"threshold of the changed batch, {WANTED_NEW_PARTS} or more are better."
        )
    old_scores = old_scores_of(method, base, pictures, parts)
    pictures = pictures.only(_needed(method, pictures, old_scores), base.data)
    survey, parts = pictures.survey, parts_of(pictures.survey, job.group_by)
    if not method.needs_defects_again:
        method.needs_defects = method.needs_masks = False
    defects = defects_of(filled, info.title, method)
    learnt = (*pictures.recorded, *base.data.files, *base.data.defects, *defects_hashed(defects))
    tests = hashed_tests(job, learnt, progress, cancelled)
    device = best_device()
    plan = _planned(
        info, base, tensors, pictures, rounds_of(method, old_scores, different), device, progress, cancelled
    )
    data = sha256(f"{base.model_hash}|{data_hash(survey, None, defects, tests)}".encode()).hexdigest()
    return FineTuning(
        job=filled,
        base=base,
        tensors=tensors,
        method=method.to(torch.device(device)),
        pictures=pictures,
        parts=parts,
        old_scores=old_scores,
        defects=defects,
        tests=tests,
        plan=plan,
        device=device,
        order=order_of(job, data, plan, device),
    )


def carry_out(
    tuning: FineTuning, progress: Progress, cancelled: Cancelled, watch: Watch, *, resume: bool, checkpoints: bool
) -> Manifest:
    """Update, calibrate and write the model. No model is written unless all of it succeeds."""
    job, base, method, survey = tuning.job, tuning.base, tuning.method, tuning.survey
    if checkpoints:
        watch = replace(watch, checkpoint=Checkpoint(job.resume_file, tuning.order, resume))
    pictures = EmbeddedPictures(survey, base.preprocessing, method, tuning.device, job.seed, cancelled)
    pictures.shrinking = base.reference.shrinking
    pictures.map_filter = checked_filter(tuning.tensors[MAP_FILTER]) if MAP_FILTER in tuning.tensors else None
    for index in range(len(pictures)):
        progress("Computing features", index, len(pictures))
        pictures.load(index)
    progress("Computing features", len(pictures), len(pictures))
    defects, defect_masks = teach(method, tuning.defects, pictures)
    updating = Updating(job, base, tuning.tensors, method, pictures, tuning.pictures, tuning.parts, progress, cancelled)
    tensors, calibration = updating.carry_out(tuning.old_scores, watch)
    check_cancelled(cancelled)
    reference, thumbnail = _merged(base, tuning.tensors[REFERENCE_THUMBNAIL], pictures, len(tuning.pictures.new))
    kept = {MAP_FILTER: tuning.tensors[MAP_FILTER]} if MAP_FILTER in tuning.tensors else {}
    method.load_tensors(tensors)  # the last turn of the calibration may have left others
    graph, graph_refused = graph_of(
        method, base.preprocessing, calibration, reference, survey, pictures.map_filter, progress
    )
    manifest = write_model(
        job.out,
        name=job.model_name,
        method=base.method,
        parameters=base.parameters,
        preprocessing=base.preprocessing,
        calibration=calibration,
        backbone=base.backbone,
        reference=reference,
        data=_fingerprint(tuning, defects, defect_masks),
        seed=job.seed,
        notes=job.notes,
        rules=job.rules or base.rules,
        tensors={**tensors, **kept, REFERENCE_THUMBNAIL: thumbnail},
        thumbnail=pictures.display_thumbnail(),
        graph=graph,
        graph_refused=graph_refused,
    )
    if watch.checkpoint is not None:
        watch.checkpoint.remove()
    return manifest


def _loaded(job: TrainingJob, info: MethodInfo, base: Manifest, tensors: Tensors) -> Method:
    size = base.preprocessing.input_height, base.preprocessing.input_width
    try:
        parameters = parameters_of(info, base.parameters)
        margin = base.preprocessing.margin
        method = methods.create(info.name, parameters, base.preprocessing.geometry, size, state=tensors, margin=margin)
        method.load_tensors(tensors)
    except (ParameterError, ModelFileError) as error:
        raise ModelFileError(f"{job.base}: this version of Loupe cannot go on from it: {error}") from error
    return method


def _needed(method: Method, pictures: OldAndNew, old: OldScores) -> set[int]:
    """Those that the update or the threshold looks at: the others need not be decoded again."""
    needed = set(pictures.new)
    if old == "held out":
        needed |= set(pictures.held_out)
    if old != "stored" and (method.replays or not method.only_lowers):
        needed |= set(pictures.learnt)
    return needed


def _planned(
    info: MethodInfo,
    base: Manifest,
    tensors: Tensors,
    pictures: OldAndNew,
    rounds: int,
    device: str,
    progress: Progress,
    cancelled: Cancelled,
) -> Plan:
    """The base's own settings, and the time that they take; the words tell the steps of the update."""
    progress("Measuring this machine", 0, 1)
    preprocessing, survey = base.preprocessing, pictures.survey
    inputs = InputPictures(survey, preprocessing, cancelled)
    parameters = parameters_of(info, base.parameters)
    steps = getattr(parameters, "steps", 0)
    size = preprocessing.input_height, preprocessing.input_width
    plan = make_plan(
        info,
        parameters.model_copy(update={"steps": update_steps(steps)}) if steps else parameters,
        lambda complete: methods.create(
            info.name, complete, preprocessing.geometry, size, state=tensors, margin=preprocessing.margin
        ),
        samples=[inputs[index][:1] for index in pictures.new[:PROBED_PICTURES]],
        pictures=len(survey.names),
        inputs_per_picture=inputs_per_picture(survey, preprocessing),
        minutes=info.presets["balanced"].minutes,
        fits=rounds,
        device=device,
    )
    progress("Measuring this machine", 1, 1)
    return replace(plan, parameters=parameters)


def _look(survey: Survey) -> PictureReference:
    """Of the survey's pictures, as far as it must be that of the base's."""
    nothing = (0.0, 0.0)
    return PictureReference(
        height_px=survey.height_px,
        width_px=survey.width_px,
        has_one_size=survey.has_one_size,
        is_grey=survey.is_grey,
        bit_depth=survey.bit_depth,
        brightness=nothing,
        contrast=nothing,
        focus=nothing,
    )


def _merged(
    base: Manifest, known: NDArray[np.float32], pictures: EmbeddedPictures, new: int
) -> tuple[PictureReference, NDArray[np.float32]]:
    """What old and new pictures look like together, and their mean thumbnail."""
    own, seen = pictures.reference()
    old = base.reference
    total = len(base.data.files) + new
    thumbnail = ((total - new) * known + new * seen) / np.float32(total)

    def both(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
        return min(first[0], second[0]), max(first[1], second[1])

    likeness = [one for one in (old.likeness_min, own.likeness_min) if one is not None]
    likeness += [likeness_of(known, thumbnail), likeness_of(seen, thumbnail)]
    merged = old.model_copy(
        update={
            "has_one_size": old.has_one_size and own.has_one_size,
            "bit_depth": max(old.bit_depth, own.bit_depth),
            "brightness": both(old.brightness, own.brightness),
            "contrast": both(old.contrast, own.contrast),
            "focus": both(old.focus, own.focus),
            "likeness_min": min(likeness),
        }
    )
    return merged, thumbnail.astype(np.float32)


def _fingerprint(
    tuning: FineTuning, defects: tuple[FileHash, ...], defect_masks: tuple[FileHash, ...]
) -> DataFingerprint:
    """The base's pictures and the new ones, under names of their own."""
    known, survey = tuning.base.data, tuning.survey
    taken = {name for name, _ in known.files}
    files, generated = list(known.files), list(known.generated)
    for index in tuning.pictures.new:
        name, content = survey.names[index], survey.hashes[index]
        if name in taken:
            name = f"{content[:8]}/{name}"
        taken.add(name)
        files.append((name, content))
        if index in survey.marks:
            generated.append(name)
    return known.model_copy(
        update={
            "files": tuple(files),
            "skipped": tuple(item.file for item in survey.skipped),
            "defects": tuple(dict.fromkeys((*known.defects, *defects))),
            "defect_masks": tuple(dict.fromkeys((*known.defect_masks, *defect_masks))),
            "generated": tuple(generated),
            "tests": tuple(dict.fromkeys((*known.tests, *tuning.tests))),
            "base_hash": tuning.base.model_hash,
        }
    )
