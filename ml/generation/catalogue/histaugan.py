"""HistAuGAN's settings. No torch."""

from pydantic import BaseModel, ConfigDict, Field

from ml.generation.catalogue.info import GeneratorInfo


class HistauganParameters(BaseModel):
    """Content and attribute encoders: what is shown stays, how it looks is drawn anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(16, ge=4, le=64, description="Channels of the networks at full size; 64 published")
    minutes: float = Field(4.0, gt=0, le=10_000, description="Time that training may take, in minutes")


INFO = GeneratorInfo(
    name="histaugan",
    title="HistAuGAN",
    summary="Learns how good pictures differ in colour and surface and gives each the look of others. "
    "Trains for minutes.",
    paper="Wagner et al.: Structure-preserving multi-domain stain color augmentation using style-transfer with "
    "disentangled representations, MICCAI 2021, arXiv 2107.12357",
    makes="good",
    parameters=HistauganParameters,
    published="crops of 216 px, batches of 2, width 64, up to 500,000 steps on a GPU",
)
