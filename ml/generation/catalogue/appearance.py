"""The settings of the appearance generator. No torch."""

from pydantic import BaseModel, ConfigDict, Field

from ml.generation.catalogue.info import GeneratorInfo


class AppearanceParameters(BaseModel):
    """Colour, light, sharpness and noise as good pictures differ in them; what is shown stays where it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: float = Field(
        1.0,
        gt=0,
        le=1.5,
        description="How far new pictures may lie from the middle of the good ones: 1 reaches as far as the outermost "
        "of them, more reaches beyond",
    )
    colour: bool = Field(True, description="Vary brightness, contrast and colour cast")
    illumination: bool = Field(True, description="Vary how the light falls off over the picture")
    sharpness: bool = Field(True, description="Vary blur and noise")


INFO = GeneratorInfo(
    name="appearance",
    title="Appearance",
    summary="New light, colour, sharpness and noise for good pictures, within what the good pictures show. "
    "Takes milliseconds.",
    paper="No single source: transfer of moments in LAB after Reinhard et al., Color transfer between images, IEEE "
    "CG&A 21(5), 2001",
    makes="good",
    parameters=AppearanceParameters,
    strength="strength",
)
