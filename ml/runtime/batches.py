"""Pictures through a network in batches as large as the memory allows. No torch."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ml.errors import DetectorError, OutOfMemoryError
from ml.images import PreparedPicture, Room, room
from ml.runtime.blank import blanks_once
from ml.runtime.scores import CellScores

Result = TypeVar("Result")


@runtime_checkable
class Overlapping(Protocol):
    """A runtime whose device computes while the processor prepares the next batch."""

    def room(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """An array for the inputs of a batch, from which they reach the device fastest; its values are arbitrary."""
        ...

    def submit(self, inputs: NDArray[np.float32]) -> Callable[[], CellScores]:
        """Begin to score inputs, which nobody writes to from now on. What is given waits for the scores.

        Both raise OutOfMemoryError. What was submitted may be dropped without waiting for it.
        """
        ...


class Batches:
    """`size` inputs at a time; halved whenever memory runs out, for all later pictures too."""

    def __init__(self, size: int, release: Callable[[], None]) -> None:
        """`release` gives back what the device keeps for reuse."""
        self.size = size
        self._release = release
        self._fits_ahead = True

    def run(
        self, prepared: PreparedPicture, work: Callable[[NDArray[np.float32]], Result]
    ) -> Iterator[tuple[int, Result]]:
        """Yield (index of the first input, `work` of the batch's inputs) for all inputs of a picture, blank ones once.

        Raises DetectorError where memory does not even suffice for one input.
        """
        return self._run(prepared, partial(partial, blanks_once(work)), room, ahead=0)

    def run_ahead(
        self,
        prepared: PreparedPicture,
        submit: Callable[[NDArray[np.float32]], Callable[[], Result]],
        room: Room,
    ) -> Iterator[tuple[int, Result]]:
        """As `run`, for work that goes on elsewhere (`Overlapping`): a batch is prepared in `room` and submitted while
        the one before it is under way. Each result is given once, in the order of the inputs.
        """
        return self._run(prepared, submit, room, ahead=1)

    def _run(
        self,
        prepared: PreparedPicture,
        submit: Callable[[NDArray[np.float32]], Callable[[], Result]],
        room: Room,
        ahead: int,
    ) -> Iterator[tuple[int, Result]]:
        """`ahead`: how many batches are submitted beyond the one whose result is next."""
        submitted: deque[tuple[int, int, Callable[[], Result]]] = deque()  # first input, the one after the last, wait
        start = 0
        while submitted or start < prepared.count:
            is_next_due = start == prepared.count or len(submitted) > (ahead if self._fits_ahead else 0)
            stop = min(start + self.size, prepared.count)
            try:
                if not is_next_due:
                    submitted.append((start, stop, submit(prepared.inputs(start, stop, room))))
                    start = stop
                    continue
                result = submitted[0][2]()
            except OutOfMemoryError as error:
                is_alone = len(submitted) == int(is_next_due)
                if is_next_due:  # what was submitted after it is done again
                    start, stop, _ = submitted[0]
                    submitted.clear()
                self._shrink(stop - start, is_alone, prepared, error)
            else:
                first, _, _ = submitted.popleft()
                yield first, result
                continue
            # Out here the error, and with it the batch that did not fit, is gone.
            self._release()

    def _shrink(self, count: int, is_alone: bool, prepared: PreparedPicture, error: OutOfMemoryError) -> None:
        """After a batch of `count` inputs did not fit, by itself or beside another one."""
        if count > 1:
            self.size = count // 2
        elif not is_alone:
            self._fits_ahead = False
        else:
            raise DetectorError(
                "Not enough memory for one network input of "
                f"{prepared.preprocessing.input_width}x{prepared.preprocessing.input_height} px. "
                "Close other programs or train with a smaller size or patch."
            ) from error
