"""SinGAN's settings. No torch."""

from pydantic import BaseModel, ConfigDict, Field

from ml.generation.catalogue.info import GeneratorInfo


class SinganParameters(BaseModel):
    """A pyramid of generators, learnt from a single picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: int = Field(
        1,
        ge=1,
        le=100,
        description="Good pictures that are learnt, each by a pyramid of its own, which shares the time",
    )
    source: int = Field(
        -1, ge=-1, description="The one picture that is learnt, counted from 0 in the order of the files; -1: drawn"
    )
    size_px: int = Field(
        96, ge=32, le=1024, description="Longer side of the picture that is learnt, scaled down; 250 published"
    )
    coarsest_px: int = Field(25, ge=16, le=128, description="Shorter side of the coarsest scale; 25 published")
    scale_factor: float = Field(0.75, ge=0.5, le=0.9, description="From one scale to the next coarser one")
    channels: int = Field(
        16, ge=4, le=128, description="Channels of the networks, doubled every four scales; 32 published"
    )
    steps: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Training steps per scale; 2000 published; 0: as many as fit into `minutes`",
        json_schema_extra={"zero": "by the time budget"},
    )
    minutes: float = Field(4.0, gt=0, le=10_000, description="Time that training may take, in minutes")
    updates: int = Field(
        1, ge=1, le=10, description="Updates of the critic, and as many of the generator, per step; 3 published"
    )
    learning_rate: float = Field(5e-4, gt=0, le=0.01, description="Size of Adam's steps until the last fifth")
    injection_scale: int = Field(
        1,
        ge=0,
        le=20,
        description="Scale from which on chance has its way, 0 the coarsest: what is coarser stays near the source. "
        "At 0 even the outline is free, which suits textures and no parts",
    )
    looseness: float = Field(
        0.15,
        ge=0,
        le=1,
        description="How far the coarser scales may leave the source: 0 not at all, 1 wholly by chance; of no weight "
        "where injection_scale is 0",
    )
    least_correlation: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="Least correlation of a variant's gradients with its source's: looseness is lowered for one that "
        "has less; of no weight where injection_scale is 0",
    )


INFO = GeneratorInfo(
    name="singan",
    title="SinGAN",
    summary="Learns one good picture at several scales and makes variants of it. For textures; trains for minutes.",
    paper="Rott Shaham, Dekel, Michaeli: SinGAN: Learning a generative model from a single natural image, ICCV 2019, "
    "arXiv 1905.01164",
    makes="good",
    parameters=SinganParameters,
    strength="looseness",
    published="size_px=250, channels=32, steps=2000, updates=3: about 30 minutes on a GPU",
)
