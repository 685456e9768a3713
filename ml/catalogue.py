"""Every method by name: its parameters with their ranges, its presets and what it needs. No torch.

The parameter models are frozen and refuse unknown names. They are the form fields of the training screen, the
`--set key=value` of the command line and the `parameters` of a model file at once, so a setting has one definition.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ml.errors import ParameterError

TIMM_PREFIX = "timm:"
"""A backbone named `timm:NAME` is timm's network NAME with weights from a file the user gives."""

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
# The lite networks take (x * 255 - 127) / 128 for x in [0, 1].
_LITE_MEAN = (127 / 255,) * 3
_LITE_STD = (128 / 255,) * 3


@dataclass(frozen=True, slots=True)
class BackboneInfo:
    """A frozen feature extractor: RGB in [0, 1] is standardised by `mean` and `std`; `channels` by stride in pixels."""

    name: str
    title: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: Mapping[int, int]
    needs_weights_from: Literal["package", "download"]


BACKBONES: Mapping[str, BackboneInfo] = {
    info.name: info
    for info in (
        BackboneInfo(
            "efficientnet_lite0",
            "EfficientNet-Lite0",
            _LITE_MEAN,
            _LITE_STD,
            {4: 24, 8: 40, 16: 112, 32: 320},
            "package",
        ),
        BackboneInfo(
            "efficientnet_lite1",
            "EfficientNet-Lite1",
            _LITE_MEAN,
            _LITE_STD,
            {4: 24, 8: 40, 16: 112, 32: 320},
            "package",
        ),
        BackboneInfo(
            "efficientnet_lite2",
            "EfficientNet-Lite2",
            _LITE_MEAN,
            _LITE_STD,
            {4: 24, 8: 48, 16: 120, 32: 352},
            "package",
        ),
        BackboneInfo(
            "resnet18", "ResNet-18", _IMAGENET_MEAN, _IMAGENET_STD, {4: 64, 8: 128, 16: 256, 32: 512}, "download"
        ),
        BackboneInfo(
            "wide_resnet50_2",
            "Wide ResNet-50-2",
            _IMAGENET_MEAN,
            _IMAGENET_STD,
            {4: 256, 8: 512, 16: 1024, 32: 2048},
            "download",
        ),
    )
}


def _check_backbone(name: str) -> str:
    if name in BACKBONES or (name.startswith(TIMM_PREFIX) and len(name) > len(TIMM_PREFIX)):
        return name
    raise ValueError("unknown")


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _read_stride(value: object) -> object:
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def _check_strides(strides: tuple[int, ...]) -> tuple[int, ...]:
    if strides != tuple(sorted(set(strides))):
        raise ValueError("not rising")
    return strides


Backbone = Annotated[
    str,
    AfterValidator(_check_backbone),
    Field(
        description="Frozen network, trained on ImageNet, whose features describe the surface",
        json_schema_extra={"choices": [*BACKBONES, "timm:NAME"]},
    ),
]
Stride = Annotated[Literal[2, 4, 8, 16, 32], BeforeValidator(_read_stride)]
Strides = Annotated[
    tuple[Stride, ...],
    BeforeValidator(_split),
    AfterValidator(_check_strides),
    Field(
        min_length=1,
        description="Depths of the network that are used, as strides in pixels; the deeper, the larger the context",
        json_schema_extra={"example": "8,16", "choices": [2, 4, 8, 16, 32]},
    ),
]
SigmaPx = Annotated[
    float,
    Field(ge=0, le=64, description="Gaussian smoothing of the anomaly map, in pixels of the network's input"),
]


