"""Every generator by name: what it makes and its parameters with their ranges. No torch.

The parameter models are those of `ml.catalogue`'s kind: frozen, unknown names refused; errors are worded alike.
"""

from collections.abc import Mapping

from pydantic import BaseModel

from ml.catalogue import named, parameters_of
from ml.generation.catalogue import appearance, histaugan, singan, synthetic_defects
from ml.generation.catalogue.info import GeneratorInfo, Makes

__all__ = ["GENERATORS", "GeneratorInfo", "Makes", "generator", "parse_settings"]

GENERATORS: Mapping[str, GeneratorInfo] = {
    info.name: info for info in (appearance.INFO, histaugan.INFO, singan.INFO, synthetic_defects.INFO)
}
"""In the order in which they are offered."""


def generator(name: str) -> GeneratorInfo:
    """The generator called `name`. Raises ParameterError that lists the known ones."""
    return named("generator", name, GENERATORS)


def parse_settings(name: str, settings: Mapping[str, object]) -> BaseModel:
    """`ml.catalogue.parameters_of` for a generator's name. Raises ParameterError."""
    return parameters_of(generator(name), settings)
