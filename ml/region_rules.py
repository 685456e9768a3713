"""Which regions of a map make a part NG, by where they lie, how large and how strong they are. No torch."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Limits for the regions whose centroid lies up to `reach` from the middle of what is looked at.

    `reach` 1 is the edge of what is looked at (half its shorter side, or the outer edge of the ring). A region counts
    from `min_area_px` on (pixels of the picture) and from a mean of `min_strength` on, on the scale of the map where 0
    is the typical good part and 1 the threshold. There are no upper limits: a large scratch is no better than a small.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reach: float = Field(gt=0, le=10)
    min_area_px: int = Field(default=1, ge=1)
    min_strength: float = Field(default=0.0, ge=0)


class RegionRules(BaseModel):
    """`rules`: a part is NG where a region breaks its section's limits, and only then. `either`: also by its score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Literal["rules", "either"] = "either"
    sections: tuple[Section, ...] = Field(min_length=1, max_length=8)

    @model_validator(mode="after")
    def _outwards(self) -> Self:
        reaches = [section.reach for section in self.sections]
        if reaches != sorted(set(reaches)):
            raise ValueError("sections are given from the middle outwards")
        return self
