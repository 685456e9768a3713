"""Kinds of settings that several methods share, with their ranges and their words. No torch."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ml.catalogue.backbones import BACKBONES, TIMM_PREFIX


def _check_backbone(name: str) -> str:
    if name in BACKBONES or (name.startswith(TIMM_PREFIX) and len(name) > len(TIMM_PREFIX)):
        return name
    raise ValueError("unknown")


def read_list(value: object) -> object:
    """Numbers as typed on the command line, with commas between them."""
    return value.split(",") if isinstance(value, str) else value


def read_number(value: object) -> object:
    """A whole number as typed on the command line, for settings that allow some numbers only."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def check_rising(numbers: tuple[int, ...]) -> tuple[int, ...]:
    if numbers != tuple(sorted(set(numbers))):
        raise ValueError("not rising")
    return numbers


Backbone = Annotated[
    str,
    AfterValidator(_check_backbone),
    Field(
        description="Frozen network whose features describe the surface: trained on ImageNet, or self_trained, on the "
        "good pictures of the job, where no weights are to be had",
        json_schema_extra={"choices": [*BACKBONES, "timm:NAME"]},
    ),
]
Stride = Annotated[Literal[2, 4, 8, 14, 16, 32], BeforeValidator(read_number)]
Strides = Annotated[
    tuple[Stride, ...],
    BeforeValidator(read_list),
    AfterValidator(check_rising),
    Field(
        min_length=1,
        description="Depths of the network that are used, as strides in pixels; the deeper, the larger the context",
        json_schema_extra={"example": "8,16", "choices": [2, 4, 8, 14, 16, 32]},
    ),
]
SigmaPx = Annotated[
    float,
    Field(ge=0, le=64, description="Gaussian smoothing of the anomaly map, in pixels of the network's input"),
]


Steps = Annotated[
    int,
    Field(
        ge=0,
        le=10_000_000,
        description="Training steps; 0: as many as the preset's minutes allow on this machine",
        json_schema_extra={"zero": "by the time budget"},
    ),
]
"""Methods that train in steps call this setting `steps`."""


class PyramidParameters(BaseModel):
    """What every method on frozen features shares."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: Backbone = "efficientnet_lite0"
    strides: Strides
    self_training_steps: int = Field(
        400, ge=1, le=1_000_000, description="Training steps of the backbone self_trained; of no weight for the others"
    )

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
