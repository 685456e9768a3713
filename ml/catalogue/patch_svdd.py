"""Patch SVDD's settings and presets. No torch."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ml.catalogue.info import Mebibytes, MethodInfo, Preset
from ml.catalogue.settings import Steps, read_number


class PatchSvddParameters(BaseModel):
    """Patch SVDD: an embedding of patches learnt from the good pictures themselves, and the distance to the nearest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patch_px: Annotated[Literal[32, 64], BeforeValidator(read_number)] = Field(
        64,
        description="Side of the large patches, the small ones have half of it; 32 for small parts, at four times "
        "the time per pixel",
    )
    map: Literal["product", "sum", "large", "small"] = Field(
        "product", description="Map of both patch sizes together, multiplied or added, or of one of them alone"
    )
    steps: Steps = 0
    batch: int = Field(4, ge=1, le=64, description="Windows per training step, each with 64 pairs per patch size")
    learning_rate: float = Field(5e-4, gt=0, le=0.1, description="Size of Adam's steps at the start; 0.0001 published")
    svdd_weight: float = Field(
        1e-3,
        ge=0,
        le=1,
        description="Lambda: how strongly close patches are drawn together; too much makes all patches look the same",
    )
    bank_cap: int = Field(
        3000, ge=1, le=1_000_000, description="Most normal patches kept per patch size: bounds memory and time per part"
    )


INFO = MethodInfo(
    name="patch_svdd",
    title="Patch SVDD",
    summary="Learns what patches of this part look like, and compares with remembered ones.",
    paper="Yi, Yoon: Patch SVDD, ACCV 2020, arXiv 2006.16067",
    needs_weights=False,
    parameters=PatchSvddParameters,
    published="300 rounds of 100 patch pairs per 256 px picture in batches of 64, all patches kept",
    memory=Mebibytes(256, 512),
    model=Mebibytes(8, 32),
    presets={
        "fast": Preset(256, {"bank_cap": 1000}, minutes=1),
        "balanced": Preset(256, {}, minutes=4),
        "thorough": Preset(256, {"bank_cap": 10_000}, minutes=40),
    },
)
