"""DFR's settings and presets. No torch."""

from pydantic import Field

from ml.catalogue.info import Mebibytes, MethodInfo, Preset
from ml.catalogue.settings import PyramidParameters, SigmaPx, Steps, Stride, Strides


class DfrParameters(PyramidParameters):
    """DFR: how badly an autoencoder, trained on good parts, gives back the features of each spot."""

    strides: Strides = (4, 8, 16)
    grid_stride: Stride = Field(
        8,
        description="Pitch of the map in pixels; time and memory grow with its inverse square; published: 4",
    )
    # Channels of very different size would leave the loss, a sum of squares, to a few of them.
    standardise: bool = Field(
        True, description="Bring all features to mean 0 and spread 1 over the good pictures; off: as published"
    )
    code: int = Field(
        0,
        ge=0,
        le=4096,
        description="Length of the autoencoder's code; 0: as many principal components as variance asks",
    )
    variance: float = Field(
        0.9, gt=0, lt=1, description="Share of the features' variance that sets the length of the code"
    )
    # Both settled by the error on held-out good pictures after half a minute on one core: 0.42 at 0.0001, 0.12 here;
    # a rate of 0.01 was better on one set and worse on another, batches of 2048 were worse for the same time.
    learning_rate: float = Field(
        3e-3, gt=0, le=0.1, description="Adam's, falling to zero along a cosine; the published one is a constant 0.0001"
    )
    batch: int = Field(512, ge=16, le=65_536, description="Spots per training step, drawn from all good pictures")
    steps: Steps = 0
    sigma_px: SigmaPx = 4.0


INFO = MethodInfo(
    name="dfr",
    title="DFR",
    summary="Learns to give back the features of good surfaces; what it cannot is odd. For textures, unaligned parts.",
    paper="Yang, Shi, Qi: DFR, Deep Feature Reconstruction for Unsupervised Anomaly Segmentation, 2020, "
    "arXiv 2012.07122",
    needs_weights=True,
    tiles=True,
    parameters=DfrParameters,
    published="150 epochs in batches of 4 pictures at 256 px; VGG-19 to relu4_4, 3,456 features on a grid of 64 x 64",
    memory=Mebibytes(128, 512),
    model=Mebibytes(8, 32),
    presets={
        "fast": Preset(224, {"strides": (8, 16)}, minutes=1),
        "balanced": Preset(256, {}, minutes=4),
        "thorough": Preset(320, {"grid_stride": 4}, minutes=40),
    },
)
