"""Where on a picture is looked: shapes to look at and shapes to ignore, kept with the model. No torch."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rectangle(_Shape):
    """Lengths in px of the picture, x to the right, y down; (0, 0) is the picture's corner."""

    kind: Literal["rectangle"] = "rectangle"
    x: float
    y: float
    width: float = Field(gt=0)
    height: float = Field(gt=0)


class Ellipse(_Shape):
    """`angle_deg` turns it clockwise, as seen on the screen."""

    kind: Literal["ellipse"] = "ellipse"
    centre_x: float
    centre_y: float
    radius_x: float = Field(gt=0)
    radius_y: float = Field(gt=0)
    angle_deg: float = 0.0


class Annulus(_Shape):
    """What lies from `inner` to `outer` px around a centre."""

    kind: Literal["annulus"] = "annulus"
    centre_x: float
    centre_y: float
    inner: float = Field(ge=0)
    outer: float = Field(gt=0)


class Polygon(_Shape):
    """Closed from the last corner (x, y) to the first."""

    kind: Literal["polygon"] = "polygon"
    points: tuple[tuple[float, float], ...] = Field(min_length=3)


class Brush(_Shape):
    """Any set of pixels inside the box that begins at (x, y): lengths of runs in rows from left to right, one after
    the other from the top, off and on in turn and beginning with off."""

    kind: Literal["brush"] = "brush"
    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    runs: tuple[int, ...]


Shape = Annotated[Rectangle | Ellipse | Annulus | Polygon | Brush, Field(discriminator="kind")]


class InspectionArea(_Shape):
    """Drawn on a picture of `width_px` x `height_px`. Looked at is what any shape of `look` covers (everything where
    there is none), without what any shape of `ignore` covers."""

    width_px: int = Field(ge=32)
    height_px: int = Field(ge=32)
    look: tuple[Shape, ...] = ()
    ignore: tuple[Shape, ...] = ()
