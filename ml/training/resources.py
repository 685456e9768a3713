"""What a training needs of memory and disk, held against what this machine has, before it begins. No torch.

The estimates err on the high side: they are made of the largest figures measured (docs/performance.md, 'What a
training needs'), while the widths that a method chooses by the time at hand are often smaller. So a job that is
estimated at more than there is may still succeed: it is warned of, and refused only where twice the memory there is
would not do. Settings of a method that are larger than its presets' are not looked at.
"""

import tempfile
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from shutil import disk_usage
from typing import Final

import psutil

from ml.artifact import read_manifest
from ml.base_model import with_base
from ml.catalogue import MethodInfo
from ml.catalogue import method as method_info
from ml.errors import PictureError
from ml.job import TrainingJob, default_stride
from ml.picture_headers import read_header
from ml.pictures import read_picture_bytes
from ml.tiles import MARGIN_PX, tile_side
from ml.training.sources import good_pictures, set_aside

MIB: Final = 2**20

PROCESS_BYTES: Final = 900 * MIB
"""Python, torch, OpenCV and a backbone: 850 to 880 MiB measured with four pictures and the methods that hold least."""

FEATURE_BYTES_PER_PX: Final = 36
"""For each pixel of all network inputs, kept features and what a method makes of them: up to 30 measured."""

MOST_FEATURES_BYTES: Final = 3 * 2**30
"""Features are kept up to 2 GiB; beyond it they are computed again."""

DECODED_COPIES: Final = 4
"""Of the picture at hand, while it is decoded and made an input: measured with 100 megapixels, 2.3."""

MAP_BYTES_PER_PX: Final = 2
"""A stored map holds a half-precision number per cell, and no more cells than the input has pixels."""

ROW_BYTES: Final = 2048
"""Of a sheet's text, for each picture."""

CHECKPOINT_MODELS: Final = 10
"""Weights, two moments of each and the best weights so far, twice while one file replaces the other."""

HOPELESS: Final = 2.0
"""The estimates are within this factor of what was measured."""

LOOKED_AT: Final = 20
"""Pictures whose size is read, evenly over all."""


@dataclass(frozen=True, slots=True)
class Workload:
    """How many pictures are learnt from and judged, and how large the largest is."""

    pictures: int
    tests: int
    height_px: int
    width_px: int
    bytes_per_px: int = 3


@dataclass(frozen=True, slots=True)
class Resources:
    """Bytes: main memory; disk beside the model; disk in the folder of temporary files."""

    memory: int
    disk: int
    temporary: int = 0


@dataclass(frozen=True, slots=True)
class Shortage:
    """What a job lacks here, in words: `obstacle` where it cannot be done, `warning` where it may fail, else ""."""

    obstacle: str = ""
    warning: str = ""


def workload_of(job: TrainingJob) -> Workload:
    """From the job's folder or list and the headers of some of its pictures. Raises TrainingError, ParameterError."""
    _, pictures = good_pictures(job)
    step = ceil(len(pictures) / LOOKED_AT)
    sizes = [size for picture in pictures[::step] if (size := _size_of(picture.path)) is not None]
    height, width, bytes_per_px = max(sizes, key=lambda size: size[0] * size[1], default=(1, 1, 3))
    return Workload(len(pictures), len(set_aside(job)), height, width, bytes_per_px)


def needed(job: TrainingJob, work: Workload) -> Resources:
    """What the job needs at most, about. Raises ModelFileError and ParameterError for a base that does not serve."""
    pictures = work.pictures + (0 if job.augment is None else job.augment.count)
    if job.base is not None:
        base = read_manifest(job.base)
        job = with_base(job, base)
        pictures += len(base.data.files)  # replayed
    info = method_info(job.method)
    input_px = _input_px(job, info, work)
    larger = max(1.0, input_px / info.presets[job.preset].size_px ** 2)
    inputs_px = input_px * _inputs_per_picture(job, work)
    features = min(FEATURE_BYTES_PER_PX * inputs_px * pictures, MOST_FEATURES_BYTES)
    own = round(info.memory.of(job.preset) * MIB * larger)
    model = round(info.model.of(job.preset) * MIB * larger)
    maps = work.tests * (MAP_BYTES_PER_PX * inputs_px + ROW_BYTES)
    picture_bytes = work.height_px * work.width_px * work.bytes_per_px
    return Resources(
        memory=PROCESS_BYTES + own + features + DECODED_COPIES * picture_bytes,
        disk=model * (1 + (CHECKPOINT_MODELS if _trains_in_steps(info) else 0)) + maps,
        temporary=0 if job.augment is None else job.augment.count * picture_bytes,
    )


