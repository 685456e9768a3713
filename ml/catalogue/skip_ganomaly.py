"""Skip-GANomaly's settings and presets. No torch."""

from pydantic import Field

from ml.catalogue.adversarial import RedrawingParameters
from ml.catalogue.info import WIDTHS, Mebibytes, MethodInfo, Preset


class SkipGanomalyParameters(RedrawingParameters):
    """Skip-GANomaly: a U-Net redraws the picture, and a discriminator says in features how well."""

    latent: int = Field(100, ge=1, le=2000, description="Features of the discriminator; 100 published")
    dropped_skips: int = Field(
        0,
        ge=0,
        le=8,
        description="Skip connections left out, from the finest on; 0 as published. The fewer are left, the less a "
        "defect can be copied, and the coarser the picture",
    )
    noise: float = Field(
        0.0, ge=0, le=1, description="Noise added to what is redrawn while learning, in units of half the value range"
    )
    scale_terms: bool = Field(
        True, description="Count both terms in units of how far good parts differ; off: plainly, as published"
    )


INFO = MethodInfo(
    name="skip_ganomaly",
    title="Skip-GANomaly",
    summary="Redraws a part in all detail, at worst its defects too. For tight, masked regions of parts that lie in "
    "the same place.",
    paper="Akcay, Atapour-Abarghouei, Breckon: Skip-GANomaly, IJCNN 2019, arXiv 1901.08954",
    needs_weights=False,
    parameters=SkipGanomalyParameters,
    published="15 epochs in batches of 64, width 64",
    memory=Mebibytes(704, 4096),
    model=Mebibytes(16, 256),
    presets={
        "fast": Preset(32, {"shift_px": 1}, minutes=1),
        "balanced": Preset(64, {}, minutes=4),
        "thorough": Preset(128, {"batch": 16, "shift_px": 6, "sigma_px": 4.0}, minutes=40),
    },
    positions="aligned",
    ladder=WIDTHS,
    enough_steps=2000,
)
