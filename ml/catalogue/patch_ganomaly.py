"""Patch-GANomaly's settings and presets. No torch."""

from typing import Literal

from pydantic import Field

from ml.catalogue.adversarial import AdversarialParameters
from ml.catalogue.info import MethodInfo, Preset
from ml.catalogue.patchwise import PatchwiseParameters


class PatchAdversarialParameters(PatchwiseParameters, AdversarialParameters):
    """What Patch-GANomaly and TL-GANomaly share."""

    width: int = Field(
        0,
        ge=0,
        le=256,
        description="Channels of the networks at half the patch's size, 64 as published; training and inspection time "
        "grow with the square; 0: by the time at hand",
    )
    latent: int = Field(100, ge=1, le=2048, description="Length of a patch's code; too long, and defects pass through")
    discriminator_learning_rate: float = Field(
        1e-4, gt=0, le=0.1, description="Size of Adam's steps of the discriminator"
    )
    score: Literal["latent", "residual", "both"] = Field(
        "latent",
        description="A patch's score: the squared distance of the two codes, as published, the mean squared difference "
        "of the pixels, or both, each in units of what good patches show",
    )


class PatchGanomalyParameters(PatchAdversarialParameters):
    """Patch-GANomaly: patches whose code changes when they are drawn from it are anomalous."""


INFO = MethodInfo(
    name="patch_ganomaly",
    title="Patch-GANomaly",
    summary="Draws small patches from a code and compares the codes; for large homogeneous surfaces.",
    paper="Akcay, Atapour-Abarghouei, Breckon: GANomaly, ACCV 2018, arXiv 1805.06725, on patches of steel sheets",
    needs_weights=False,
    parameters=PatchGanomalyParameters,
    published="10 epochs of 32 px patches in batches of 64, width 64, code of 100, stride 8",
    native_up_to_size=True,
    presets={
        "fast": Preset(256, {}, minutes=1),
        "balanced": Preset(384, {}, minutes=4),
        "thorough": Preset(512, {"stride_px": 8}, minutes=40),
    },
    ladder=({"width": 64}, {"width": 32}, {"width": 16}, {"width": 8}),
    enough_steps=1000,
)
