"""The settings of the synthetic defects. No torch."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ml.generation.catalogue.info import GeneratorInfo

Kind = Literal["cutpaste_patch", "cutpaste_scar", "texture_blend", "scratch", "spot", "dent"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def _split(value: object) -> object:
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


def _check_once(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    if len(set(kinds)) != len(kinds):
        raise ValueError("named twice")
    return kinds


class SyntheticDefectsParameters(BaseModel):
    """Defects painted into good pictures, each with the mask of where it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: Annotated[
        tuple[Kind, ...],
        BeforeValidator(_split),
        AfterValidator(_check_once),
        Field(
            min_length=1,
            description="Kinds of defects, one of which is drawn for each picture",
            json_schema_extra={"example": "scratch,spot", "choices": list(KINDS)},
        ),
    ] = KINDS
    strength: float = Field(1.0, gt=0, le=1, description="How far the defects stand out")


INFO = GeneratorInfo(
    name="synthetic_defects",
    title="Synthetic defects",
    summary="Scratches, spots, dents, foreign texture and misplaced pieces, painted into good pictures, with masks. "
    "For rehearsals, not to learn good parts from.",
    paper="Li et al., CutPaste, CVPR 2021, arXiv 2104.04015; Zavrtanik et al., DRAEM, ICCV 2021, arXiv 2108.07610",
    makes="defects",
    parameters=SyntheticDefectsParameters,
    strength="strength",
)
