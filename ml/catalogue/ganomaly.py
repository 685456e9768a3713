"""GANomaly's settings and presets. No torch."""

from typing import Literal

from pydantic import Field

from ml.catalogue.adversarial import RedrawingParameters
from ml.catalogue.info import WIDTHS, Mebibytes, MethodInfo, Preset


class GanomalyParameters(RedrawingParameters):
    """GANomaly: what a short code cannot carry over is anomalous."""

    latent: int = Field(
        100, ge=1, le=2000, description="Numbers that a picture is reduced to; 100 published, 500 for valve seats"
    )
    extra_layers: int = Field(0, ge=0, le=8, description="Further convolutions at half the input's size")
    score: Literal["latent", "residual", "both"] = Field(
        "both",
        description="Score of a picture: the distance of its two codes, as published; what the picture itself shows; "
        "or both, in units of how far good parts differ",
    )
    ssim_weight: float = Field(
        0.0, ge=0, le=100, description="Weight of the loss of structural similarity in the map; 0: differences alone"
    )


INFO = MethodInfo(
    name="ganomaly",
    title="GANomaly",
    summary="Redraws a part from a short code. For tight, masked regions or patches: on whole pictures it is often no "
    "better than chance (published re-run on MVTec: 0.42).",
    paper="Akcay, Atapour-Abarghouei, Breckon: GANomaly, ACCV 2018, arXiv 1805.06725",
    needs_weights=False,
    parameters=GanomalyParameters,
    published="15 epochs in batches of 64, width 64",
    memory=Mebibytes(320, 4096),
    model=Mebibytes(8, 256),
    presets={
        "fast": Preset(32, {"shift_px": 1}, minutes=1),
        "balanced": Preset(64, {}, minutes=4),
        "thorough": Preset(128, {"batch": 16, "shift_px": 6}, minutes=40),
    },
    positions="aligned",
    ladder=WIDTHS,
    enough_steps=2000,
)
