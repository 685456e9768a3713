"""What maps of good parts show place by place, so that a map counts in how far it exceeds them there.

After minutes of training the rarest details of a part are redrawn no better than a defect; judged by their own place
they are nothing unusual. For parts that lie in the same place in every picture.
"""

import torch
from torch import Tensor

from ml.maps import ScoreMap


def usual_and_spread(maps: Tensor, sigma_px: float, least: float) -> tuple[Tensor, Tensor]:
    """Mean and spread of each place (rows, columns) over the maps of good parts (n, rows, columns) at the input's size.

    The spread is that of the maps smoothed by `sigma_px`, as they are judged, and smoothed once more, since the same
    place of two parts is never the same to the pixel. The spread of an average place and `least` are added to it:
    where good parts happen to agree, no less is counted in.
    """
    varied = smoothed(maps, sigma_px).var(0, correction=0)
    spread = smoothed(varied[None], sigma_px)[0].clamp(min=0).sqrt()
    return maps.mean(0), spread + spread.mean() + least


def smoothed(maps: Tensor, sigma_px: float) -> Tensor:
    """Maps (n, rows, columns), one cell per pixel, as `ml.scoring` smooths them."""
    cells = [ScoreMap.over(cells.copy(), *maps.shape[1:]).smoothed(sigma_px).cells for cells in maps.cpu().numpy()]
    return torch.stack([torch.from_numpy(values.copy()) for values in cells]).to(maps.device)
