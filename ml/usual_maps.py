"""What maps of good parts show place by place, so that a map counts in how far it exceeds them there.

After minutes of training the rarest details of a part are redrawn no better than a defect; judged by their own place
they are nothing unusual. For parts that lie in the same place in every picture.
"""

import torch
from torch import Tensor

from ml.maps import ScoreMap

PictureSize = tuple[int, int]
"""Height and width of an input in pixels."""


def usual_and_spread(maps: Tensor, sigma_px: float, input_size: PictureSize, least: float) -> tuple[Tensor, Tensor]:
    """Mean and spread of each cell (rows, columns) over the maps of good parts (n, rows, columns) of whole inputs.

    The spread is that of the maps smoothed by `sigma_px`, as they are judged, and smoothed once more, since the same
    place of two parts is never the same to the pixel. The spread of an average cell and `least` are added to it: where
    good parts happen to agree, no less is counted in.
    """
    varied = smoothed(maps, sigma_px, input_size).var(0, correction=0)
    spread = smoothed(varied[None], sigma_px, input_size)[0].clamp(min=0).sqrt()
    return maps.mean(0), spread + spread.mean() + least


def smoothed(maps: Tensor, sigma_px: float, input_size: PictureSize) -> Tensor:
    """Maps (n, rows, columns) of whole inputs, as `ml.scoring` smooths them."""
    cells = [ScoreMap.over(cells.copy(), *input_size).smoothed(sigma_px).cells for cells in maps.cpu().numpy()]
    return torch.stack([torch.from_numpy(values.copy()) for values in cells]).to(maps.device)


def smoothed_in_graph(maps: Tensor, sigma_px: float, input_size: PictureSize) -> Tensor:
    """As `smoothed`, within rounding, in operations that can be traced: one matrix per axis."""
    vertical, horizontal = (
        smoothed(torch.eye(cells)[:, :, None], sigma_px, (length_px, 1))[:, :, 0]  # a picture of one column per cell
        for cells, length_px in zip(maps.shape[1:], input_size, strict=True)
    )
    return vertical.T @ maps @ horizontal
