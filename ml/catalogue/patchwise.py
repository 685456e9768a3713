"""Settings that all methods on small patches share. No torch."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ml.catalogue.info import Preset
from ml.catalogue.settings import SigmaPx, Steps, read_number

PRESETS = {
    "fast": Preset(256, {}, minutes=1),
    "balanced": Preset(384, {}, minutes=4),
    "thorough": Preset(512, {"stride_px": 8}, minutes=40),
}
"""Of methods that have no reason for others."""


class PatchwiseParameters(BaseModel):
    """What is cut out of each input, which of it is judged, and how the map and the score come of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patch_px: Annotated[Literal[16, 32, 64], BeforeValidator(read_number)] = Field(
        32, description="Side of the patches that are judged each by itself; the larger, the larger the defects"
    )
    stride_px: int = Field(
        16,
        ge=4,
        le=64,
        description="Pixels from patch to patch, up to the patch's side; half of it: a finer map, four times the time",
    )
    background: Literal["off", "window", "otsu"] = Field(
        "off",
        description="Leaves out patches that show no part: by their median grey within background_low to "
        "background_high, or on the background's side of Otsu's threshold",
    )
    background_low: float = Field(
        40, ge=0, le=255, description="background=window: only patches lighter than this are judged, of 255"
    )
    background_high: float = Field(
        210, ge=0, le=255, description="background=window: only patches darker than this are judged, of 255"
    )
    recombination: Literal["weighted", "mean", "majority"] = Field(
        "weighted",
        description="A place's score, of the patches that hold it: their average, weighted by how near its middle is "
        "or plain, or the share of them that score like few good ones",
    )
    picture_score: Literal["max", "top1"] = Field(
        "max", description="A picture's score: the highest of its map, or the mean of its highest 1 %"
    )
    sigma_px: SigmaPx = 0.0
    augment: bool = Field(
        False,
        description="Trains on patches that are turned, scaled and otherwise lit, as published; where light and size "
        "are constant that hides defects of brightness",
    )
    steps: Steps = 0

    @model_validator(mode="after")
    def _leaves_nothing_out(self) -> Self:
        if self.stride_px > self.patch_px:
            raise ValueError(
                f"stride_px={self.stride_px} leaves gaps between patches of {self.patch_px} px; allowed: 4 up to "
                f"{self.patch_px}"
            )
        if self.background_low >= self.background_high:
            raise ValueError("background_low must be below background_high")
        return self
