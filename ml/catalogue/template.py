"""The golden template's settings and presets. No torch."""

from pydantic import BaseModel, ConfigDict, Field

from ml.catalogue.info import Mebibytes, MethodInfo, Preset
from ml.catalogue.settings import SigmaPx


class TemplateParameters(BaseModel):
    """Golden template: what leaves the tolerance around one good picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edge_px: int = Field(
        2, ge=0, le=16, description="How far edges may lie beside those of the template, in pixels of the input"
    )
    # Interpolation and blur leave a rest of an edge's contrast beyond the pixels by which it may move.
    edge_contrast: float = Field(
        0.1, ge=0, le=1, description="Share of the contrast near an edge by which pixels may differ beyond that"
    )
    noise: float = Field(
        0.02,
        ge=0.005,
        le=0.5,
        description="Difference that noise makes, as a share of the value window",
    )
    gallery: int = Field(
        12, ge=0, le=200, description="Perturbed copies of the template from which it is learnt where it may vary"
    )
    pictures: int = Field(32, ge=1, le=500, description="Most good pictures that the template is made from")
    min_correlation: float = Field(
        0.5, ge=0, le=1, description="Correlation with the template below which a part counts as not registered"
    )
    equalise: bool = Field(
        True, description="Take out a change of exposure (gain within 25 %) before comparing; off: it is a defect"
    )
    sigma_px: SigmaPx = 1.5

    @property
    def min_pictures(self) -> int:
        """One good picture suffices: the threshold then comes from perturbed copies of it."""
        return 1


INFO = MethodInfo(
    name="template",
    title="Golden template",
    summary="Compares every pixel with a good picture, brought to lie upon it. Learns from a single picture; "
    "for printed artwork and rigid parts.",
    paper="Registration: Evangelidis, Psarakis, PAMI 2008 (ECC). The comparison follows industrial practice",
    needs_weights=False,
    parameters=TemplateParameters,
    published="No training; one good picture. The work that asked with and without a template taught a student network",
    positions="aligned",
    memory=Mebibytes(896, 2560),
    model=Mebibytes(16, 64),
    presets={
        "fast": Preset(384, {"gallery": 6}, minutes=1),
        "balanced": Preset(640, {}, minutes=4),
        "thorough": Preset(1024, {"gallery": 24}, minutes=40),
    },
    native_up_to_size=True,
)
