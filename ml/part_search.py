"""How the parts on a picture are found by what one of them looks like; each is inspected as a picture of its own.
No torch.
"""

import binascii
from base64 import b64decode
from functools import lru_cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.errors import PictureError
from ml.pictures import decode_picture

MOST_PARTS: Final = 100
LARGEST_TEMPLATE_CHARACTERS: Final = 4_000_000


class PartSearch(BaseModel):
    """Template match with rotation. `template_png` is the base64 text of a grey PNG of one part, upright.

    `width_px`, `height_px`: of what is cut out around each found part, in pixels of the picture; the template shows
    just that, at this size or smaller. `angles_deg`: the part may be turned by as much to either side (180: any way
    round). `least_likeness`: correlation from which on it is a part, 0 to 1. `count`: so many parts lie on each
    picture, fewer is a FAULT; None: at least one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    template_png: str = Field(max_length=LARGEST_TEMPLATE_CHARACTERS)
    width_px: int = Field(ge=32)
    height_px: int = Field(ge=32)
    angles_deg: float = Field(default=0.0, ge=0, le=180)
    least_likeness: float = Field(default=0.6, gt=0, le=1)
    count: int | None = Field(default=None, ge=1, le=MOST_PARTS)

    @model_validator(mode="after")
    def _has_template(self) -> Self:
        try:
            height, width = template_in(self.template_png).shape
        except PictureError as error:
            raise ValueError(str(error)) from error
        if width > self.width_px or height > self.height_px or abs(width * self.height_px / self.width_px - height) > 1:
            raise ValueError(
                f"the template of {width} x {height} px does not show what is cut out around a part, "
                f"{self.width_px} x {self.height_px} px, at that size or smaller"
            )
        return self

    @property
    def template(self) -> NDArray[np.uint8]:
        """`(height, width)`, read-only."""
        return template_in(self.template_png)


@lru_cache(maxsize=4)
def template_in(png: str) -> NDArray[np.uint8]:
    """The grey picture `(height, width)` of a base64 PNG, read-only. Raises PictureError for what is none."""
    try:
        data = b64decode(png, validate=True)
    except binascii.Error as error:
        raise PictureError(f"The template is not base64 text ({error}). Draw it again.") from error
    pixels = decode_picture(data, "The template").pixels
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise PictureError("The template is not a grey picture of 8 bits. Draw it again.")
    if pixels.min() == pixels.max():
        raise PictureError("The template is of one grey: there is nothing to find it by. Draw it around a part.")
    return pixels.astype(np.uint8, copy=False)
