"""GANomaly's settings and presets. No torch."""

from typing import Literal

from pydantic import Field

from ml.catalogue.adversarial import AdversarialParameters
from ml.catalogue.info import MethodInfo, Preset
from ml.catalogue.settings import SigmaPx


class GanomalyParameters(AdversarialParameters):
    """GANomaly: what a narrow code cannot carry over is anomalous."""

    batch: int = Field(16, ge=1, le=1024, description="Pictures per training step; 64 published")
    width: int = Field(
        0,
        ge=0,
        le=256,
        description="Channels at half the input's size, 64 as published; they double with each halving, and time grows "
        "with the square; 0: by the time at hand",
    )
    latent: int = Field(
        100, ge=1, le=2000, description="Numbers that a picture is reduced to; 100 published, 500 for valve seats"
    )
    extra_layers: int = Field(0, ge=0, le=8, description="Further convolutions at half the input's size")
    norm: Literal["batch", "group", "instance"] = Field(
        "batch",
        description="Normalisation: over the batch, with running statistics once trained, as published; or within each "
        "picture, over groups of channels or over each",
    )
    channels: Literal["colour", "grey"] = Field("colour", description="What the networks see of the picture")
    score: Literal["latent", "residual", "both"] = Field(
        "latent",
        description="Score of a picture: distance of the two codes, as published; highest place of the map; or both, "
        "each in units of what good parts show",
    )
    ssim_weight: float = Field(
        0.0, ge=0, le=100, description="Weight of the loss of structural similarity in the map; 0: differences alone"
    )
    sigma_px: SigmaPx = 2.0
    shift_px: int = Field(
        0, ge=0, le=15, description="Learn from pictures shifted by up to so many pixels of the input"
    )
    flip: bool = Field(False, description="Learn from mirrored pictures too")


INFO = MethodInfo(
    name="ganomaly",
    title="GANomaly",
    summary="Redraws a part from a short code. For small, tight regions or patches; on whole pictures often no better "
    "than chance.",
    paper="Akcay, Atapour-Abarghouei, Breckon: GANomaly, ACCV 2018, arXiv 1805.06725",
    needs_weights=False,
    parameters=GanomalyParameters,
    published="15 epochs in batches of 64, width 64",
    presets={
        "fast": Preset(32, {}, minutes=1),
        "balanced": Preset(64, {}, minutes=4),
        "thorough": Preset(128, {"batch": 64}, minutes=40),
    },
    ladder=({"width": 64}, {"width": 32}, {"width": 16}, {"width": 8}),
    enough_steps=1000,
)
