"""The training order: everything that decides what model comes out, as one versioned JSON file. No torch."""

import re
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ml.catalogue import METHODS
from ml.errors import ParameterError
from ml.files import read_document, write_atomically
from ml.inspection_area import InspectionArea
from ml.part_search import PartSearch
from ml.picture_list import is_picture_list
from ml.preprocessing import Clahe, RegionOfInterest, RingSearch, check_places
from ml.region_rules import RegionRules
from ml.score_sheet import scores_folder
from ml.tiles import has_tiles, methods_with_tiles

JOB_VERSION: Final = 1

USUAL_GENERATED, MOST_GENERATED = 100, 10_000
"""Generated pictures."""

FilterSide = Literal[3, 5, 7]
FILTER_SIDES: Final[tuple[FilterSide, ...]] = get_args(FilterSide)
"""Of a learned map filter, in cells."""

MOST_SEED: Final = 2**31 - 1
"""All random generators in use take it, with room for the many seeds that follow from one."""


DEFAULT_STRIDE = 0.75
"""Of the patch: neighbouring patches share a quarter."""


def default_stride(patch: int) -> int:
    """Pixels from patch to patch where the job does not say."""
    return max(8, round(patch * DEFAULT_STRIDE / 8) * 8)


class Augmentation(BaseModel):
    """Learn also from `count` pictures that `generator` (see `ml.generation`) makes of those learnt from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generator: str
    count: int = Field(default=USUAL_GENERATED, ge=1, le=MOST_GENERATED)
    settings: dict[str, Any] = Field(default_factory=dict)


class TrainingJob(BaseModel):
    """What `loupe train` and the Training page both carry out. `parameters` overrule those of the preset.

    `size` is the side in px to which whole pictures are resized (None: the preset's); with `patch` (and `stride`, three
    quarters of the patch unless given) patches are cut at native resolution instead, or with `tiles` large ones that
    also see what is around them (`ml.tiles`). `window` are the raw counts that become 0 and 1; None takes the full
    range of the bits that the training pictures use. `group_by` is a regular expression whose first group (or whole
    match) in a file name tells the part, where several pictures show one part.
    `defects` is a folder with pictures of defective parts, for methods that can learn from them; no test picture may be
    among them. `defect_masks` is a folder with a mask for each of them (NAME_mask.png or NAME.png, not 0 on a defect).
    `data` is a folder, or a list of pictures (`ml.picture_list`), which also tells parts, defects and tests.
    `base` is a model file to be fine-tuned: method, settings and preprocessing are then that model's, and the job must
    not say otherwise. `replay` is a folder with the good pictures that it learnt from, where `data` does not hold them.
    `clahe`, `ring`, `area`, `parts` and `rules` are stored with the model; `conv_processing` is the side of a learned
    map filter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: Literal[1] = JOB_VERSION
    data: Path
    out: Path
    name: str = Field(default="", max_length=80)
    method: str = "patchcore"
    parameters: dict[str, Any] = Field(default_factory=dict)
    preset: Literal["fast", "balanced", "thorough"] = "balanced"
    size: int | None = Field(default=None, ge=32, le=4096)
    patch: int | None = Field(default=None, ge=32, le=4096)
    stride: int | None = Field(default=None, ge=8)
    tiles: bool = False
    aspect: Literal["stretch", "keep"] = "stretch"
    window: tuple[float, float] | None = None
    region: RegionOfInterest | None = None
    area: InspectionArea | None = None
    parts: PartSearch | None = None
    exclude: tuple[str, ...] = ()
    group_by: str | None = None
    weights: Path | None = None
    defects: Path | None = None
    defect_masks: Path | None = None
    clahe: Clahe | None = None
    ring: RingSearch | None = None
    rules: RegionRules | None = None
    augment: Augmentation | None = None
    conv_processing: FilterSide | None = None
    base: Path | None = None
    replay: Path | None = None
    alpha: float = Field(default=0.01, gt=0, lt=0.5)
    unsure_factor: float = Field(default=5.0, ge=0)
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    notes: str = ""

    @field_validator("out")
    @classmethod
    def _names_a_model_file(cls, out: Path) -> Path:
        if out.suffix != ".loupe":
            raise ValueError("the model file must end in .loupe")
        return out

    @field_validator("group_by")
    @classmethod
    def _compiles(cls, group_by: str | None) -> str | None:
        try:
            re.compile(group_by or "")
        except re.error as error:
            raise ValueError(f"{group_by!r} is not a regular expression: {error}") from error
        return group_by

    @model_validator(mode="after")
    def _geometry(self) -> Self:
        if self.patch is not None and self.size is not None:
            raise ValueError("patches are cut at native resolution: give size or patch, not both")
        if self.tiles and not (self.patch is None and self.size is None and self.stride is None):
            raise ValueError("tiles are cut at native resolution, as large as pays: leave size, patch and stride out")
        if self.tiles and self.aspect == "keep":
            raise ValueError("tiles keep the aspect ratio by themselves: give aspect or tiles, not both")
        if self.tiles and self.method in METHODS and not has_tiles(self.method, self.parameters):
            raise ValueError(
                f"{self.method} with these settings cannot be computed in tiles, whose size must not matter: give a "
                f"patch instead, or take one of {', '.join(methods_with_tiles())} with "
                "a backbone of the catalogue"
            )
        if self.patch is not None and self.aspect == "keep":
            raise ValueError("patches keep the aspect ratio by themselves: give aspect or patch, not both")
        if self.defects is not None and is_picture_list(self.data):
            raise ValueError("defects: a list of pictures names those of defective parts itself: leave defects out")
        if self.defect_masks is not None and self.defects is None:
            raise ValueError("defect_masks belong to pictures of defective parts: give defects too")
        if self.replay is not None and self.base is None:
            raise ValueError("replay belongs to a model that is fine-tuned: give base too")
        if self.stride is not None and self.patch is None:
            raise ValueError("stride belongs to patch-wise inspection: give patch too")
        if self.patch is not None and self.stride is not None and self.stride > self.patch:
            raise ValueError("stride must not exceed the patch: pixels between patches would never be seen")
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError("the value window's low end must be below its high end")
        check_places(None if self.region is None else self.region.box, self.ring, self.area, self.parts)
        return self

    @property
    def model_name(self) -> str:
        return self.name or self.out.stem

    @property
    def resume_file(self) -> Path:
        """Where a training in steps is kept while it runs, beside the model to be written."""
        return self.out.with_name(f"{self.out.name}.resume")

    @property
    def scores_folder(self) -> Path:
        """Where a list's test pictures are judged to (`ml.score_sheet`), beside the model."""
        return scores_folder(self.out)

    def save(self, path: Path) -> None:
        """Write atomically; raises OSError."""
        write_atomically(path, (self.model_dump_json(indent=2) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ParameterError naming the file and the field."""
        return cls.checked(read_document(path, "training job", JOB_VERSION), f"{path}: ")

    @classmethod
    def checked(cls, fields: Any, prefix: str = "") -> Self:
        """Validate; raises ParameterError with one line that names the field."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            field, *inside = (str(part) for part in first["loc"]) if first["loc"] else ("",)
            if prefix == "--":  # options are written with hyphens
                field = field.replace("_", "-")
            where = ".".join((field, *inside))
            text = first["msg"].removeprefix("Value error, ")
            if where:
                text = f"{prefix}{where}: {text}"
            elif prefix != "--":  # what speaks of several options names them itself
                text = f"{prefix}{text}"
            raise ParameterError(text) from error
