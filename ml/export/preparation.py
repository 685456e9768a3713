"""From the picture as captured to network inputs, as a graph: `ml.images` in torch."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.export.geometry import Place
from ml.export.resampling import Resize
from ml.preprocessing import Preprocessing


class Preparation(nn.Module):
    """`picture` (height, width[, 3]) -> float32 (1, 3, rows, columns) and the picture's size, int64 (2).

    rows, columns: of one input or, in the geometry `patches`, of all that the patches cover, from which they are cut
    afterwards.
    """

    def __init__(self, preprocessing: Preprocessing, place: Place) -> None:
        super().__init__()
        self._preprocessing = preprocessing
        self._place = place
        self._resize: Resize | None = None
        self._looked_at: Tensor | None = None
        low, high = preprocessing.window_low, preprocessing.window_high
        if place.crop is not None:
            _, _, width, height = place.crop
            if place.grid is None:
                self._resize = self._resize_from(torch.tensor(height), torch.tensor(width))
        if place.looked_at is not None:
            self._looked_at = torch.tensor(place.looked_at)[..., None]
        # In counts of the camera's own type, as `ml.area_mask.blackened` has them.
        self._black = torch.tensor(float(int(np.clip(low, 0, 2**place.bits - 1))))
        # As in `ml.images`: float64 until the last step.
        scale = 1 / (np.array(preprocessing.std) * (high - low))
        shift = -np.array(preprocessing.mean) / preprocessing.std - scale * low
        self._scale, self._shift, self._low, self._high = (
            torch.from_numpy(each.astype(np.float32))[:, None, None]
            for each in (scale, shift, low * scale + shift, high * scale + shift)
        )

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        size = torch._shape_as_tensor(picture)[:2]
        seen = self._cropped(picture)
        if self._looked_at is not None:
            seen = torch.where(self._looked_at, seen.float(), self._black)
        grid = self._place.grid
        if grid is None:
            resize = self._resize_from(size[0], size[1]) if self._resize is None else self._resize
            laid_out = resize.of(seen)
        else:
            rows, columns = (
                torch.from_numpy(_reflected(length, grid.margin, covered))
                for length, covered in ((grid.height, grid.covered_height), (grid.width, grid.covered_width))
            )
            laid_out = seen.float()[rows][:, columns]
        values = laid_out.permute(2, 0, 1) * self._scale + self._shift
        return torch.minimum(torch.maximum(values, self._low), self._high)[None], size

    def _cropped(self, picture: Tensor) -> Tensor:
        """`(height, width, channels)`."""
        channels, crop = self._place.channels, self._place.crop
        if crop is None:
            return picture[..., None] if channels == 1 else picture
        left, top, width, height = crop
        # A picture that the region reaches out of does not fit this shape, and is refused at run time.
        return picture[top : top + height, left : left + width].reshape(height, width, channels)

    def _resize_from(self, height: Tensor, width: Tensor) -> Resize:
        new_height, new_width = self._preprocessing.input_height, self._preprocessing.input_width
        return Resize.plan(height, width, new_height, new_width, self._place.bits)


def _reflected(length: int, margin: int, covered: int) -> NDArray[np.intp]:
    """The pixels that `covered` ones show, of which the first lies `margin` px before the picture."""
    return np.pad(np.arange(length), (margin, max(0, covered - length - margin)), mode="reflect")
