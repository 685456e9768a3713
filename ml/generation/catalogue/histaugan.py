"""HistAuGAN's settings. No torch."""

from pydantic import BaseModel, ConfigDict, Field

from ml.generation.catalogue.info import GeneratorInfo

CROP_MULTIPLE_PX = 4
"""The networks halve a picture twice."""


class HistauganParameters(BaseModel):
    """Content and attribute encoders: what is shown stays, how it looks is drawn anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(16, ge=4, le=64, description="Channels of the networks at full size; 64 published")
    crop_px: int = Field(
        64,
        ge=32,
        le=512,
        multiple_of=CROP_MULTIPLE_PX,
        description="Side of the crops that are learnt from, of pictures whose shorter side is 1.185 times as long; "
        "216 published",
    )
    domains: int = Field(
        3,
        ge=2,
        le=8,
        description="Looks that the good pictures are sorted into by their colours. With a single one there is nothing "
        "to tell apart: content and look are then not separated, and colours turn out at random",
    )
    template: str = Field(
        "",
        description="Picture file of a part whose look the others are to learn too. The looks are then its "
        "own and that of the good pictures; `domains` is of no weight",
    )
    steps: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Training steps, of three published iterations each; 0: as many as fit into `minutes`",
        json_schema_extra={"zero": "by the time budget"},
    )
    minutes: float = Field(4.0, gt=0, le=10_000, description="Time that training may take, in minutes")
    batch: int = Field(2, ge=2, le=64, multiple_of=2, description="Crops per step, an even number; 2 published")
    learning_rate: float = Field(5e-4, gt=0, le=0.01, description="Size of Adam's steps; 0.0001 published")
    attribute_prior: float = Field(
        0.1,
        gt=0,
        le=10,
        description="How firmly the numbers that describe a look are held near the normal distribution that new looks "
        "are drawn from; 0.01 published, from which they stray far within the first minutes",
    )
    reach: float = Field(
        1.0,
        gt=0,
        le=1.5,
        description="How far colours may go: 1 as far as the good pictures' own, more beyond them. What reaches too "
        "far teaches that discoloured parts are good",
    )
    least_correlation: float = Field(
        0.9,
        ge=0.9,
        lt=1,
        description="Least correlation of a new picture's gradients with its source's; a change that breaks more "
        "structure is weakened until it is kept",
    )


INFO = GeneratorInfo(
    name="histaugan",
    title="HistAuGAN",
    summary="Learns how good pictures differ in colour and surface and gives each the look of others. "
    "Trains for minutes.",
    paper="Wagner et al.: Structure-preserving multi-domain stain color augmentation using style-transfer with "
    "disentangled representations, MICCAI 2021, arXiv 2107.12357",
    makes="good",
    parameters=HistauganParameters,
    strength="reach",
    min_pictures=4,
    published="width=64, crop_px=216, batch=2, learning_rate=0.0001, attribute_prior=0.01, 500,000 iterations on a GPU",
)
