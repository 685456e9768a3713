"""Pictures through a network in batches as large as the memory allows. No torch."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ml.errors import DetectorError, OutOfMemoryError
from ml.images import PreparedPicture

Result = TypeVar("Result")


class Batches:
    """`size` inputs at a time; halved whenever memory runs out, for all later pictures too."""

    def __init__(self, size: int, release: Callable[[], None]) -> None:
        """`release` gives back what the device keeps for reuse."""
        self.size = size
        self._release = release

    def run(
        self, prepared: PreparedPicture, work: Callable[[NDArray[np.float32]], Result]
    ) -> Iterator[tuple[int, Result]]:
        """Yield (index of the first input, `work` of the batch's inputs) for all inputs of a picture.

        Raises DetectorError where memory does not even suffice for one input.
        """
        start = 0
        while start < prepared.count:
            stop = min(start + self.size, prepared.count)
            try:
                result = work(prepared.inputs(start, stop))
            except OutOfMemoryError as error:
                if stop - start == 1:
                    raise DetectorError(
                        "Not enough memory for one network input of "
                        f"{prepared.preprocessing.input_width}x{prepared.preprocessing.input_height} px. "
                        "Close other programs or train with a smaller size or patch."
                    ) from error
                self.size = (stop - start) // 2
            else:
                yield start, result
                start = stop
                continue
            # Out here the error, and with it the batch that did not fit, is gone.
            self._release()
