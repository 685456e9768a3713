"""From a training job to a calibrated model file.

One pass over the pictures computes what the method embeds; groups of pictures are then held out in turn, so that every
normal picture is scored once by a model that has not seen its part. Those scores make the threshold; the model that
is kept is fitted on all pictures.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel

from ml import methods
from ml.artifact import DataFingerprint, Manifest, PictureReference, write_model
from ml.calibration import MIN_PARTS, Calibration, Source, assign_groups, calibrate, ensure_disjoint, folds
from ml.catalogue import method as method_info
from ml.catalogue import parse_settings
from ml.dataset import read_normals
from ml.detector import REFERENCE_THUMBNAIL, Batches, best_device, is_out_of_memory
from ml.errors import CancelledError, PictureError, TrainingError
from ml.images import PreparedPicture, prepare
from ml.job import TrainingJob
from ml.maps import Detection
from ml.methods.base import Geometry, Method, Scored
from ml.pictures import Picture, decode_picture, default_window, read_picture_bytes
from ml.preprocessing import Preprocessing
from ml.progress import Cancelled, Progress, never, silent
from ml.quality import likeness_of, measure, thumbnail_of
from ml.scoring import assemble

FOLDS = 5
MIN_PICTURES = 3
FEATURE_BUDGET_BYTES = 2 * 2**30  # features beyond this are computed again instead of kept
DEFAULT_STRIDE = 0.75  # of the patch: neighbouring patches share a quarter
KEPT_ASPECT_STEP_PX = 32  # a multiple of the deepest stride of all
SCORED_AT_A_TIME = 32  # inputs of a held-out picture: all patches of a large one at once would need its features thrice


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Survey:
    """The usable training pictures of a job: names relative to the data folder, hashes, and what they look like."""

    folder: Path
    names: tuple[str, ...]
    hashes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    height_px: int
    width_px: int
    has_one_size: bool
    is_grey: bool
    bit_depth: int

    def read(self, index: int) -> Picture:
        """Decode it again; raises TrainingError when it has gone or changed since the survey."""
        path = self.folder / self.names[index]
        try:
            data = read_picture_bytes(path)
        except PictureError as error:
            raise TrainingError(f"{error} It was there when training began; start again.") from error
        if sha256(data).hexdigest() != self.hashes[index]:
            raise TrainingError(f"{path}: changed while training; start again.")
        return decode_picture(data, str(path))


@dataclass(frozen=True, slots=True)
class TrainingResult:
    path: Path
    manifest: Manifest
    survey: Survey
    seconds: float


def run(
    job: TrainingJob,
    progress: Progress = silent,
    cancelled: Cancelled = never,
    on_survey: Callable[[Survey], None] | None = None,
) -> TrainingResult:
    """Train, calibrate and write `job.out`. Nothing is written unless all of it succeeds.

    Raises TrainingError, PictureError, ParameterError, WeightsError, CalibrationError or ModelFileError, each with
    a text for the user, and CancelledError when `cancelled` said so.
    """
    try:
        return _run(job, progress, cancelled, on_survey)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            "Not enough memory to train with these settings. Close other programs, or choose the preset 'fast', a "
            "smaller size or patch, or fewer pictures."
        ) from error


def _run(
    job: TrainingJob, progress: Progress, cancelled: Cancelled, on_survey: Callable[[Survey], None] | None
) -> TrainingResult:
    began = time.monotonic()
    size, parameters = resolved(job)
    _refuse_unwritable(job.out)
    geometry: Geometry = "whole" if job.patch is None else "patches"
    create = partial(methods.create, job.method, parameters, geometry, weights=job.weights)
    # Made before the pictures are read where their shape is of no matter: a wrong size or missing weights show at once.
    early = None if job.aspect == "keep" else create(fixed_input_size(job, size))
    survey = survey_pictures(job, progress, cancelled)
    if on_survey is not None:
        on_survey(survey)
    parts = distinct_parts(assign_groups(survey.names, job.group_by), survey.hashes)
    if len(set(parts)) < MIN_PARTS:
        raise TrainingError(
            f"{job.data}: the {len(parts)} pictures show {len(set(parts))} different good part(s); at least "
            f"{MIN_PARTS} are needed, 30 or more are better. (Identical files show one part.)"
        )
    method = early or create(kept_aspect_size(job, size, survey))
    height, width = method.input_size
    preprocessing = Preprocessing(
        geometry=geometry,
        input_height=height,
        input_width=width,
        stride=None if job.patch is None else job.stride or _default_stride(job.patch),
        window_low=(job.window or default_window(survey.bit_depth))[0],
        window_high=(job.window or default_window(survey.bit_depth))[1],
        mean=method.mean,
        std=method.std,
        region=None if job.region is None else (job.region.x, job.region.y, job.region.width, job.region.height),
    )
    device = best_device()
    method.to(torch.device(device))
    pictures = EmbeddedPictures(survey, preprocessing, method, device, cancelled)
    for index in range(len(pictures)):
        progress("Computing features", index, len(pictures))
        pictures.load(index)
    progress("Computing features", len(pictures), len(pictures))
    reference, thumbnail = pictures.reference()

    calibration = _cross_validate(job, method, pictures, parts, progress, cancelled)
    method.fit(pictures, job.seed, _staged(progress, "Building the model"), cancelled)
    _check(cancelled)

    manifest = write_model(
        job.out,
        name=job.model_name,
        method=job.method,
        parameters=parameters.model_dump(mode="json"),
        preprocessing=preprocessing,
        calibration=calibration,
        backbone=getattr(parameters, "backbone", None),
        reference=reference,
        data=DataFingerprint(
            files=tuple(zip(survey.names, survey.hashes, strict=True)),
            skipped=tuple(item.file for item in survey.skipped),
        ),
        seed=job.seed,
        notes=job.notes,
        tensors={**method.tensors(), REFERENCE_THUMBNAIL: thumbnail},
        thumbnail=pictures.display_thumbnail(),
    )
    return TrainingResult(job.out, manifest, survey, time.monotonic() - began)


def survey_pictures(job: TrainingJob, progress: Progress = silent, cancelled: Cancelled = never) -> Survey:
    """Decode every training picture once; list the unusable ones with their reason.

    Raises TrainingError when fewer than three are left, or when there is no picture of an excluded name.
    """
    folder, paths = read_normals(job.data)
    excluded = set(job.exclude)
    unknown = sorted(excluded - {path.relative_to(folder).as_posix() for path in paths})
    if unknown:  # most likely misspelt, and the picture that was meant would be learnt from
        raise TrainingError(f"{folder}: there is no picture '{unknown[0]}' to exclude. Correct the name or drop it.")
    names: list[str] = []
    hashes: list[str] = []
    skipped: list[Skipped] = []
    looks: Counter[tuple[int, int, bool, int]] = Counter()
    bits_used = 0
    for index, path in enumerate(paths):
        _check(cancelled)
        progress("Reading pictures", index, len(paths))
        name = path.relative_to(folder).as_posix()
        if name in excluded:
            continue
        try:
            data = read_picture_bytes(path)
            picture = decode_picture(data, str(path))
            _refuse_outside(job, picture, path)
        except PictureError as error:
            skipped.append(Skipped(name, str(error)))
            continue
        names.append(name)
        hashes.append(sha256(data).hexdigest())
        height, width = picture.pixels.shape[:2]
        looks[(height, width, picture.pixels.ndim == 2, picture.bit_depth)] += 1
        bits_used = max(bits_used, int(picture.pixels.max()).bit_length())
    progress("Reading pictures", len(paths), len(paths))
    if len(names) < MIN_PICTURES:
        raise TrainingError(
            f"{job.data}: {len(names)} usable picture(s) of good parts; at least {MIN_PICTURES} are needed, "
            f"30 or more are better."
            + (f" {len(skipped)} file(s) could not be used, e.g. {skipped[0].reason}" if skipped else "")
        )
    (height, width, is_grey, _), _ = looks.most_common(1)[0]
    if len({look[3] > 8 for look in looks}) > 1 and job.window is None:
        raise TrainingError(
            f"{job.data}: 8-bit pictures are mixed with deeper ones. Train on one kind, or give the value window."
        )
    return Survey(
        folder=folder,
        names=tuple(names),
        hashes=tuple(hashes),
        skipped=tuple(skipped),
        height_px=height,
        width_px=width,
        has_one_size=len({look[:2] for look in looks}) == 1,
        is_grey=is_grey,
        bit_depth=_container_bits(max(depth for _, _, _, depth in looks), bits_used),
    )


def _container_bits(declared: int, used: int) -> int:
    """The smallest usual sensor depth that holds the values: cameras put 10 and 12 bits into 16-bit files."""
    return declared if declared <= 8 else next(bits for bits in (10, 12, 14, 16) if bits >= min(used, declared))


def resolved(job: TrainingJob) -> tuple[int, BaseModel]:
    """Side of the input in px and the method's parameters: the preset's, overruled by what the job says itself."""
    preset = method_info(job.method).presets[job.preset]
    parameters = parse_settings(job.method, {**preset.settings, **job.parameters})
    return job.size or preset.size_px, parameters


def fixed_input_size(job: TrainingJob, size: int) -> tuple[int, int]:
    """Height and width of the network input in px where the pictures' shape does not decide them."""
    side = job.patch or size
    return side, side


