"""How pixels become network input: the description that a model file carries. `ml.images` carries it out. No torch."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RegionOfInterest(BaseModel):
    """Rectangle of the picture that is looked at, in its pixels; x to the right, y down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(ge=32)
    height: int = Field(ge=32)


class Preprocessing(BaseModel):
    """One preprocessing, shared by training and inference and part of the model's hash.

    Geometry `whole`: the picture is resized to `input_height` x `input_width`. Geometry `patches`: patches of that
    size are cut at native resolution every `stride` pixels. Values are windowed linearly from
    [`window_low`, `window_high`] (raw counts, clipped) to [0, 1], then standardised per RGB channel.
    `region` (x, y, width, height in px) is cut out first; None looks at the whole picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    geometry: Literal["whole", "patches"]
    input_height: int = Field(ge=32)
    input_width: int = Field(ge=32)
    stride: int | None = Field(default=None, ge=1)
    window_low: float
    window_high: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    region: tuple[int, int, int, int] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.geometry == "patches") != (self.stride is not None):
            raise ValueError("stride belongs to the geometry 'patches' and to no other")
        if self.stride is not None and self.stride > min(self.input_height, self.input_width):
            raise ValueError("stride must not exceed the patch: pixels between patches would never be seen")
        if not self.window_low < self.window_high:
            raise ValueError("the value window's low end must be below its high end")
        return self
