"""Patch-GANomaly's settings and presets. No torch."""

from typing import Annotated, Literal

from pydantic import Field

from ml.catalogue.adversarial import AdversarialParameters
from ml.catalogue.info import WIDTHS, Mebibytes, MethodInfo
from ml.catalogue.patch_redrawing import PatchRedrawingParameters
from ml.catalogue.patchwise import PRESETS

PatchScore = Annotated[
    Literal["latent", "residual", "both"],
    Field(
        description="A patch's score: the squared distance of the two codes, as published, the mean squared difference "
        "of the pixels, or both, each in units of what good patches show"
    ),
]


class PatchAdversarialParameters(PatchRedrawingParameters, AdversarialParameters):
    """What Patch-GANomaly and TL-GANomaly share."""

    # Within each patch what is bright or strong is lost: group 0.51, batch 0.64 (one run each, as for `score` below).
    norm: Literal["batch", "group", "instance"] = Field(
        "batch",
        description="Normalisation: over the batch, with running statistics once trained, as published; or within each "
        "patch, over groups of channels or over each",
    )
    # There are hundreds of steps here instead of ten thousands.
    learning_rate: float = Field(
        1e-3, gt=0, le=0.1, description="Size of Adam's steps of the generator; 0.0002 published"
    )
    discriminator_learning_rate: float = Field(
        5e-4, gt=0, le=0.1, description="Size of Adam's steps of the discriminator; 0.0001 published"
    )
    score: PatchScore = "latent"


class PatchGanomalyParameters(PatchAdversarialParameters):
    """Patch-GANomaly: patches whose code changes when they are drawn from it are anomalous."""

    # Image AUROC of defects painted into 42 held-out magnetic tiles, one run of width 16, standard error 0.06: latent
    # 0.58, residual 0.59, both 0.64 (there each number of the code in units of what good patches show).
    score: PatchScore = "both"


INFO = MethodInfo(
    name="patch_ganomaly",
    title="Patch-GANomaly",
    summary="Draws small patches from a code and compares the codes; for large homogeneous surfaces.",
    paper="Akcay, Atapour-Abarghouei, Breckon: GANomaly, ACCV 2018, arXiv 1805.06725, on patches of steel sheets",
    needs_weights=False,
    parameters=PatchGanomalyParameters,
    published="10 epochs of 32 px patches in batches of 64, width 64, code of 100, stride 8",
    native_up_to_size=True,
    memory=Mebibytes(256, 1024),
    model=Mebibytes(8, 32),
    presets=PRESETS,
    ladder=WIDTHS,
    enough_steps=1000,
)
