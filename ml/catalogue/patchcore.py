"""PatchCore's settings and presets. No torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ml.catalogue.info import USUAL_MIN_PICTURES, Mebibytes, MethodInfo, Preset
from ml.catalogue.settings import PyramidParameters, SigmaPx, Strides


class PatchcoreParameters(PyramidParameters):
    """PatchCore: distance to the nearest of a thinned-out set of normal feature vectors."""

    strides: Strides = (8, 16)
    embedding: Literal["mean", "plain", "published"] = Field(
        "mean",
        description="3x3 mean per feature, the features as they are (vision transformers), or the paper's 3x3 "
        "neighbourhood pooled to feature_dim",
    )
    feature_dim: int = Field(1024, ge=8, le=4096, description="Length of a 'published' feature vector")
    # A lite network's channels differ in size by two orders of magnitude; unscaled, a few of them make the distance.
    standardise: bool = Field(
        True, description="Scale every feature by its spread over the good pictures; off: distances as published"
    )
    coreset_ratio: float = Field(0.1, gt=0, le=1, description="Share of the normal feature vectors that is kept")
    coreset_cap: int = Field(3000, ge=1, le=1_000_000, description="Most vectors kept: bounds memory and time per part")
    candidates: int = Field(
        100_000, ge=1, le=10_000_000, description="Vectors drawn evenly over the pictures before the coreset is chosen"
    )
    projection: int = Field(128, ge=1, le=4096, description="Dimensions of the random projection used for choosing")
    neighbours: int = Field(1, ge=1, le=50, description="The map is the mean distance to this many neighbours")
    reweight: bool = Field(False, description="The paper's re-weighting of the picture's score by local density")
    reweight_neighbours: int = Field(9, ge=2, le=50, description="Neighbours in the bank that re-weighting looks at")
    score: Literal["max", "top1"] = Field(
        "max", description="Picture score: the map's maximum, or the mean of its highest 1 %"
    )
    metric: Literal["l2", "cosine"] = Field("l2", description="Distance between feature vectors")
    foreground: bool = Field(
        False,
        description="Judge only the part and not the background it lies on, told apart by their features; without a "
        "clear background everything is judged",
    )
    rotations: int = Field(
        1, ge=1, le=24, description="Turns in which each good picture is remembered, for parts that lie any way"
    )
    few_shot: bool = Field(
        False,
        description="For 1 to 8 good pictures: slightly changed copies join them and every vector is kept",
    )
    sigma_px: SigmaPx = 4.0

    @property
    def min_pictures(self) -> int:
        """With `few_shot` one good picture suffices: the threshold then comes from perturbed copies of it."""
        return 1 if self.few_shot else USUAL_MIN_PICTURES

    @model_validator(mode="after")
    def _one_score(self) -> Self:
        if self.reweight and self.score != "max":
            raise ValueError("reweight belongs to score=max: the paper weights the highest distance")
        return self


INFO = MethodInfo(
    name="patchcore",
    title="PatchCore",
    summary="Compares every spot with remembered good ones, wherever they lay. For unaligned parts, textures.",
    paper="Roth, Pemula, Zepeda, Schölkopf, Brox, Gehler: PatchCore, CVPR 2022, arXiv 2106.08265",
    needs_weights=True,
    tiles=True,
    parameters=PatchcoreParameters,
    published="One pass, no training; Wide ResNet-50-2 at 224 px, 1 to 25 % of the vectors kept",
    memory=Mebibytes(128, 512),
    model=Mebibytes(16, 64),
    presets={
        "fast": Preset(224, {"coreset_ratio": 0.05, "coreset_cap": 1000}, minutes=1),
        "balanced": Preset(256, {}, minutes=4),
        "thorough": Preset(384, {"coreset_cap": 10_000, "candidates": 200_000}, minutes=40),
    },
)
