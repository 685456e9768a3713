"""Settings that methods share which redraw patches from a short code. No torch."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ml.catalogue.patchwise import PatchwiseParameters
from ml.catalogue.settings import read_number


class PatchRedrawingParameters(PatchwiseParameters):
    """How large the networks are, and what a patch's score is measured by."""

    width: int = Field(
        0,
        ge=0,
        le=256,
        description="Channels of the networks at half the patch's size, 64 as published; training and inspection time "
        "grow with the square; 0: by the time at hand",
        json_schema_extra={"zero": "by the time budget"},
    )
    latent: int = Field(100, ge=1, le=2048, description="Length of a patch's code; too long, and defects pass through")
    residual_px: Annotated[Literal[1, 2, 4, 8], BeforeValidator(read_number)] = Field(
        8,
        description="The difference to a redrawn patch is averaged over squares of this side before it is squared, so "
        "that grain does not count; 1: as published",
    )
    picture_score: Literal["max", "top1"] = Field(
        "top1", description="A picture's score: the highest of its map, or the mean of its highest 1 %"
    )
    standardise: bool = Field(
        True,
        description="Each patch is judged by what good patches of its brightness, contrast and fineness score; off: as "
        "published",
    )
