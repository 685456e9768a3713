"""EfficientAD's settings and presets. No torch."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ml.catalogue.info import Mebibytes, MethodInfo, Preset
from ml.catalogue.settings import PyramidParameters, SigmaPx, Steps, Strides, read_number


class EfficientadParameters(PyramidParameters):
    """EfficientAD: a student that mimics a frozen teacher on good parts, and an autoencoder that knows the whole."""

    strides: Strides = (8, 16)
    # The backbone's features are no finer than 8 px; at 4 px the same is computed four times over.
    grid_stride: Annotated[Literal[4, 8], BeforeValidator(read_number)] = Field(
        8, description="Pitch of the map in pixels; 4 as published, for four times the training and inspection time"
    )
    network: Literal["small", "medium"] = Field("small", description="The student's layers: PDN-S or PDN-M")
    width: int = Field(
        0,
        ge=0,
        le=512,
        description="Channels of the student's first layer, 128 (small) or 256 (medium) as published; training and "
        "inspection time grow with the square; 0: by the time at hand",
        json_schema_extra={"zero": "by the time budget"},
    )
    channels: int = Field(
        128,
        ge=8,
        le=1024,
        description="Most features of the teacher that are mimicked; more are projected to so many; 384 as published",
    )
    student: Literal["quick", "published"] = Field(
        "quick",
        description="quick: batch normalisation, and the first layer takes every second pixel; published: neither",
    )
    batch: int = Field(2, ge=1, le=64, description="Good pictures per training step; 1 as published")
    crop_px: int = Field(
        0,
        ge=0,
        le=1024,
        description="Side of the crops that the student learns from, up to the whole input; 0: by the time at hand",
        json_schema_extra={"zero": "by the time budget"},
    )
    autoencoder_px: Annotated[Literal[64, 128, 256], BeforeValidator(read_number)] = Field(
        64, description="Side of the square that the autoencoder sees the whole input on; 256 as published"
    )
    # The published values below are made for 70,000 steps. Here there are about a thousand, and a student that has not
    # learnt the bulk yet gets next to no gradient from the largest thousandth of its errors.
    hard_share: float = Field(
        0.1, gt=0, le=1, description="Share of the student's largest errors that it learns from; 0.001 published"
    )
    hard_after: float = Field(
        0.7,
        ge=0,
        le=1,
        description="Share of the steps over which hard_share is approached from all errors; 0, at once, as published",
    )
    learning_rate: float = Field(3e-3, gt=0, le=0.1, description="Size of Adam's largest steps; 0.0001 published")
    schedule: Literal["cosine", "late_drop"] = Field(
        "cosine",
        description="cosine: the step size rises and falls again; late_drop: a tenth for the last twentieth, published",
    )
    differences: Literal["whitened", "squares"] = Field(
        "whitened",
        description="whitened: differences count by how unusual they are among good pictures; squares: as published",
    )
    branches: Literal["explained", "equal"] = Field(
        "explained",
        description="Weights of the student's and the autoencoder's map: by how much of good pictures they explain, or "
        "equal as published",
    )
    steps: Steps = 0
    sigma_px: SigmaPx = 4.0


INFO = MethodInfo(
    name="efficientad",
    title="EfficientAD",
    summary="A student mimics a teacher on good parts, an autoencoder knows the whole. Within minutes the autoencoder "
    "learns little: weak at misplaced pieces then, and at surfaces that vary much.",
    paper="Batzner, Heckler, König: EfficientAD, WACV 2024, arXiv 2303.14535",
    needs_weights=True,
    parameters=EfficientadParameters,
    published="70,000 steps of one 256 px picture each, width 128, a teacher of 384 channels trained on ImageNet",
    positions="aligned",
    memory=Mebibytes(768, 1024),
    model=Mebibytes(16, 32),
    presets={
        "fast": Preset(192, {}, minutes=1),
        "balanced": Preset(256, {}, minutes=4),
        "thorough": Preset(256, {"autoencoder_px": 256}, minutes=40),
    },
    ladder=(
        {"width": 128, "crop_px": 256},
        {"width": 64, "crop_px": 256},
        {"width": 64, "crop_px": 128},
        {"width": 32, "crop_px": 128},
        {"width": 32, "crop_px": 64},
    ),
    enough_steps=1000,
)
