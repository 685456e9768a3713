"""Every generator of `ml.generation.catalogue`, built by name."""

from importlib import import_module

from pydantic import BaseModel

from ml.errors import ParameterError
from ml.generation.catalogue import generator
from ml.generation.generator import Generator

_CLASSES = {
    "appearance": "Appearance",
    "histaugan": "Histaugan",
    "singan": "Singan",
    "synthetic_defects": "PaintedDefects",
}
"""The class in `ml.generation.NAME`, imported when it is used: only the learned ones need torch."""


def create(name: str, parameters: BaseModel) -> Generator:
    """Build the generator `name`, unfitted. Raises ParameterError: an unknown one, or parameters of another one."""
    info = generator(name)
    if not isinstance(parameters, info.parameters):
        raise ParameterError(f"{info.title} does not take {type(parameters).__name__}")
    built: type[Generator] = getattr(import_module(f"ml.generation.{name}"), _CLASSES[name])
    return built(parameters)