class PyramidParameters(BaseModel):
    """What every method on frozen features shares."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: Backbone = "efficientnet_lite0"
    strides: Strides

    @property
    def feature_channels(self) -> int | None:
        """Channels of all strides together; None for a timm network, which only timm can tell."""
        info = BACKBONES.get(self.backbone)
        return None if info is None else sum(info.channels[stride] for stride in self.strides)

    @model_validator(mode="after")
    def _has_strides(self) -> Self:
        info = BACKBONES.get(self.backbone)
        if info is not None and not set(self.strides) <= set(info.channels):
            raise ValueError(f"{info.name} has the strides {', '.join(map(str, info.channels))}")
        return self


class PadimParameters(PyramidParameters):
    """PaDiM: one Gaussian per position (whole picture) or one for all positions (patches)."""

    strides: Strides = (4, 8, 16)
    grid_stride: Stride = Field(
        8, description="Pitch of the Gaussians in pixels: memory and time grow with the inverse square"
    )
    channels: int = Field(
        100, ge=2, le=4096, description="Features kept per position; memory and time grow with the square"
    )
    selection: Literal["random", "semi_orthogonal"] = Field(
        "random", description="A random pick of the features as published, or a random semi-orthogonal projection"
    )
    # Factories show 10 to 60 good parts and 100 features are kept: a position's own covariance is singular as a rule.
    # The published +0.01 I is absolute: its strength depends on the backbone's units. Shrinking towards the identity
    # (OAS, Ledoit-Wolf) minimises an error in which the largest eigenvalues count, while the distance lives on the
    # smallest, and feature spectra span three decades. The covariance pooled over all positions has seen hundreds of
    # times more vectors, has the right spectrum and needs no unit; it is what positions are shrunk to by default.
    covariance: Literal["pooled", "oas", "ledoit_wolf", "ridge"] = Field(
        "pooled",
        description="How a covariance from few pictures is made invertible: shrinkage towards that of all positions, "
        "towards the identity (OAS, Ledoit-Wolf), or the published +0.01 I",
    )
    sigma_px: SigmaPx = 4.0

    @model_validator(mode="after")
    def _enough_channels(self) -> Self:
        if self.feature_channels is not None and self.channels > self.feature_channels:
            raise ValueError(
                f"channels={self.channels}: {self.backbone} gives {self.feature_channels} at the strides "
                f"{','.join(map(str, self.strides))}"
            )
        return self


class PatchcoreParameters(PyramidParameters):
    """PatchCore: distance to the nearest of a thinned-out set of normal feature vectors."""

    strides: Strides = (8, 16)
    embedding: Literal["mean", "published"] = Field(
        "mean", description="3x3 mean per feature, or the paper's 3x3 neighbourhood pooled to feature_dim"
    )
    feature_dim: int = Field(1024, ge=8, le=4096, description="Length of a 'published' feature vector")
    # A lite network's channels differ in size by two orders of magnitude; unscaled, a few of them make the distance.
    standardise: bool = Field(
        True, description="Scale every feature by its spread over the good pictures; off: distances as published"
    )
    coreset_ratio: float = Field(0.1, gt=0, le=1, description="Share of the normal feature vectors that is kept")
    coreset_cap: int = Field(3000, ge=1, le=1_000_000, description="Most vectors kept: bounds memory and time per part")
    candidates: int = Field(
        100_000, ge=1, le=10_000_000, description="Vectors drawn evenly over the pictures before the coreset is chosen"
    )
    projection: int = Field(128, ge=1, le=4096, description="Dimensions of the random projection used for choosing")
    neighbours: int = Field(1, ge=1, le=50, description="The map is the mean distance to this many neighbours")
    reweight: bool = Field(False, description="The paper's re-weighting of the picture's score by local density")
    reweight_neighbours: int = Field(9, ge=2, le=50, description="Neighbours in the bank that re-weighting looks at")
    score: Literal["max", "top1"] = Field(
        "max", description="Picture score: the map's maximum, or the mean of its highest 1 %"
    )
    metric: Literal["l2", "cosine"] = Field("l2", description="Distance between feature vectors")
    sigma_px: SigmaPx = 4.0

    @model_validator(mode="after")
    def _one_score(self) -> Self:
        if self.reweight and self.score != "max":
            raise ValueError("reweight belongs to score=max: the paper weights the highest distance")
        return self


@dataclass(frozen=True, slots=True)
class Preset:
    """A starting point: the input's side in pixels and the settings that differ from the defaults."""

    size_px: int
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """A method as a person chooses it. `presets` holds `fast`, `balanced` and `thorough`."""

    name: str
    title: str
    summary: str
    paper: str
    needs_weights: bool
    parameters: type[BaseModel]
    presets: Mapping[str, Preset]


