"""Bring a picture of a part into the frame of the template: feature homography, then ECC. No torch.

Corners described by ORB (Rublee et al., ICCV 2011) are matched and a similarity and a homography fitted by RANSAC; the
best of these and of "it lies as the template does" is refined by maximising the enhanced correlation coefficient
(Evangelidis and Psarakis, IEEE PAMI 30(10), 2008), which does not see gain and offset. The search runs on grey pictures
shrunk to WORKING_SIDE_PX and slightly blurred: ECC places them to some hundredths of a pixel there.

Matrices are 3 x 3 and take (x, y, 1) of the template to the picture, in pixels, centres at whole numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Matrix = NDArray[np.float64]

WORKING_SIDE_PX = 384
BLUR_SIGMA_PX = 1.2
FEATURES = 800
LOWE_RATIO = 0.8
FEWEST_MATCHES = 8
"""Fewer agreeing matches occur by chance between pictures of different things."""
REPROJECTION_PX = 3.0
ECC_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-5)
ECC_BLUR_PX = 5
SMALLEST_OVERLAP = 0.5
SCALES = (0.5, 2.0)
MOST_PERSPECTIVE = 0.2
PLAIN_DEVIATION = 0.01
"""Standard deviation, as a share of the value window, below which a blurred picture has nothing to be registered by."""


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """Where the template lies in a picture: `matrix`, template -> picture; the identity where it was not found.

    `correlation` is that of the blurred greys where both are seen, `overlap` the share of the template that is seen.
    """

    matrix: Matrix
    correlation: float
    overlap: float
    is_found: bool


class Registrar:
    """Registers pictures `(height, width)` float32 of the template's own size to it.

    `min_correlation`: below it the part counts as not found. A template without structure finds nothing.
    """

    def __init__(self, template: Plane, min_correlation: float) -> None:
        self._min_correlation = min_correlation
        self._scale = min(1.0, WORKING_SIDE_PX / max(template.shape))
        self._template = self._working(template)
        self._points, self._descriptors = _features(self._template)

    @property
    def has_structure(self) -> bool:
        """False for a plain template: pictures can only be compared where they lie."""
        return bool(self._template.std() > PLAIN_DEVIATION)

    def register(self, picture: Plane) -> Registration:
        """Find the template in `picture`; never raises for what a picture shows."""
        working = self._working(picture)
        best, agreement = np.eye(3), self._agreement(working, np.eye(3))
        if not self.has_structure or working.std() <= PLAIN_DEVIATION:
            return Registration(best, *agreement, is_found=False)
        for candidate in self._by_features(working):
            best, agreement = self._better(working, (best, agreement), candidate)
        for motion in (cv2.MOTION_AFFINE, cv2.MOTION_HOMOGRAPHY):
            refined = self._refined(working, best, motion)
            if refined is not None:
                best, agreement = self._better(working, (best, agreement), refined)
        correlation, overlap = agreement
        is_found = correlation >= self._min_correlation and overlap >= SMALLEST_OVERLAP
        return Registration(self._at_full_size(best) if is_found else np.eye(3), correlation, overlap, is_found)

    def _working(self, plane: Plane) -> Plane:
        size = (max(8, round(plane.shape[1] * self._scale)), max(8, round(plane.shape[0] * self._scale)))
        small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        blurred: Plane = cv2.GaussianBlur(small, (0, 0), BLUR_SIGMA_PX, borderType=cv2.BORDER_REFLECT_101)
        return blurred

    def _at_full_size(self, matrix: Matrix) -> Matrix:
        """Pixel centres stand half a pixel inside: shrinking moves them, too."""
        shift = 0.5 * self._scale - 0.5
        shrink = np.array([[self._scale, 0, shift], [0, self._scale, shift], [0, 0, 1]])
        full = np.linalg.inv(shrink) @ matrix @ shrink
        return np.asarray(full / full[2, 2], np.float64)

    def _agreement(self, picture: Plane, matrix: Matrix) -> tuple[float, float]:
        """Correlation where both are seen, and the share of the template that is."""
        seen = seen_of_picture(picture.shape, self._template.shape, matrix)
        overlap = float(seen.mean())
        if overlap < SMALLEST_OVERLAP:
            return -1.0, overlap
        own, other = self._template[seen], to_template(picture, self._template.shape, matrix)[seen]
        own, other = own - own.mean(), other - other.mean()
        length = float(np.sqrt((own * own).sum() * (other * other).sum()))
        return (float((own * other).sum()) / length if length > 0 else 0.0), overlap

    def _better(
        self, picture: Plane, known: tuple[Matrix, tuple[float, float]], matrix: Matrix
    ) -> tuple[Matrix, tuple[float, float]]:
        if not _is_plausible(matrix, max(self._template.shape)):
            return known
        agreement = self._agreement(picture, matrix)
        return (matrix, agreement) if agreement[0] > known[1][0] else known

    def _by_features(self, picture: Plane) -> Iterator[Matrix]:
        points, descriptors = _features(picture)
        if len(self._points) < FEWEST_MATCHES or len(points) < FEWEST_MATCHES:
            return
        pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(self._descriptors, descriptors, k=2)
        good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < LOWE_RATIO * pair[1].distance]
        if len(good) < FEWEST_MATCHES:
            return
        own = np.array([self._points[match.queryIdx] for match in good])
        other = np.array([points[match.trainIdx] for match in good])
        similarity, agreeing = cv2.estimateAffinePartial2D(
            own, other, method=cv2.RANSAC, ransacReprojThreshold=REPROJECTION_PX
        )
        if similarity is not None and np.count_nonzero(agreeing) >= FEWEST_MATCHES:
            yield np.vstack([similarity, [0.0, 0.0, 1.0]])
        homography, agreeing = cv2.findHomography(own, other, cv2.RANSAC, REPROJECTION_PX)
        if homography is not None and np.count_nonzero(agreeing) >= 2 * FEWEST_MATCHES:
            yield homography

    def _refined(self, picture: Plane, start: Matrix, motion: int) -> Matrix | None:
        first = start / start[2, 2]
        rows = 3 if motion == cv2.MOTION_HOMOGRAPHY else 2
        initial = np.ascontiguousarray(first[:rows], np.float32)
        try:
            _, found = cv2.findTransformECC(self._template, picture, initial, motion, ECC_STEPS, None, ECC_BLUR_PX)
        except cv2.error:  # it says so in this way where it does not converge
            return None
        matrix = np.eye(3)
        matrix[:rows] = found
        return matrix if np.isfinite(matrix).all() else None


def to_template(values: Plane, shape: tuple[int, ...], matrix: Matrix) -> Plane:
    """Picture values `(H, W)` in the template's frame of `shape` (height, width); the edge repeated where unseen."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved: Plane = cv2.warpPerspective(values, matrix, shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return moved


