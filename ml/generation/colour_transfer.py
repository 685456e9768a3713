"""A small picture's change of colours carried over to the large one, along the large one's own structure. No torch.

"Guided image filtering", He, Sun, Tang, IEEE TPAMI 35(6), 2013, and "Fast guided filter", He, Sun, arXiv 1505.00996:
in each neighbourhood the change is an affine function of the picture's colours, found at low resolution and applied at
full. Departure: the function is fitted to the change and not to the changed picture, so that where the picture is plain
and nothing can be fitted, its grain stays as it is.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.generation.value_window import Values

SMOOTHNESS = 1e-3
"""Variance, in the window squared, below which a neighbourhood counts as plain."""


def carried_over(change: Values, small: Values, large: Values, radius_px: int) -> Values:
    """The change of `large` that `change`, of `small` (the same picture scaled down), stands for.

    change, small: of one shape; large: any. radius_px: of the neighbourhoods, in pixels of `small`. What is finer than
    they and does not follow the picture's colours, as a network's faults, is averaged out.
    """
    side = 2 * radius_px + 1
    guide, target = small.reshape(-1, 3), change.reshape(-1, 3)
    height, width = small.shape[:2]

    def averaged(products: NDArray[np.float32]) -> NDArray[np.float32]:
        planes = products.reshape(height, width, -1)
        means = [
            cv2.blur(np.ascontiguousarray(planes[..., index]), (side, side), borderType=cv2.BORDER_REFLECT)
            for index in range(planes.shape[2])
        ]
        return np.stack(means, axis=2).reshape(-1, planes.shape[2])

    guide_mean, target_mean = averaged(guide), averaged(target)
    spread = averaged(guide[:, :, None] * guide[:, None, :]).reshape(-1, 3, 3)
    spread = spread - guide_mean[:, :, None] * guide_mean[:, None, :] + SMOOTHNESS * np.eye(3, dtype=np.float32)
    joint = averaged(guide[:, :, None] * target[:, None, :]).reshape(-1, 3, 3)
    joint = joint - guide_mean[:, :, None] * target_mean[:, None, :]
    slopes = np.linalg.solve(spread.astype(np.float64), joint.astype(np.float64)).astype(np.float32)
    offsets = target_mean - np.einsum("ni,nij->nj", guide_mean, slopes)
    smooth = averaged(np.concatenate([slopes.reshape(-1, 9), offsets], axis=1)).reshape(height, width, 12)
    return _applied(smooth, large)


def _applied(functions: NDArray[np.float32], picture: Values) -> Values:
    """Each pixel by its own function, interpolated between those of the small picture: nine slopes, three offsets."""
    size = picture.shape[1], picture.shape[0]
    planes = [cv2.resize(np.ascontiguousarray(functions[..., index]), size) for index in range(12)]
    change = [
        planes[9 + out] + sum(planes[3 * into + out] * picture[..., into] for into in range(3)) for out in range(3)
    ]
    return np.stack(change, axis=2)