METHODS: Mapping[str, MethodInfo] = {
    info.name: info
    for info in (
        MethodInfo(
            name="padim",
            title="PaDiM",
            summary="Learns how each position of an aligned part may look. Fast, fixed model size.",
            paper="Defard, Setkov, Loesch, Audigier: PaDiM, ICPR workshops 2021, arXiv 2011.08785",
            needs_weights=True,
            parameters=PadimParameters,
            presets={
                "fast": Preset(224, {"strides": (8, 16), "channels": 64}),
                "balanced": Preset(256, {}),
                "thorough": Preset(320, {"channels": 160}),
            },
        ),
        MethodInfo(
            name="patchcore",
            title="PatchCore",
            summary="Compares every spot with remembered good ones, wherever they lay. For unaligned parts, textures.",
            paper="Roth, Pemula, Zepeda, Schölkopf, Brox, Gehler: PatchCore, CVPR 2022, arXiv 2106.08265",
            needs_weights=True,
            parameters=PatchcoreParameters,
            presets={
                "fast": Preset(224, {"coreset_ratio": 0.05, "coreset_cap": 1000}),
                "balanced": Preset(256, {}),
                "thorough": Preset(384, {"coreset_cap": 10_000, "candidates": 200_000}),
            },
        ),
    )
}


def method(name: str) -> MethodInfo:
    """The method called `name`. Raises ParameterError that lists the known ones."""
    try:
        return METHODS[name]
    except KeyError:
        raise ParameterError(
            f"unknown method '{name}'{_did_you_mean(name, METHODS)}; known: {', '.join(METHODS)}"
        ) from None


def parse_settings(method_name: str, settings: Mapping[str, object]) -> BaseModel:
    """`parameters_of` for a method's name. Raises ParameterError."""
    return parameters_of(method(method_name), settings)


def parameters_of(info: MethodInfo, settings: Mapping[str, object]) -> BaseModel:
    """Settings as typed or stored (`{"strides": "8,16"}`) -> the method's frozen parameters.

    Raises ParameterError, one line: the setting, the bad value and the allowed ones; close names for a misspelt one.
    """
    for key in settings:
        if key not in info.parameters.model_fields:
            raise ParameterError(
                f"{info.name} has no setting '{key}'{_did_you_mean(key, info.parameters.model_fields)}; "
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
        return f"rising numbers out of {', '.join(map(str, schema['choices']))}, for example {schema['example']}"
    for listed in ("enum", "choices"):
        if listed in schema:
            return f"one of {', '.join(map(str, schema[listed]))}"
    if schema["type"] == "boolean":
        return "true or false"
    low = f"above {schema['exclusiveMinimum']}" if "exclusiveMinimum" in schema else f"from {schema['minimum']}"
    kind = "a whole number" if schema["type"] == "integer" else "a number"
    return f"{kind} {low} up to {schema['maximum']}"


def _one_line(info: MethodInfo, settings: Mapping[str, object], error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if not first["loc"]:  # a rule between two settings speaks for itself
        return f"{info.name}: {first['ctx']['error']}"
    setting = str(first["loc"][0])
    value = settings[setting]
    shown = ",".join(map(str, value)) if isinstance(value, tuple | list) else value
    return f"{info.name}: {setting}={shown} is not allowed; allowed: {allowed_values(info.parameters, setting)}"


def _did_you_mean(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=2)
    return f" (did you mean {' or '.join(close)}?)" if close else ""