def available(job: TrainingJob) -> Resources:
    """What this machine has for it now: memory without taking any from other programs, swap not counted.

    A folder that is not there counts as the nearest above it that is.
    """
    return Resources(
        memory=psutil.virtual_memory().available,
        disk=_free_bytes(job.out.parent),
        temporary=_free_bytes(Path(tempfile.gettempdir())),
    )


def shortage(job: TrainingJob, needs: Resources, there: Resources) -> Shortage:
    """Hold one against the other."""
    for need, free, folder, what in (
        (needs.disk, there.disk, job.out.parent, "the model, what is kept to continue its training, and the scores"),
        (needs.temporary, there.temporary, Path(tempfile.gettempdir()), "the generated pictures"),
    ):
        if need > free:
            return Shortage(
                obstacle=f"{folder}: up to {in_units(need)} are needed on this disk for {what}, and {in_units(free)} "
                "are free. Free some space, or choose another place."
            )
    if needs.memory <= there.memory:
        return Shortage()
    words = (
        f"Training needs up to {in_units(needs.memory)} of memory, and {in_units(there.memory)} are free. Close other "
        "programs, or choose the preset 'fast', a smaller size or fewer pictures."
    )
    if needs.memory > HOPELESS * there.memory:
        return Shortage(obstacle=words)
    return Shortage(warning=f"{words} It may be stopped half-way.")


def look_for_shortage(job: TrainingJob, work: Workload | None = None) -> Shortage:
    """What the job lacks on this machine now; `work` spares a look at its pictures.

    Raises as `needed` and `workload_of`.
    """
    return shortage(job, needed(job, work or workload_of(job)), available(job))


def in_units(size: int) -> str:
    """Bytes as people say them."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{max(1, round(size / MIB))} MiB"


def _trains_in_steps(info: MethodInfo) -> bool:
    """Whether a checkpoint is kept while it trains."""
    return "steps" in info.parameters.model_fields


def _input_px(job: TrainingJob, info: MethodInfo, work: Workload) -> int:
    """Pixels of one network input."""
    if job.patch is not None:
        return job.patch**2
    if job.tiles:
        return tile_side(*_looked_at(job, work)) ** 2
    area = (job.size or info.presets[job.preset].size_px) ** 2
    return min(area, prod(_looked_at(job, work))) if info.native_up_to_size else area


def _inputs_per_picture(job: TrainingJob, work: Workload) -> int:
    """Patches (see `ml.patches`) of a picture, or of all the parts that it has room for."""
    sides = _looked_at(job, work)
    inputs = 1
    if job.patch is not None:
        stride = job.stride or default_stride(job.patch)
        inputs = prod(ceil(max(side - job.patch, 0) / stride) + 1 for side in sides)
    elif job.tiles:
        inputs = prod(ceil(side / (tile_side(*sides) - 2 * MARGIN_PX)) for side in sides)
    if job.parts is None:
        return inputs
    return inputs * (job.parts.count or ceil(work.height_px * work.width_px / prod(sides)))


def _looked_at(job: TrainingJob, work: Workload) -> tuple[int, int]:
    """Height and width of what is inspected as one picture."""
    return (work.height_px, work.width_px) if job.parts is None else (job.parts.height_px, job.parts.width_px)


def _size_of(path: Path) -> tuple[int, int, int] | None:
    """Height and width in px and bytes per pixel; None for what cannot be read: training tells of it."""
    try:
        header = read_header(read_picture_bytes(path), str(path))
    except PictureError:
        return None
    return header.height, header.width, (1 if header.is_grey else 3) * (1 if header.sample_bits <= 8 else 2)


def _free_bytes(folder: Path) -> int:
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return disk_usage(there).free
