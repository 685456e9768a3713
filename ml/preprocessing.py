"""How pixels become network input: the description that a model file carries. `ml.images` carries it out. No torch."""

import math
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from ml.errors import PictureError
from ml.inspection_area import InspectionArea, mask_of_area
from ml.part_search import PartSearch


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
    size are cut at native resolution every `stride` pixels; the outermost `margin` pixels of each only show the network
    what is around it. Values are windowed linearly from
    [`window_low`, `window_high`] (raw counts, clipped) to [0, 1], then standardised per RGB channel.
    `region` (x, y, width, height in px) is cut out first; None looks at the whole picture. Then come `clahe` and
    `ring`, whose radii are known here, where they are asked for. What `area` ignores is black to the model (the value
    window's low end) before anything else sees it, and never anomalous. With `parts` each part that is found on the
    picture is cut out upright and is a picture of its own for all the rest: `of_part` is what that one goes through.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    geometry: Literal["whole", "patches"]
    input_height: int = Field(ge=32)
    input_width: int = Field(ge=32)
    stride: int | None = Field(default=None, ge=1)
    margin: int = Field(default=0, ge=0)
    window_low: float
    window_high: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    region: tuple[int, int, int, int] | None = None
    clahe: Clahe | None = None
    ring: RingSearch | None = None
    area: InspectionArea | None = None
    parts: PartSearch | None = None

    @model_serializer(mode="wrap")
    def _without_absent_margin(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A model without margins keeps the hash from before there were any."""
        document: dict[str, Any] = serialize(self)
        if not self.margin:
            document.pop("margin", None)
        return document

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.geometry == "patches") != (self.stride is not None):
            raise ValueError("stride belongs to the geometry 'patches' and to no other")
        if self.stride is not None and self.stride > min(self.input_height, self.input_width):
            raise ValueError("stride must not exceed the patch: pixels between patches would never be seen")
        if self.margin and (self.stride or math.inf) + 2 * self.margin > min(self.input_height, self.input_width):
            raise ValueError("patch, stride and margin do not fit: pixels between patches would never be seen")
        if not self.window_low < self.window_high:
            raise ValueError("the value window's low end must be below its high end")
        if self.ring is not None and self.ring.radius_px is None:
            raise ValueError("the radius of the ring's circle must be known: it is measured before training")
        check_places(self.region, self.ring, self.area, self.parts)
        return self

    @property
    def region_of_interest(self) -> RegionOfInterest | None:
        """`region` as jobs, recipes and projects hold it."""
        if self.region is None:
            return None
        x, y, width, height = self.region
        return RegionOfInterest(x=x, y=y, width=width, height=height)

    @property
    def anywhere(self) -> "Preprocessing":
        """The same without all that is looked for in a picture or bound to a place in it: for blank and made ones."""
        return self.model_copy(update=dict.fromkeys(("region", "clahe", "ring", "area", "parts")))

    @property
    def of_part(self) -> "Preprocessing":
        """The same without the search for parts."""
        return self if self.parts is None else self.model_copy(update={"parts": None})

    def crop(self, height: int, width: int) -> tuple[int, int, int, int]:
        """x, y, width and height of what is cut out of a picture of `height` x `width` px.

        The region of interest; without one the box around all that the area looks at, so that inputs are spent on
        nothing else, but the whole picture where a ring is sought in it. Raises PictureError for a picture that is too
        small for the region, or of another size than the area was drawn on.
        """
        area = self.area
        if area is not None and (area.height_px, area.width_px) != (height, width):
            raise PictureError(
                f"The picture is {width} x {height} px, and the inspection area was drawn on {area.width_px} x "
                f"{area.height_px} px. Take pictures as large as those that the model was trained on, or train again."
            )
        if self.region is None:
            return (0, 0, width, height) if area is None or self.ring is not None else area.box
        left, top, region_width, region_height = self.region
        if top + region_height > height or left + region_width > width:
            raise PictureError(
                f"The region of interest ({region_width} x {region_height} px at x {left}, y {top}) reaches out of the "
                f"picture of {width} x {height} px. Take pictures as large as those that the model was trained on, or "
                "train again."
            )
        return self.region


def check_places(
    region: tuple[int, int, int, int] | None,
    ring: RingSearch | None,
    area: InspectionArea | None,
    parts: PartSearch | None,
) -> None:
    """Raises ValueError where what says where to look does not go together."""
    if parts is not None and (region is not None or ring is not None):
        other = "region" if region is not None else "ring"
        raise ValueError(
            f"parts are sought on the whole picture, each with a template: give parts or {other}, not both"
        )
    if area is None:
        return
    if parts is not None and (area.width_px, area.height_px) != (parts.width_px, parts.height_px):
        raise ValueError(
            f"the area is that of each part: draw it on {parts.width_px} x {parts.height_px} px, which is what is cut "
            f"out around a part, not on {area.width_px} x {area.height_px} px"
        )
    if region is not None:
        left, top, width, height = region
        if not mask_of_area(area)[top : top + height, left : left + width].any():
            raise ValueError("the region of interest holds nothing of what the area looks at")
