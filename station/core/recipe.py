"""What is inspected how: one recipe, frozen; a change makes the next revision."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.preprocessing import RegionOfInterest


class QualityLimits(BaseModel):
    """Outside these a picture is a FAULT, not a verdict. None switches a limit off.

    The figures are those of `ml.quality`. `None` everywhere is a recipe without picture check.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    brightness_min: float | None = None
    brightness_max: float | None = None
    contrast_min: float | None = None
    focus_min: float | None = None
    likeness_min: float | None = None  # correlation with the model's reference thumbnail: is a part there at all?


class Recipe(BaseModel):
    """Frozen settings of one inspection. The model is named by its hash, never by a path."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    revision: int = Field(default=1, ge=1)
    model_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: str = "demo"
    width_px: int | None = Field(default=None, ge=32)
    height_px: int | None = Field(default=None, ge=32)
    window: tuple[float, float]
    region: RegionOfInterest | None = None
    quality: QualityLimits = QualityLimits()
    acknowledge_ng: bool = False
    serial_required: bool = False
    scan_triggers: bool = False
    notes: str = ""

    @model_validator(mode="after")
    def _region_inside(self) -> Self:
        if (
            self.region
            and self.width_px
            and self.height_px
            and (
                self.region.x + self.region.width > self.width_px or self.region.y + self.region.height > self.height_px
            )
        ):
            raise ValueError("the region of interest reaches outside the picture")
        return self
