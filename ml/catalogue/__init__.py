"""Every method by name: its parameters with their ranges, its presets and what it needs. No torch.

The parameter models are frozen and refuse unknown names. They are the form fields of the training screen, the
`--set key=value` of the command line and the `parameters` of a model file at once, so a setting has one definition.
"""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ml.catalogue import (
    conv_autoencoder,
    dfr,
    efficientad,
    ganomaly,
    padim,
    patch_cnn,
    patch_ganomaly,
    patch_svdd,
    patchcore,
    riad,
    skip_ganomaly,
    spade,
    student_teacher,
    template,
    tl_ganomaly,
)
from ml.catalogue.backbones import BACKBONES, TIMM_PREFIX, BackboneInfo
from ml.catalogue.info import USUAL_MIN_PICTURES, Configurable, MethodInfo, Preset
from ml.errors import ParameterError

__all__ = [
    "BACKBONES",
    "METHODS",
    "TIMM_PREFIX",
    "USUAL_MIN_PICTURES",
    "BackboneInfo",
    "MethodInfo",
    "Preset",
    "allowed_values",
    "did_you_mean",
    "method",
    "min_pictures",
    "named",
    "needs_defects",
    "needs_masks",
    "parameters_of",
    "parse_settings",
]

METHODS: Mapping[str, MethodInfo] = {
    info.name: info
    for info in (
        patchcore.INFO,
        padim.INFO,
        spade.INFO,
        dfr.INFO,
        riad.INFO,
        student_teacher.INFO,
        patch_svdd.INFO,
        efficientad.INFO,
        ganomaly.INFO,
        skip_ganomaly.INFO,
        patch_ganomaly.INFO,
        tl_ganomaly.INFO,
        conv_autoencoder.INFO,
        patch_cnn.INFO,
        template.INFO,
    )
}
"""In the order in which they are offered."""

Named = TypeVar("Named")


def method(name: str) -> MethodInfo:
    """The method called `name`. Raises ParameterError that lists the known ones."""
    return named("method", name, METHODS)


def named(kind: str, name: str, known: Mapping[str, Named]) -> Named:
    """What is called `name`. Raises ParameterError that lists what there is of this kind, the likely one first."""
    try:
        return known[name]
    except KeyError:
        raise ParameterError(f"unknown {kind} '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}") from None


def min_pictures(parameters: BaseModel) -> int:
    """Pictures of different good parts that are needed at least: three, unless the parameters have a say in it.

    With fewer than three none can be held out to find the threshold.
    """
    return int(getattr(parameters, "min_pictures", USUAL_MIN_PICTURES))


def needs_defects(parameters: BaseModel) -> bool:
    """Whether these settings ask for pictures of defective parts to learn from."""
    return bool(getattr(parameters, "needs_defects", False))


def needs_masks(parameters: BaseModel) -> bool:
    """Whether these settings also ask for masks of where those defects are."""
    return bool(getattr(parameters, "needs_masks", False))


def parse_settings(method_name: str, settings: Mapping[str, object]) -> BaseModel:
    """`parameters_of` for a method's name. Raises ParameterError."""
    return parameters_of(method(method_name), settings)


def parameters_of(info: Configurable, settings: Mapping[str, object]) -> BaseModel:
    """Settings as typed or stored (`{"strides": "8,16"}`) -> the frozen parameters of a method or generator.

    Raises ParameterError, one line: the setting, the bad value and the allowed ones; close names for a misspelt one.
    """
    for key in settings:
        if key not in info.parameters.model_fields:
            raise ParameterError(
                f"{info.name} has no setting '{key}'{did_you_mean(key, info.parameters.model_fields)}; "
                f"settings: {', '.join(info.parameters.model_fields)}"
            )
    try:
        return info.parameters.model_validate(dict(settings))
    except ValidationError as error:
        raise ParameterError(_one_line(info, settings, error)) from error


def allowed_values(parameters: type[BaseModel], setting: str) -> str:
    """What `setting` accepts, in words: `one of oas, ledoit_wolf, ridge`, `a whole number from 1 up to 50`."""
    schema = parameters.model_json_schema()["properties"][setting]
    if "choices" in schema and schema["type"] == "array":
        some = "any of" if isinstance(schema["choices"][0], str) else "rising numbers out of"
        return f"{some} {', '.join(map(str, schema['choices']))}, for example {schema['example']}"
    for listed in ("enum", "choices"):
        if listed in schema:
            return f"one of {', '.join(map(str, schema[listed]))}"
    if schema["type"] == "boolean":
        return "true or false"
    if schema["type"] == "string":
        return "any text"
    low = f"above {schema['exclusiveMinimum']}" if "exclusiveMinimum" in schema else f"from {schema['minimum']}"
    kind = "a whole number" if schema["type"] == "integer" else "a number"
    high = f" below {schema['exclusiveMaximum']}" if "exclusiveMaximum" in schema else ""
    high = f" up to {schema['maximum']}" if "maximum" in schema else high
    return f"{kind} {low}{high}"


def _one_line(info: Configurable, settings: Mapping[str, object], error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if not first["loc"]:  # a rule between two settings speaks for itself
        return f"{info.name}: {first['ctx']['error']}"
    setting = str(first["loc"][0])
    value = settings[setting]
    shown = ",".join(map(str, value)) if isinstance(value, tuple | list) else value
    return f"{info.name}: {setting}={shown} is not allowed; allowed: {allowed_values(info.parameters, setting)}"


def did_you_mean(name: str, known: Mapping[str, object]) -> str:
    """What may have been meant by a misspelt name, in brackets after a space; empty where nothing is close."""
    close = difflib.get_close_matches(name, known, n=2)
    return f" (did you mean {' or '.join(close)}?)" if close else ""
