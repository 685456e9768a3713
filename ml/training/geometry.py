"""How large the network's input is, and where the pictures are cut."""

import math
from statistics import median

from ml.catalogue import MethodInfo
from ml.job import TrainingJob, default_stride
from ml.methods.base import Geometry, Method
from ml.pictures import default_window
from ml.preprocessing import Preprocessing
from ml.ring import ring_shape
from ml.tiles import MARGIN_PX, tile_side
from ml.training.survey import Survey

KEPT_ASPECT_STEP_PX = 32  # a multiple of the deepest stride of all
NATIVE_STEP_PX = 8


def geometry_of(job: TrainingJob) -> Geometry:
    return "whole" if job.patch is None and not job.tiles else "patches"


def margin_of(job: TrainingJob) -> int:
    """Of each input, on each side, in px."""
    return MARGIN_PX if job.tiles else 0


def fixed_input_size(job: TrainingJob, info: MethodInfo, size: int) -> tuple[int, int] | None:
    """Height and width of the input in px, or None where the pictures' shape decides them."""
    if job.patch is not None:
        return job.patch, job.patch
    return None if job.tiles or info.native_up_to_size or job.aspect == "keep" else (size, size)


def fitted_input_size(job: TrainingJob, info: MethodInfo, size: int, survey: Survey) -> tuple[int, int]:
    """Height and width of the input in px in the shape of the pictures, in the middle one where they differ.

    An area of about `size` squared; a method at native resolution never enlarges. With tiles: of one of them.
    """
    # Of pictures cut around parts of different sizes the most frequent shape may be that of two, and an odd one.
    middle = None if survey.parts is not None else survey.middle_size_px
    height, width = map(float, middle or survey.usual_shape)
    if job.region is not None:
        height, width = job.region.height, job.region.width
    elif job.area is not None:
        _, _, width, height = job.area.box
    if survey.ring is not None:
        height, width = ring_shape(survey.ring, median(circle.radius for circle in survey.circles.values()))
    if job.tiles:
        side = tile_side(math.ceil(height), math.ceil(width))
        return side, side
    scale = size / (height * width) ** 0.5
    step = KEPT_ASPECT_STEP_PX
    if info.native_up_to_size:
        scale, step = min(scale, 1.0), NATIVE_STEP_PX
    return _stepped(height * scale, step), _stepped(width * scale, step)


def preprocessing_of(job: TrainingJob, method: Method, survey: Survey) -> Preprocessing:
    """What the model file will carry of all this."""
    height, width = method.input_size
    low, high = window_of(job, survey)
    return Preprocessing(
        geometry=geometry_of(job),
        input_height=height,
        input_width=width,
        stride=_stride(job, height),
        margin=margin_of(job),
        window_low=low,
        window_high=high,
        mean=method.mean,
        std=method.std,
        region=None if job.region is None else job.region.box,
        clahe=job.clahe,
        ring=survey.ring,
        area=job.area,
        parts=survey.parts,
    )


def window_of(job: TrainingJob, survey: Survey) -> tuple[float, float]:
    """The raw counts that become 0 and 1."""
    return job.window or default_window(survey.bit_depth)


def _stride(job: TrainingJob, side: int) -> int | None:
    if job.tiles:
        return side - 2 * MARGIN_PX
    return None if job.patch is None else job.stride or default_stride(job.patch)


def _stepped(length: float, step: int) -> int:
    return max(32, round(length / step) * step)
