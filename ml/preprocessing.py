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

    @property
    def box(self) -> tuple[int, int, int, int]:
        """As `Preprocessing.region` holds it."""
        return self.x, self.y, self.width, self.height


class Clahe(BaseModel):
    """Contrast-limited adaptive histogram equalisation of the lightness: evens out light that differs over the part.

    `clip` bounds how far the contrast of one of `tiles` x `tiles` fields is raised.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clip: float = Field(default=3.0, gt=0, le=40)
    tiles: int = Field(default=8, ge=1, le=64)


class RingSearch(BaseModel):
    """Finds a round part by a circle on it, and looks at a ring around that circle's centre only.

    `radius_px` are the lowest and highest radius of the circle in pixels of the picture; None: measured on the training
    pictures. The ring reaches from `inner` to `outer` times the found radius; what lies elsewhere is black to the model
    and never anomalous. `unwrap` lays the ring out as a strip, angle to the right and radius down. `blur_px`,
    `edge`, `votes` and `resolution` are those of the gradient Hough transform: side of the box blur before it, gradient
    of an edge, votes of a circle, and how much coarser than the picture votes are counted. See `ml.circle_search`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    radius_px: tuple[float, float] | None = None
    inner: float = Field(default=1.0, ge=0, le=20)
    outer: float = Field(default=3.04, gt=0, le=20)
    unwrap: bool = False
    blur_px: int = Field(default=3, ge=1, le=31)
    edge: float = Field(default=95, gt=0, le=1000)
    votes: float = Field(default=30, gt=0, le=1000)
    resolution: float = Field(default=1.5, ge=1, le=8)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.inner < self.outer:
            raise ValueError("the ring's inner end must lie inside its outer end")
        if self.radius_px is not None and not 0 < self.radius_px[0] <= self.radius_px[1]:
            raise ValueError("the circle's lowest radius must be above 0 and not above its highest")
        return self


class Preprocessing(BaseModel):
    """One preprocessing, shared by training and inference and part of the model's hash.

    Geometry `whole`: the picture is resized to `input_height` x `input_width`. Geometry `patches`: patches of that
    size are cut at native resolution every `stride` pixels. Values are windowed linearly from
    [`window_low`, `window_high`] (raw counts, clipped) to [0, 1], then standardised per RGB channel.
    `region` (x, y, width, height in px) is cut out first; None looks at the whole picture. Then come `clahe` and
    `ring`, whose radii are known here, where they are asked for.
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
    clahe: Clahe | None = None
    ring: RingSearch | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.geometry == "patches") != (self.stride is not None):
            raise ValueError("stride belongs to the geometry 'patches' and to no other")
        if self.stride is not None and self.stride > min(self.input_height, self.input_width):
            raise ValueError("stride must not exceed the patch: pixels between patches would never be seen")
        if not self.window_low < self.window_high:
            raise ValueError("the value window's low end must be below its high end")
        if self.ring is not None and self.ring.radius_px is None:
            raise ValueError("the radius of the ring's circle must be known: it is measured before training")
        return self
