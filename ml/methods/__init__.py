"""Every method of `ml.catalogue`, built by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import BaseModel

from ml.catalogue import PadimParameters, PatchcoreParameters, method
from ml.errors import ParameterError
from ml.methods.base import Geometry, Method


def create(
    name: str,
    parameters: BaseModel,
    geometry: Geometry,
    input_size: tuple[int, int],
    weights: Path | None = None,
    state: Mapping[str, NDArray[Any]] | None = None,
) -> Method:
    """Build the method `name`, unfitted, for inputs of `input_size` (height, width) pixels.

    Pretrained networks take their weights from `state`, the tensors of a model file (`Method.load_tensors` then gives
    the rest), else from the file `weights`, else from where the catalogue says.
    Raises ParameterError (an unknown method, parameters of another one, an input size that the network cannot take),
    WeightsError and ModelFileError.
    """
    # A method's network module is imported when the method is used: what torch needs for one is of no use to others.
    if isinstance(parameters, PadimParameters) and name == "padim":
        from ml.methods.padim import Padim

        return Padim(parameters, geometry, input_size, weights, state)
    if isinstance(parameters, PatchcoreParameters) and name == "patchcore":
        from ml.methods.patchcore import Patchcore

        return Patchcore(parameters, geometry, input_size, weights, state)
    raise ParameterError(f"{method(name).title} does not take {type(parameters).__name__}")
