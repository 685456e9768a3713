"""The records of a training project. Changes are made with `model_copy`; what is stored is always valid."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ml.inspection_area import InspectionArea
from ml.part_search import PartSearch
from ml.picture_list import Label, Sha256, Use
from ml.preprocessing import Clahe, Preprocessing, RegionOfInterest, RingSearch
from ml.region_rules import RegionRules
from ml.threshold_choice import ThresholdChoice

PROJECT_VERSION: Final = 1
NAME_LENGTH: Final = 80

Origin = Literal["folder", "camera", "history", "base"]
FindingKind = Literal["duplicate", "near_duplicate", "blurred", "dark", "bright", "likely_defect", "unreadable"]
CandidateState = Literal["waiting", "running", "trained", "failed", "cancelled"]


class Step(StrEnum):
    """In the order of the wizard."""

    PICTURES = "pictures"
    AREA = "area"
    ANNOTATION = "annotation"
    METHOD = "method"
    TRAINING = "training"
    JUDGEMENT = "judgement"
    DEPLOYMENT = "deployment"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Finding(_Record):
    """What makes a picture doubtful as an example of a good part: `words` for the engineer, `other` the name of the
    picture that it repeats, `figure` what was measured."""

    kind: FindingKind
    words: str
    other: str | None = None
    figure: float | None = None


class ProjectPicture(_Record):
    """One picture of a project. `name` is unique in it; `file` is where the picture lies.

    `set_aside`: why it is left out ("" for one that is used): by a finding, or by the engineer. A finding proposes it;
    `kept` says that the engineer looked and uses the picture all the same. `origin_id` names the inspection that it
    comes from, where it comes from the history. `imported_mask` came with the picture; masks drawn here lie in the
    project's annotations. `use_given`: what it is used for came with it or was chosen; the project's own split leaves
    it alone. `checked`: it has been compared with the others.
    """

    name: str = Field(min_length=1, max_length=400)
    file: Path
    sha256: Sha256
    width_px: int = Field(ge=1)
    height_px: int = Field(ge=1)
    label: Label = "good"
    use: Use = "learn"
    use_given: bool = False
    part: str | None = None
    kind: str | None = Field(default=None, max_length=80)
    imported_mask: Path | None = None
    origin: Origin = "folder"
    origin_id: str | None = None
    added_at: AwareDatetime
    findings: tuple[Finding, ...] = ()
    set_aside: str = ""
    kept: bool = False
    checked: bool = True
    outlined: bool | None = None
    """Whether its defects are outlined in the project's annotations; None where nobody has drawn on it, so that
    `imported_mask` counts."""

    @property
    def is_used(self) -> bool:
        return not self.set_aside and self.label != "unsure"


class Looks(_Record):
    """How the pixels are looked at before any method: as the fields of `TrainingJob` of the same names."""

    region: RegionOfInterest | None = None
    area: InspectionArea | None = None
    parts: PartSearch | None = None
    ring: RingSearch | None = None
    clahe: Clahe | None = None


class SearchCheck(_Record):
    """What came of looking for the part by `parts` or `ring` in `looked_at` of the pictures: the names of those in
    which it is `missing`."""

    parts: PartSearch | None = None
    ring: RingSearch | None = None
    looked_at: int = Field(ge=1)
    missing: tuple[str, ...] = ()


class JudgedCounts(_Record):
    """What the page Judgement last showed of a candidate, in parts. `goods_held_out`: no good part was tested with, and
    those that gave the threshold stand in."""

    good: int = Field(ge=0)
    false_alarms: int = Field(ge=0)
    bad: int = Field(ge=0)
    found: int = Field(ge=0)
    goods_held_out: bool = False


def looks_of(preprocessing: Preprocessing) -> Looks:
    """How a trained model looks at pictures."""
    return Looks(
        region=preprocessing.region_of_interest,
        area=preprocessing.area,
        parts=preprocessing.parts,
        ring=preprocessing.ring,
        clahe=preprocessing.clahe,
    )


class Candidate(_Record):
    """One order for a model, queued, trained or failed. `order`: fields of `TrainingJob` without data and files.

    `folder` holds its job file, its list of pictures, its model and its sheet of scores; it belongs to the project.
    `choice` and `rules` are what the engineer chose in judging it; None as the training left them. `without_rules`:
    region rules that it was trained with are left out. `judged` is how it did with these. `estimated_s`: about how long
    the training was said to take before it began, where that was asked.
    """

    id: str = Field(default_factory=lambda: uuid4().hex[:12], pattern=r"^\w{1,40}$")
    title: str
    order: dict[str, Any]
    state: CandidateState = "waiting"
    folder: str = ""
    model_hash: Sha256 | None = None
    seconds: float | None = None
    estimated_s: float | None = None
    problem: str = ""
    choice: ThresholdChoice | None = None
    rules: RegionRules | None = None
    without_rules: bool = False
    judged: JudgedCounts | None = None


class SampleApproval(_Record):
    """The engineer has looked at generated samples and wants such pictures to be learnt from."""

    generator: str
    settings: dict[str, Any]
    count: int = Field(ge=1)


class Project(_Record):
    """From pictures to a model. `recipe`: the one that the model is for, where it exists already; `base_model`: the
    hash of the model that is fine-tuned, None where a new one is learnt from the beginning.

    `order` are the fields of `TrainingJob` that the page Method shows now; `chosen` is the candidate to deploy.
    """

    version: Literal[1] = PROJECT_VERSION
    id: str = Field(default_factory=lambda: uuid4().hex[:12], pattern=r"^[0-9a-f]{12}$")
    name: str = Field(min_length=1, max_length=NAME_LENGTH)
    created_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    recipe: str | None = None
    base_model: Sha256 | None = None
    step: Step = Step.PICTURES
    test_share: float = Field(default=0.2, ge=0, le=0.5)
    group_by: str | None = None
    looks: Looks = Looks()
    search_check: SearchCheck | None = None
    order: dict[str, Any] = Field(default_factory=dict)
    approved: SampleApproval | None = None
    candidates: tuple[Candidate, ...] = ()
    chosen: str | None = None
    notes: str = ""
    deployed_revision: int | None = None
    base_left_out: tuple[Sha256, ...] = ()
    """Contents of pictures of the base that were taken out of the project: they are not added again by themselves."""
    pictures: tuple[ProjectPicture, ...] = Field(default=(), exclude=True)
    """Kept in a file of their own."""

    @property
    def is_fine_tuning(self) -> bool:
        return self.base_model is not None

    def used(self, label: Label, use: Use | None = None) -> tuple[ProjectPicture, ...]:
        """Pictures that are not set aside."""
        return tuple(
            one for one in self.pictures if one.is_used and one.label == label and (use is None or one.use == use)
        )

    def candidate(self, number: str | None) -> Candidate | None:
        return next((one for one in self.candidates if one.id == number), None)

    def with_candidate(self, changed: Candidate) -> "Project":
        """The same with one candidate replaced, or added at the end."""
        if self.candidate(changed.id) is None:
            return self.model_copy(update={"candidates": (*self.candidates, changed)})
        kept = tuple(changed if one.id == changed.id else one for one in self.candidates)
        return self.model_copy(update={"candidates": kept})
