"""A picture turned about its middle, for parts that lie any way. No torch."""

from collections.abc import Iterator

import cv2

from ml.pictures import Pixels


def rotated(pixels: Pixels, count: int) -> Iterator[Pixels]:
    """The `count - 1` turns by multiples of 360 / count degrees of `(H, W)` or `(H, W, 3)` pixels, uint8 or uint16.

    Frame, scale and type stay; what a turn brings in from outside is the picture's reflection: black corners would be
    remembered as what a good part may look like.
    """
    height, width = pixels.shape[:2]
    middle = (width - 1) / 2, (height - 1) / 2
    for step in range(1, count):
        turn = cv2.getRotationMatrix2D(middle, 360 * step / count, 1.0)
        turned: Pixels = cv2.warpAffine(
            pixels, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        yield turned
