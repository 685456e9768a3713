"""Where a graph looks on its picture, and whether that is known when it is written."""

from dataclasses import dataclass
from typing import Self

from ml.artifact import Manifest
from ml.errors import ExportError
from ml.inspection_area import Mask, mask_of_area
from ml.patches import PatchGrid
from ml.preprocessing import Preprocessing


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """The pictures that a graph takes: `height`, `width` in px (None: any); `channels` 1 or 3; `bits` 8 or 16 per
    value. `crop` (x, y, width, height) is what it looks at; None: at all of it, however large. `grid`: of the patches
    that it is cut into; None: it is one input. `usual_size` is that of the pictures that the model was trained on.
    `looked_at`, bool (height, width) of the crop, is what its inspection area looks at; None: all.
    """

    height: int | None
    width: int | None
    channels: int
    bits: int
    crop: tuple[int, int, int, int] | None
    grid: PatchGrid | None
    usual_size: tuple[int, int]
    looked_at: Mask | None

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Raises ExportError where the model prepares pictures in a way that no graph can."""
        preprocessing, reference = manifest.preprocessing, manifest.reference
        refuse_what_no_graph_can(manifest)
        channels, bits = 1 if reference.is_grey else 3, 8 if reference.bit_depth <= 8 else 16
        usual = reference.height_px, reference.width_px
        height: int | None = None
        width: int | None = None
        crop = preprocessing.region
        if preprocessing.area is not None:
            height, width = preprocessing.area.height_px, preprocessing.area.width_px
            crop = preprocessing.crop(height, width)
        elif preprocessing.stride is not None and crop is None:
            height, width = usual
            crop = (0, 0, width, height)
        looked_at: Mask | None = None
        if preprocessing.area is not None and crop is not None:
            left, top, crop_width, crop_height = crop
            looked_at = mask_of_area(preprocessing.area)[top : top + crop_height, left : left + crop_width]
        return cls(height, width, channels, bits, crop, _grid(preprocessing, crop), usual, looked_at)

    @property
    def inputs(self) -> list[int]:
        """The places in the grid of the patches that show any of what is looked at; [0] for a whole picture."""
        if self.grid is None:
            return [0]
        if self.looked_at is None:
            return list(range(self.grid.count))
        return [int(index) for index in self.grid.showing(self.looked_at)]

    @property
    def only_size(self) -> tuple[int, int] | None:
        """Height and width of the only pictures that it takes; None: any that the crop fits into."""
        return None if self.height is None or self.width is None else (self.height, self.width)


def refuse_what_no_graph_can(manifest: Manifest) -> None:
    """Raises ExportError that names what it is and what to do."""
    preprocessing = manifest.preprocessing
    unwritable = {
        "finds a ring on each picture": preprocessing.ring,
        "evens out the contrast of each picture (CLAHE)": preprocessing.clahe,
        "finds the parts on each picture": preprocessing.parts,
        "judges by region rules": manifest.rules,
    }
    for what, setting in unwritable.items():
        if setting is not None:
            raise ExportError(
                f"The model '{manifest.name}' {what}, and no ONNX or OpenVINO graph can do that. "
                "Train one without it (a region of interest and an inspection area can be exported), or judge with "
                "`loupe inspect --json`, which does all that the model asks for."
            )


def _grid(preprocessing: Preprocessing, crop: tuple[int, int, int, int] | None) -> PatchGrid | None:
    if preprocessing.stride is None or crop is None:
        return None
    _, _, width, height = crop
    size = preprocessing.input_height, preprocessing.input_width
    return PatchGrid.plan(height, width, *size, preprocessing.stride, preprocessing.margin)
