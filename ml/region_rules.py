"""Which regions of a map make a part NG, by where they lie, how large and how strong they are. No torch."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Limits for the regions whose centroid lies up to `reach` from the middle of what is looked at.

    `reach` 1 is the edge of what is looked at (half its shorter side, or the outer edge of the ring); the last section
    goes on from there, so that no region lies in none. A region counts from `min_area_px` on and from a mean of
    `min_strength` on, on the scale of the map where 0 is the typical good part and 1 the threshold. There are no
    upper limits: a large scratch is no better than a small one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reach: float = Field(gt=0, le=10)
    min_area_px: int = Field(default=1, ge=1)
    min_strength: float = Field(default=0.0, ge=0)


class RegionRules(BaseModel):
    """`rules`: a part is NG where a region breaks its section's limits, and only then. `either`: also by its score.

    Areas are in pixels of the picture or, with `areas_at_px`, of one in which the shorter side of what is looked at
    (for a ring its outer diameter) has so many pixels: such rules hold for a camera of any resolution.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Literal["rules", "either"] = "either"
    sections: tuple[Section, ...] = Field(min_length=1, max_length=8)
    areas_at_px: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _outwards(self) -> Self:
        reaches = [section.reach for section in self.sections]
        if reaches != sorted(set(reaches)):
            raise ValueError("sections are given from the middle outwards")
        return self

    def broken(self, *, distance_px: float, area_px: int, strength: float, side_px: int) -> int | None:
        """The section, counted from 1, whose limits a region reaches; None where it stays below them.

        `distance_px` is that of its centroid from the middle of what is looked at, whose shorter side is `side_px`;
        `strength` its mean on the normalised scale.
        """
        distance = distance_px / (side_px / 2)
        inside = [distance <= section.reach for section in self.sections[:-1]]
        number = inside.index(True) if True in inside else len(self.sections) - 1
        section = self.sections[number]
        scale = 1.0 if self.areas_at_px is None else side_px / self.areas_at_px
        is_large = area_px >= section.min_area_px * scale**2
        return number + 1 if is_large and strength >= section.min_strength else None
