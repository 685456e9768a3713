"""EfficientAD's settings and presets. No torch."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ml.catalogue.info import MethodInfo, Preset
from ml.catalogue.settings import PyramidParameters, SigmaPx, Steps, Strides


def _read_number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


class EfficientadParameters(PyramidParameters):
    """EfficientAD: a student that mimics a frozen teacher on good parts, and an autoencoder that knows the whole."""

    strides: Strides = (8, 16)
    # The backbone's features are no finer than 8 px; at 4 px the same is computed four times over.
    grid_stride: Annotated[Literal[4, 8], BeforeValidator(_read_number)] = Field(
        8, description="Pitch of the map in pixels; 4 as published, for four times the training and inspection time"
    )
    network: Literal["small", "medium"] = Field("small", description="The student's layers: PDN-S or PDN-M")
    width: int = Field(
        0,
        ge=0,
        le=512,
        description="Channels of the student's first layer, 128 (small) or 256 (medium) as published; training and "
        "inspection time grow with the square; 0: by the time at hand",
    )
    channels: int = Field(
        384, ge=8, le=1024, description="Most features of the teacher that are mimicked; more are projected to so many"
    )
    crop_px: int = Field(
        0,
        ge=0,
        le=1024,
        description="Side of the crops that the student learns from, up to the whole input; 0: by the time at hand",
    )
    autoencoder_px: Annotated[Literal[64, 128, 256], BeforeValidator(_read_number)] = Field(
        128, description="Side of the square that the autoencoder sees the whole input on; 256 as published"
    )
    # The published values are made for 70,000 steps on whole pictures. After hundreds of steps on crops the larger ones
    # told defects painted on held-out good pictures from those better (image AUROC 0.71 against 0.59 in 200 steps).
    hard_share: float = Field(
        0.1, gt=0, le=1, description="Share of the student's largest errors that it learns from; 0.001 published"
    )
    learning_rate: float = Field(1e-3, gt=0, le=0.1, description="Size of Adam's steps; 0.0001 published")
    steps: Steps = 0
    sigma_px: SigmaPx = 4.0


INFO = MethodInfo(
    name="efficientad",
    title="EfficientAD",
    summary="A student mimics a teacher on good parts, an autoencoder knows the whole. Finds missing and extra pieces.",
    paper="Batzner, Heckler, König: EfficientAD, WACV 2024, arXiv 2303.14535",
    needs_weights=True,
    parameters=EfficientadParameters,
    published="70,000 steps of one 256 px picture each, width 128, a teacher of 384 channels trained on ImageNet",
    positions="aligned",
    presets={
        "fast": Preset(192, {"autoencoder_px": 64}, minutes=1),
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
