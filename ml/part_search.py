"""How the parts on a picture are found by what one of them looks like; each is inspected as a picture of its own.
No torch.
"""

from pydantic import BaseModel, ConfigDict, Field


class PartSearch(BaseModel):
    """Template match with rotation. `template_png` is the base64 text of a grey PNG of one part, upright.

    `width_px`, `height_px`: of what is cut out around each found part, in pixels of the picture. `angles_deg`: the
    part may be turned by as much to either side (180: any way round). `least_likeness`: correlation from which on it
    is a part, 0 to 1. `count`: so many parts lie on each picture, fewer is a FAULT; None: at least one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    template_png: str
    width_px: int = Field(ge=32)
    height_px: int = Field(ge=32)
    angles_deg: float = Field(default=0.0, ge=0, le=180)
    least_likeness: float = Field(default=0.6, gt=0, le=1)
    count: int | None = Field(default=None, ge=1, le=100)