def to_picture(values: Plane, shape: tuple[int, ...], matrix: Matrix) -> Plane:
    """Values in the template's frame back in that of a picture of `shape`; 0 where the template does not reach."""
    back: Matrix = np.linalg.inv(matrix).astype(np.float64)
    moved = to_template(values, shape, back)
    moved[~seen_of_picture(values.shape, shape, back)] = 0
    return moved


def seen_of_picture(picture: tuple[int, ...], template: tuple[int, ...], matrix: Matrix) -> NDArray[np.bool_]:
    """Which pixels of a template `(height, width)` a picture of such a shape shows: bool `(height, width)`."""
    ones = np.ones(picture[:2], np.uint8)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    seen: NDArray[np.bool_] = cv2.warpPerspective(ones, matrix, template[1::-1], flags=flags) > 0
    return seen


def _features(plane: Plane) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    low, high = float(plane.min()), float(plane.max())
    counts = np.round((plane - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
    found, descriptors = cv2.ORB.create(FEATURES, fastThreshold=10).detectAndCompute(counts, None)
    if descriptors is None:
        return np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8)
    return np.array([point.pt for point in found], np.float32), descriptors


def _is_plausible(matrix: Matrix, side_px: int) -> bool:
    """A picture of the same part from about the same distance, not mirrored, hardly tilted."""
    if not abs(matrix[2, 2]) > 1e-9:
        return False
    scaled = matrix / matrix[2, 2]
    area = float(np.linalg.det(scaled[:2, :2]))
    is_upright = SCALES[0] ** 2 <= area <= SCALES[1] ** 2
    return is_upright and bool(np.abs(scaled[2, :2]).sum() * side_px <= MOST_PERSPECTIVE)
