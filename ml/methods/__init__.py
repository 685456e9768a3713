"""Every method of `ml.catalogue`, built by name."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import BaseModel

from ml.catalogue import method
from ml.errors import ParameterError
from ml.methods.base import Geometry, Method

_CLASSES = {
    "conv_autoencoder": "ConvAutoencoder",
    "dfr": "Dfr",
    "efficientad": "Efficientad",
    "ganomaly": "Ganomaly",
    "padim": "Padim",
    "patch_cnn": "PatchCnn",
    "patch_ganomaly": "PatchGanomaly",
    "patch_svdd": "PatchSvdd",
    "patchcore": "Patchcore",
    "riad": "Riad",
    "skip_ganomaly": "SkipGanomaly",
    "spade": "Spade",
    "student_teacher": "StudentTeacher",
    "template": "Template",
    "tl_ganomaly": "TlGanomaly",
}
"""The class in `ml.methods.NAME`, imported when it is used: what torch needs for one method is of no use to others."""


def create(
    name: str,
    parameters: BaseModel,
    geometry: Geometry,
    input_size: tuple[int, int],
    weights: Path | None = None,
    state: Mapping[str, NDArray[Any]] | None = None,
    margin: int = 0,
) -> Method:
    """Build the method `name`, unfitted, for inputs of `input_size` (height, width) pixels, `margin` of which on each
    side do not count.

    Pretrained networks take their weights from `state`, the tensors of a model file (`Method.load_tensors` then gives
    the rest), else from the file `weights`, else from where the catalogue says.
    Raises ParameterError (an unknown method, parameters of another one, an input size or geometry that it cannot take),
    WeightsError and ModelFileError.
    """
    info = method(name)
    if not isinstance(parameters, info.parameters):
        raise ParameterError(f"{info.title} does not take {type(parameters).__name__}")
    built: type[Method] = getattr(import_module(f"ml.methods.{name}"), _CLASSES[name])
    made = built(parameters, geometry, input_size, weights, state)
    if margin:
        made.leave_out(margin)
    return made
