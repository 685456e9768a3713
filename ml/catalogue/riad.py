"""RIAD's settings and presets. No torch."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ml.catalogue.info import Mebibytes, MethodInfo, Preset
from ml.catalogue.settings import SigmaPx, Steps, check_rising, read_list, read_number

LEAST_CROP_PX = 32


CellSides = Annotated[
    tuple[Annotated[Literal[2, 4, 8, 16, 32], BeforeValidator(read_number)], ...],
    BeforeValidator(read_list),
    AfterValidator(check_rising),
    Field(
        min_length=1,
        description="Sides of the hidden squares in pixels; small ones find fine defects, large ones large; "
        "inspection time grows with their number",
        json_schema_extra={"example": "4,16", "choices": [2, 4, 8, 16, 32]},
    ),
]


class RiadParameters(BaseModel):
    """RIAD: hidden squares are painted in from what surrounds them; what turns out otherwise is anomalous."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(
        0,
        ge=0,
        le=128,
        description="Channels of the network at full size, 64 as published; training and inspection time grow with "
        "the square; 0: by the time at hand",
        json_schema_extra={"zero": "by the time budget"},
    )
    crop_px: int = Field(
        0,
        ge=0,
        le=1024,
        description="Side of the crops that are learnt from, up to the whole input; inspection always sees all of it; "
        "0: by the time at hand",
        json_schema_extra={"zero": "by the time budget"},
    )
    cell_sides_px: CellSides = (2, 4, 8, 16)
    sets: int = Field(
        3, ge=2, le=8, description="Each square is hidden in one of this many passes, so that all are hidden once"
    )
    standardise: bool = Field(
        True,
        description="Whole pictures: each place is judged by what good parts show there; off: as published",
    )
    steps: Steps = 0
    # Within minutes, many steps from one crop each come further than a quarter of the steps from the published four,
    # and only if they are large: at 0.0001 hundreds of steps hardly leave the start.
    batch: int = Field(1, ge=1, le=64, description="Crops per training step; 4 published")
    learning_rate: float = Field(4e-3, gt=0, le=0.1, description="Size of Adam's steps at the start; 0.0001 published")
    smoothing: Literal["gaussian", "mean"] = Field(
        "gaussian", description="Map smoothing: a Gaussian of sigma_px, or the paper's mean over 21 x 21 pixels"
    )
    sigma_px: SigmaPx = 7.0

    @model_validator(mode="after")
    def _whole_crops(self) -> Self:
        if 0 < self.crop_px < LEAST_CROP_PX:
            raise ValueError(f"crop_px={self.crop_px} is not allowed; allowed: 0, or from {LEAST_CROP_PX} up to 1024")
        return self


INFO = MethodInfo(
    name="riad",
    title="RIAD",
    summary="Paints hidden squares in from their surroundings. For textures and fine edges.",
    paper="Zavrtanik, Kristan, Skočaj: Reconstruction by inpainting for visual anomaly detection, "
    "Pattern Recognition 112, 2021",
    needs_weights=False,
    parameters=RiadParameters,
    published="300 epochs of whole 256 px pictures in batches of 4, width 64",
    memory=Mebibytes(896, 6144),
    model=Mebibytes(16, 256),
    presets={
        "fast": Preset(128, {"cell_sides_px": (4, 16), "sigma_px": 3.5}, minutes=1),
        "balanced": Preset(192, {"sigma_px": 5.25}, minutes=4),
        "thorough": Preset(256, {"batch": 4}, minutes=40),
    },
    ladder=(
        {"width": 64, "crop_px": 256},
        {"width": 32, "crop_px": 192},
        {"width": 32, "crop_px": 128},
        {"width": 16, "crop_px": 128},
        {"width": 8, "crop_px": 128},
        {"width": 8, "crop_px": 64},
    ),
    enough_steps=1000,
)
