"""PaDiM's settings and presets. No torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ml.catalogue.info import Mebibytes, MethodInfo, Preset
from ml.catalogue.settings import PyramidParameters, SigmaPx, Stride, Strides


class PadimParameters(PyramidParameters):
    """PaDiM: one Gaussian per position (whole picture) or one for all positions (patches)."""

    strides: Strides = (4, 8, 16)
    grid_stride: Stride = Field(
        8, description="Pitch of the Gaussians in pixels: memory and time grow with the inverse square"
    )
    channels: int = Field(
        100, ge=2, le=4096, description="Features kept per position; memory and time grow with the square"
    )
    selection: Literal["random", "semi_orthogonal"] = Field(
        "random", description="A random pick of the features as published, or a random semi-orthogonal projection"
    )
    # Factories show 10 to 60 good parts and 100 features are kept: a position's own covariance is singular as a rule.
    # The published +0.01 I is absolute: its strength depends on the backbone's units. Shrinking towards the identity
    # (OAS, Ledoit-Wolf) minimises an error in which the largest eigenvalues count, while the distance lives on the
    # smallest, and feature spectra span three decades. The covariance pooled over all positions has seen hundreds of
    # times more vectors, has the right spectrum and needs no unit; it is what positions are shrunk to by default.
    covariance: Literal["pooled", "oas", "ledoit_wolf", "ridge"] = Field(
        "pooled",
        description="How a covariance from few pictures is made invertible: shrinkage towards that of all positions, "
        "towards the identity (OAS, Ledoit-Wolf), or the published +0.01 I",
    )
    sigma_px: SigmaPx = 4.0

    @model_validator(mode="after")
    def _enough_channels(self) -> Self:
        if self.feature_channels is not None and self.channels > self.feature_channels:
            raise ValueError(
                f"channels={self.channels}: {self.backbone} gives {self.feature_channels} at the strides "
                f"{','.join(map(str, self.strides))}"
            )
        return self


INFO = MethodInfo(
    name="padim",
    title="PaDiM",
    summary="Learns how each position of an aligned part may look. Fast, fixed model size.",
    paper="Defard, Setkov, Loesch, Audigier: PaDiM, ICPR workshops 2021, arXiv 2011.08785",
    needs_weights=True,
    tiles=True,
    parameters=PadimParameters,
    published="One pass, no training; ResNet-18 or Wide ResNet-50-2 at 224 px",
    positions="aligned",
    memory=Mebibytes(448, 1536),
    model=Mebibytes(32, 128),
    presets={
        "fast": Preset(224, {"strides": (8, 16), "channels": 64}, minutes=1),
        "balanced": Preset(256, {}, minutes=4),
        "thorough": Preset(320, {"channels": 160}, minutes=40),
    },
)
