"""What a cell is told to do and what it found, as versioned JSON. No torch."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ml.comparison.machine import Machine
from ml.confusion import ConfusionMatrix
from ml.dataset import Truth
from ml.job import TrainingJob

RECORD_VERSION: Final = 1

MAP_FILTER: Final = "conv_processing"
"""What a variant with a learned map filter is called by."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CellJob(_Record):
    """One method on one data set (called `data_set`) with one seed.

    `training.data` is of the MVTec layout; `training.out` is overruled by the process that carries the cell out.
    `template_dir` holds a template of the same name for every picture, for methods that compare with one.
    """

    version: Literal[1] = RECORD_VERSION
    data_set: str
    training: TrainingJob
    template_dir: Path | None = None

    @property
    def method(self) -> str:
        return self.training.method

    @property
    def variant(self) -> str:
        """The method with what its training has beyond the usual: `patchcore`, `patchcore+appearance`."""
        augment, filtered = self.training.augment, self.training.conv_processing
        extras = [] if augment is None else [augment.generator]
        return "+".join([self.method, *extras, *([] if filtered is None else [MAP_FILTER])])

    @property
    def seed(self) -> int:
        return self.training.seed

    @property
    def title(self) -> str:
        return f"{self.variant} on {self.data_set}, seed {self.seed}"


class PictureScore(_Record):
    """One judged test picture. `normalised`: 0 is the typical good part, 1 the threshold; not clipped."""

    name: str
    truth: Truth
    kind: str | None
    score: float
    normalised: float
    verdict: Literal["OK", "UNSURE", "NG"]

    @property
    def is_wrong(self) -> bool:
        """A false alarm or a miss at the threshold; UNSURE counts as normal."""
        return (self.verdict == "NG") != (self.truth == "anomaly")


class ShownPicture(_Record):
    """A picture for the report as two PNGs in base64: as it is, with the true defect outlined, and under its heat map
    on the fixed scale of normalised scores.
    """

    picture: PictureScore
    width_px: int
    height_px: int
    plain_png: str
    heat_png: str


class ThresholdNote(_Record):
    """How the threshold was found, from good training pictures alone."""

    alpha: float
    rule: str
    source: str
    pictures: int
    parts: int
    low_normalised: float | None


class DoneCell(_Record):
    """A cell that was carried out. `report` is `EvaluationReport.to_json()`.

    `trained` says what was trained in steps (empty where one pass is all) and `published` what the method's authors
    train; `network_input` is the size that the network saw. `peak_memory_bytes` is the most
    that the process held until the model was written. `lowest_defects` and `highest_good` are the pictures that the
    model is most wrong about, or comes nearest to being.
    """

    status: Literal["done"] = "done"
    report: dict[str, Any]
    pictures: tuple[PictureScore, ...]
    lowest_defects: tuple[ShownPicture, ...]
    highest_good: tuple[ShownPicture, ...]
    threshold: ThresholdNote
    model_hash: str
    model_bytes: int
    training_pictures: int
    skipped_pictures: int
    network_input: str
    trained: str
    published: str
    fit_s: float
    seconds: float
    peak_memory_bytes: int
    machine: Machine

    @property
    def matrix(self) -> ConfusionMatrix:
        """At the threshold; UNSURE counts as normal."""
        counts = self.report["confusion_matrix"]
        return ConfusionMatrix(*(int(counts[name]) for name in ("tn", "fp", "fn", "tp")))


class FailedCell(_Record):
    """A cell that could not be carried out: why, and the last lines that its process wrote."""

    status: Literal["failed"] = "failed"
    message: str
    log: tuple[str, ...] = ()
    seconds: float = 0.0


CellOutcome = Annotated[DoneCell | FailedCell, Field(discriminator="status")]


class OutcomeFile(_Record):
    """What the process of a cell leaves behind."""

    version: Literal[1] = RECORD_VERSION
    outcome: CellOutcome


class CellRecord(_Record):
    """A cell as it is kept."""

    version: Literal[1] = RECORD_VERSION
    key: str
    job: CellJob
    outcome: CellOutcome
