"""SinGAN's settings. No torch."""

from pydantic import BaseModel, ConfigDict, Field

from ml.generation.catalogue.info import GeneratorInfo


class SinganParameters(BaseModel):
    """A pyramid of generators, learnt from a single picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: float = Field(4.0, gt=0, le=10_000, description="Time that training may take, in minutes")


INFO = GeneratorInfo(
    name="singan",
    title="SinGAN",
    summary="Learns one good picture at several scales and makes variants of it. For textures; trains for minutes.",
    paper="Rott Shaham, Dekel, Michaeli: SinGAN: Learning a generative model from a single natural image, ICCV 2019, "
    "arXiv 1905.01164",
    makes="good",
    parameters=SinganParameters,
    published="8 to 10 scales up to 250 px of 2,000 steps each, about 30 minutes on a GPU",
)