def kept_aspect_size(job: TrainingJob, size: int, survey: Survey) -> tuple[int, int]:
    """Height and width of the network input in px for the aspect `keep`: an area of about `size` squared."""
    seen_height = job.region.height if job.region else survey.height_px
    seen_width = job.region.width if job.region else survey.width_px
    ratio = (seen_height / seen_width) ** 0.5
    step = KEPT_ASPECT_STEP_PX
    return max(step, round(size * ratio / step) * step), max(step, round(size / ratio / step) * step)


def distinct_parts(groups: Sequence[str], hashes: Sequence[str]) -> list[str]:
    """The part of each picture: its group, where groups that share a picture, byte for byte, are one.

    A copy under another name must not be held out while the model is fitted on its double: its score would be 0.
    """
    joined = {group: group for group in groups}

    def first_of(group: str) -> str:
        while joined[group] != group:
            group = joined[group]
        return group

    seen: dict[str, str] = {}
    for group, picture in zip(groups, hashes, strict=True):
        joined[first_of(group)] = first_of(seen.setdefault(picture, group))
    return [first_of(group) for group in groups]


class EmbeddedPictures(Sequence[torch.Tensor]):
    """The training pictures as the method embeds them: item i is `(n, C, gh, gw)` float32 of picture i.

    Kept in the main memory up to a budget, beyond it computed again. Also gathers what the pictures look like.
    """

    def __init__(
        self, survey: Survey, preprocessing: Preprocessing, method: Method, device: str, cancelled: Cancelled
    ) -> None:
        self._survey = survey
        self._preprocessing = preprocessing
        self._method = method
        self._device = device
        self._batches = Batches(method, device)
        self._cancelled = cancelled
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._kept: dict[int, torch.Tensor] = {}
        self._budget = FEATURE_BUDGET_BYTES
        self._thumbnails: dict[int, NDArray[np.float32]] = {}
        self._quality: dict[int, tuple[float, float, float]] = {}

    def __len__(self) -> int:
        return len(self._survey.names)

    def __getitem__(self, index: int) -> torch.Tensor:  # type: ignore[override]  # no slices
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._kept[index] if index in self._kept else self.load(index)

    def load(self, index: int) -> torch.Tensor:
        """Embed picture `index`, and keep the result while the budget lasts."""
        _check(self._cancelled)
        pixels = self._survey.read(index).pixels
        if index not in self._quality:
            self._look_at(index, pixels)
        with torch.inference_mode():
            features = self._embedded(prepare(pixels, self._preprocessing))
        size = features.numel() * features.element_size()
        if size <= self._budget:
            self._kept[index] = features
            self._budget -= size
        return features

    def _embedded(self, prepared: PreparedPicture) -> torch.Tensor:
        features = torch.empty(0)
        for start, batch in self._batches.run(prepared, torch.Tensor.cpu):
            if start == 0:  # room for all of them at once: joining them at the end would take it twice
                features = batch.new_empty(prepared.count, *batch.shape[1:])
            features[start : start + len(batch)] = batch
        return features

    def detect(self, index: int) -> Detection:
        """Score picture `index` with the method as it is fitted now."""
        with torch.inference_mode():
            features = self[index]
            # Only where the scores lie is asked of it: no need to decode the picture again.
            blank = np.broadcast_to(np.uint8(0), self._shapes[index])
            return assemble(self._method, prepare(blank, self._preprocessing), self._scored(features))

    def _scored(self, features: torch.Tensor) -> Iterator[tuple[int, Scored]]:
        for start in range(0, len(features), SCORED_AT_A_TIME):
            batch = features[start : start + SCORED_AT_A_TIME].to(self._device)
            yield start, self._method.score(batch)

    def _look_at(self, index: int, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        window = (self._preprocessing.window_low, self._preprocessing.window_high)
        quality = measure(pixels, window)
        self._quality[index] = (quality.brightness, quality.contrast, quality.focus)
        self._thumbnails[index] = thumbnail_of(pixels, window)
        self._shapes[index] = pixels.shape

    def reference(self) -> tuple[PictureReference, NDArray[np.float32]]:
        """What the pictures look like, and their mean thumbnail `(64, 64)` float32, 0 to 1."""
        thumbnails = np.stack([self._thumbnails[index] for index in range(len(self))])
        mean = thumbnails.mean(axis=0)
        others = (thumbnails.sum(axis=0) - thumbnails) / max(1, len(self) - 1)
        likeness = [likeness_of(own, other) for own, other in zip(thumbnails, others, strict=True)]
        brightness, contrast, focus = zip(*self._quality.values(), strict=True)
        survey = self._survey
        return PictureReference(
            height_px=survey.height_px,
            width_px=survey.width_px,
            has_one_size=survey.has_one_size,
            is_grey=survey.is_grey,
            bit_depth=survey.bit_depth,
            brightness=(min(brightness), max(brightness)),
            contrast=(min(contrast), max(contrast)),
            focus=(min(focus), max(focus)),
            likeness_min=min(likeness),
        ), mean.astype(np.float32)

    def display_thumbnail(self) -> NDArray[np.uint8]:
        """The first picture, grey, 64 x 64 uint8: what lists of models show."""
        return np.round(self._thumbnails[0] * 255).astype(np.uint8)


def _cross_validate(
    job: TrainingJob,
    method: Method,
    pictures: EmbeddedPictures,
    parts: list[str],
    progress: Progress,
    cancelled: Cancelled,
) -> Calibration:
    """Score every picture with a model fitted without its part; make the threshold from those scores."""
    held_out = folds(parts, FOLDS, job.seed)
    scores = np.zeros(len(pictures))
    maxima = np.zeros(len(pictures))
    for number, fold in enumerate(held_out, start=1):
        stage = f"Calibrating, round {number} of {len(held_out)}"
        fitted_on = sorted(set(range(len(pictures))) - set(fold))
        ensure_disjoint([parts[index] for index in fitted_on], [parts[index] for index in fold])
        method.fit(_Chosen(pictures, fitted_on), job.seed, _staged(progress, stage), cancelled)
        for index in fold:
            _check(cancelled)
            detection = pictures.detect(index)
            scores[index], maxima[index] = detection.score, detection.score_map.maximum
    source: Source = "leave-one-out" if len(held_out) == len(set(parts)) else "5-fold"
    return calibrate(scores, maxima, parts, alpha=job.alpha, source=source, band_factor=job.unsure_factor)


class _Chosen(Sequence[torch.Tensor]):
    """Some of the pictures, in their order."""

    def __init__(self, pictures: Sequence[torch.Tensor], indices: list[int]) -> None:
        self._pictures = pictures
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> torch.Tensor:  # type: ignore[override]  # no slices
        return self._pictures[self._indices[index]]

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (self._pictures[index] for index in self._indices)


def _staged(progress: Progress, stage: str) -> Progress:
    """Each step of a method as a stage of its own: steps differ in length, and time left is told by stage."""
    return lambda step, done, total: progress(f"{stage}: {step[:1].lower()}{step[1:]}", done, total)


def _check(cancelled: Cancelled) -> None:
    if cancelled():
        raise CancelledError("Training was cancelled; nothing was written.")


def _default_stride(patch: int) -> int:
    return max(8, round(patch * DEFAULT_STRIDE / 8) * 8)


def _refuse_outside(job: TrainingJob, picture: Picture, path: Path) -> None:
    height, width = picture.pixels.shape[:2]
    region = job.region
    if region is not None and (region.y + region.height > height or region.x + region.width > width):
        raise PictureError(f"{path} is {width} x {height} px: the region of interest reaches out of it.")


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
