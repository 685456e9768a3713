"""Which pictures of a set hold a place that nothing in the other pictures resembles: likely defects among the good.

Patches of the small grey looks, without their slow changes of light, are described by their principal components and
compared with patches of other pictures, after the idea of "Sub-Image Anomaly Detection with Deep Pyramid
Correspondences" (SPADE), Cohen & Hoshen 2020, arXiv 2005.02357, section 3.3. Departures: the patches are pixels, not
features of a network (this runs beside the window, without torch); distances are scaled by what is usual at their
place, so that the edge of the part, which is never twice the same, does not drown the rest.

Measured on good training pictures into which defects were painted (3 of 100 pictures, six draws, tests/bench/
picture_checks.py), of what stands out by more than 4.5: rendered parts 8 of 12 found, aliens 2 of 6, cookie 0 of 6,
magnetic_tile 1 of 54; 12 proposals in 2,574 pictures, 11 of them right. So a proposal is worth a look, and no proposal
says nothing: most faint or small defects are not found, and parts that lie differently each time hide theirs.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.errors import CancelledError
from ml.progress import Cancelled, never

_PATCH_PX, _STEP_PX = 8, 4
_LIGHT_PX = 8.0  # changes slower than this are light, not the part
_COMPONENTS = 24
_BANK = 4000  # patches that all are compared with, and from which the components come
_SEED = 0


def oddness(looks: Sequence[NDArray[np.float16]], cancelled: Cancelled = never) -> NDArray[np.float64]:
    """Of each picture, how far its oddest place stands out, in robust standard deviations of the set.

    looks: two or more, `(height, width)` grey, of one size. Memory grows with their number only. Raises CancelledError.
    """
    count, per_picture = len(looks), _patches(looks[0]).shape[0]
    random = np.random.default_rng(_SEED)
    drawn = np.sort(random.choice(count * per_picture, min(_BANK, count * per_picture), replace=False))
    owners = drawn // per_picture
    patches = np.concatenate(
        [_patches(looks[owner])[drawn[owners == owner] % per_picture] for owner in np.unique(owners)]
    )
    middle = patches.mean(axis=0)
    _, _, directions = np.linalg.svd(patches - middle, full_matrices=False)
    components = directions[:_COMPONENTS].T
    bank = (patches - middle) @ components
    logs = np.empty((count, per_picture), np.float32)
    for index, look in enumerate(looks):
        if cancelled():
            raise CancelledError("The pictures were not checked: stopped on request.")
        others = bank[owners != index]
        logs[index] = np.log(_nearest((_patches(look) - middle) @ components, others) + 1e-6)
    return _standardised(_by_place(logs).max(axis=1))


def _patches(look: NDArray[np.float16]) -> NDArray[np.float32]:
    """(patches, pixels of one), row by row."""
    grey = look.astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), _LIGHT_PX)
    windows = np.lib.stride_tricks.sliding_window_view(fine, (_PATCH_PX, _PATCH_PX))[::_STEP_PX, ::_STEP_PX]
    return windows.reshape(-1, _PATCH_PX**2)


def _nearest(wanted: NDArray[np.float32], bank: NDArray[np.float32]) -> NDArray[np.float32]:
    squared = np.square(wanted).sum(axis=1)[:, None] + np.square(bank).sum(axis=1) - 2 * wanted @ bank.T
    distances: NDArray[np.float32] = np.sqrt(np.maximum(squared.min(axis=1), 0))
    return distances


def _by_place(logs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each place against the same place in the other pictures; places where all are alike count as the middle one."""
    off: NDArray[np.float32] = logs - np.median(logs, axis=0).astype(np.float32)
    scale = 1.4826 * np.median(np.abs(off), axis=0)
    least = max(float(np.median(scale)) / 2, 1e-3)
    return np.asarray(off / np.maximum(scale, least), np.float32)


def _standardised(highest: NDArray[np.float32]) -> NDArray[np.float64]:
    off = highest.astype(np.float64) - np.median(highest)
    scaled: NDArray[np.float64] = off / max(1.4826 * float(np.median(np.abs(off))), 0.02)
    return scaled
