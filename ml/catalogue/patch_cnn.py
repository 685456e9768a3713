"""Settings and presets of the supervised network on patches. No torch."""

from typing import Literal

from pydantic import Field

from ml.catalogue.info import WIDTHS, Mebibytes, MethodInfo
from ml.catalogue.patchwise import PRESETS, PatchwiseParameters


class PatchCnnParameters(PatchwiseParameters):
    """Patch CNN: told good patches from defective ones, it says of every patch which of the two it is."""

    width: int = Field(
        0,
        ge=0,
        le=256,
        description="Channels of the first layers, 64 as published; training and inspection time grow with the square; "
        "0: by the time at hand",
        json_schema_extra={"zero": "by the time budget"},
    )
    defects: Literal["synthetic", "labelled"] = Field(
        "synthetic",
        description="Where defective patches come from: painted on good parts, or, as published, the job's pictures of "
        "defective parts with their masks",
    )
    synthetic_share: float = Field(
        0.0,
        ge=0,
        le=0.9,
        description="defects=labelled: the share of defective patches that is painted all the same, so that a few "
        "pictures are not all that a defect can look like",
    )
    batch: int = Field(64, ge=2, le=4096, description="Patches per training step, half of them defective")
    learning_rate: float = Field(1e-3, gt=0, le=0.1, description="Size of Adam's steps at the start")

    @property
    def needs_defects(self) -> bool:
        return self.defects == "labelled"

    @property
    def needs_masks(self) -> bool:
        return self.needs_defects


INFO = MethodInfo(
    name="patch_cnn",
    title="Patch CNN",
    summary="Learns defects by examples, your own with masks or painted ones; blind to what resembles none of them.",
    paper="The supervised baseline of Patch-GANomaly on steel sheets: a network with fully connected layers on patches",
    needs_weights=False,
    parameters=PatchCnnParameters,
    published="labelled 32 px patches, half of them defective, width 64, stride 8",
    native_up_to_size=True,
    memory=Mebibytes(384, 1024),
    model=Mebibytes(8, 32),
    presets=PRESETS,
    ladder=WIDTHS,
    enough_steps=1000,
)
