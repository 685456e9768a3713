"""The settings and presets of the student-teacher method. No torch."""

from typing import Literal

from pydantic import Field

from ml.catalogue.info import Mebibytes, MethodInfo, Preset
from ml.catalogue.settings import PyramidParameters, SigmaPx, Steps, Strides


class StudentTeacherParameters(PyramidParameters):
    """Student-teacher: where a network that learnt to imitate a pretrained one on good parts fails to do so."""

    strides: Strides = (4, 8, 16)
    teacher: Literal["pretrained", "synthetic", "labelled"] = Field(
        "pretrained",
        description="The imitated network: as it is, or first tuned to tell good parts from synthetic defects or from "
        "the pictures of defective parts that the job names",
    )
    # As the paper: half the squared distance of two directions is one minus their cosine.
    distance: Literal["cosine", "l2"] = Field(
        "cosine", description="Between both networks' feature directions: 1 - cosine as published, or its L2 length"
    )
    combine: Literal["product", "sum"] = Field("product", description="How the depths' maps become one")
    standardise: bool = Field(
        True, description="Weigh each depth by what it shows on held-out good parts; off: as published"
    )
    min_area_px: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="The score counts only regions of at least this area, in pixels of the network's input; 0: any",
    )
    # Scaled down to the batch it leaves the student untaught after the steps that minutes allow: after 50 steps in
    # batches of 4 the held-out good parts' distance was five times that with the published rate, which a warm-up tames.
    learning_rate: float = Field(
        0.4, gt=0, le=2, description="Highest rate, as published: it rises at first, then falls along a cosine"
    )
    batch: int = Field(4, ge=1, le=256, description="Pictures per training step; published: 32")
    steps: Steps = 0
    sigma_px: SigmaPx = 4.0

    @property
    def needs_defects(self) -> bool:
        return self.teacher == "labelled"


INFO = MethodInfo(
    name="student_teacher",
    title="Student-teacher",
    summary="A student imitates a pretrained network on good parts; where it fails, the part is odd. For any part.",
    paper="Wang, Han, Ding, Huang: Student-Teacher Feature Pyramid Matching for Anomaly Detection, BMVC 2021, "
    "arXiv 2103.04257",
    needs_weights=True,
    tiles=True,
    parameters=StudentTeacherParameters,
    published="100 epochs in batches of 32 pictures at 256 px; ResNet-18, strides 4, 8 and 16",
    memory=Mebibytes(320, 1280),
    model=Mebibytes(16, 64),
    presets={
        "fast": Preset(128, {}, minutes=1),
        "balanced": Preset(160, {}, minutes=4),
        "thorough": Preset(256, {"batch": 8}, minutes=40),
    },
)
