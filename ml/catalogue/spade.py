"""SPADE's settings and presets. No torch."""

from typing import Literal

from pydantic import Field

from ml.catalogue.info import Mebibytes, MethodInfo, Preset
from ml.catalogue.settings import PyramidParameters, SigmaPx, Stride, Strides


class SpadeParameters(PyramidParameters):
    """SPADE: distance of every spot to the spots of the good pictures that look most like this one."""

    strides: Strides = (4, 8, 16)
    map: Literal["concatenated", "layers"] = Field(
        "concatenated",
        description="One feature vector over all depths, as the paper describes it; or the mean of one map per depth, "
        "as its known implementation has it",
    )
    grid_stride: Stride = Field(
        8,
        description="Pitch of the map in pixels; of concatenated features too: their time grows with its inverse "
        "fourth power",
    )
    # The paper takes 50, the known implementation 5. Time per part grows with it; 10 keeps it near that of the network.
    nearest_pictures: int = Field(
        10, ge=1, le=1000, description="Good pictures, those most like the one inspected, whose spots are compared"
    )
    neighbours: int = Field(1, ge=1, le=50, description="The map is the mean distance to this many spots")
    metric: Literal["l2", "cosine"] = Field("l2", description="Distance between feature vectors")
    standardise: bool = Field(
        True,
        description="Let all depths weigh the same, each scaled by its spread over the good pictures; off: as "
        "published, ruled by the depth with the largest values",
    )
    score: Literal["max", "neighbours"] = Field(
        "max",
        description="Picture score: the maximum of the map; or as published the mean distance to the nearest pictures, "
        "which may disagree with the map",
    )
    cleaning: Literal["none", "one_class_svm", "isolation_forest"] = Field(
        "none", description="What picks out odd pictures among the good ones, so that they are not learnt from"
    )
    cleaning_share: float = Field(
        0.05, gt=0, le=0.3, description="What cleaning takes away, the oddest, as a share of the pictures"
    )
    gallery_mb: int = Field(
        128, ge=1, le=4096, description="Most megabytes of good pictures' features kept in the model file"
    )
    sigma_px: SigmaPx = 4.0


INFO = MethodInfo(
    name="spade",
    title="SPADE",
    summary="Looks up the good pictures most like this one and compares every spot with theirs. No training, slower.",
    paper="Cohen, Hoshen: Sub-Image Anomaly Detection with Deep Pyramid Correspondences, 2020, arXiv 2005.02357",
    needs_weights=True,
    parameters=SpadeParameters,
    published="One pass, no training; Wide ResNet-50-2 at 224 px, strides 4, 8, 16, the 50 nearest pictures",
    memory=Mebibytes(192, 768),
    model=Mebibytes(160, 560),
    presets={
        "fast": Preset(224, {"strides": (8, 16), "nearest_pictures": 5}, minutes=1),
        "balanced": Preset(256, {}, minutes=4),
        "thorough": Preset(320, {"nearest_pictures": 50, "gallery_mb": 512}, minutes=40),
    },
)
