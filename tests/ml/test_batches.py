"""Batches: every input once and in order, one ahead where a device computes meanwhile, smaller where memory ends."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.errors import DetectorError, OutOfMemoryError
from ml.images import PreparedPicture, prepare
from ml.preprocessing import Preprocessing
from ml.runtime.batches import Batches

FULL = OutOfMemoryError("full")


def _picture(patches: int) -> PreparedPicture:
    """The corner of each patch says which one it is."""
    preprocessing = Preprocessing(
        geometry="patches",
        input_height=32,
        input_width=32,
        stride=32,
        window_low=0,
        window_high=255,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )
    grey = np.random.default_rng(0).integers(0, 256, (32, 32 * patches), np.uint8)
    grey[0, ::32] = np.arange(patches)
    return prepare(grey, preprocessing)


def _numbers(inputs: NDArray[np.float32]) -> list[int]:
    """Which patches of `_picture` they are."""
    return [round(float(one[0, 0, 0] * 0.5 + 0.5) * 255) for one in inputs]


class Device:
    """Holds what was submitted until it is waited for, as a GPU does; `room_for` inputs fit at a time."""

    def __init__(self, room_for: int = 10**9, *, tells_late: bool = False) -> None:
        self.room_for = room_for
        self.tells_late = tells_late
        self.under_way: list[list[int]] = []
        self.most_under_way = 0
        self.sizes: list[int] = []
        self.released = 0
        self.rooms = 0

    def room(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        self.rooms += 1
        return np.empty(shape, np.float32)

    def submit(self, inputs: NDArray[np.float32]) -> Callable[[], list[int]]:
        numbers = _numbers(inputs)
        self.sizes.append(len(numbers))
        is_full = sum(map(len, self.under_way)) + len(numbers) > self.room_for
        if is_full and not self.tells_late:
            raise FULL
        self.under_way.append(numbers)
        self.most_under_way = max(self.most_under_way, len(self.under_way))

        def wait() -> list[int]:
            self.under_way.remove(numbers)
            if is_full:
                self.under_way.clear()  # what came later is dropped
                raise FULL
            return numbers

        return wait

    def release(self) -> None:
        self.released += 1


def _flat(results: Iterator[tuple[int, list[int]]]) -> list[int]:
    """All results in their order, each where it says that it begins."""
    flat: list[int] = []
    for start, numbers in results:
        assert start == len(flat)
        flat += numbers
    return flat


def test_that_one_batch_is_prepared_while_the_one_before_is_under_way() -> None:
    device = Device()
    batches = Batches(3, device.release)
    results = batches.run_ahead(_picture(8), device.submit, device.room)
    assert next(results) == (0, [0, 1, 2])
    assert device.under_way == [[3, 4, 5]]  # while the first result is being used
    assert [start for start, _ in results] == [3, 6]
    assert device.most_under_way == 2
    assert device.rooms == 3
    assert not device.under_way


def test_that_without_a_device_nothing_is_prepared_ahead() -> None:
    done: list[int] = []
    results = Batches(2, lambda: None).run(_picture(5), lambda inputs: done.append(len(inputs)))
    next(results)
    assert done == [2]


@given(patches=st.integers(1, 30), size=st.integers(1, 12), room_for=st.integers(1, 30), tells_late=st.booleans())
def test_that_every_input_is_computed_once_and_in_order_however_little_fits(
    patches: int, size: int, room_for: int, tells_late: bool
) -> None:
    device = Device(room_for, tells_late=tells_late)
    batches = Batches(size, device.release)
    assert _flat(batches.run_ahead(_picture(patches), device.submit, device.room)) == list(range(patches))
    assert device.released == 0 or batches.size < size or room_for == 1


def test_that_a_full_memory_halves_the_batch_for_good() -> None:
    device = Device(room_for=5)
    batches = Batches(8, device.release)
    assert _flat(batches.run_ahead(_picture(16), device.submit, device.room)) == list(range(16))
    assert device.sizes[0] == 8
    again = Device(room_for=5)
    _flat(batches.run_ahead(_picture(16), again.submit, again.room))
    assert max(again.sizes) <= 2  # two batches of 4 are no 5 inputs


def test_that_where_two_inputs_do_not_fit_they_are_computed_one_after_the_other() -> None:
    device = Device(room_for=1)
    batches = Batches(1, device.release)
    assert _flat(batches.run_ahead(_picture(6), device.submit, device.room)) == list(range(6))
    assert device.released == 1  # told once, kept in mind for later pictures
    assert _flat(batches.run_ahead(_picture(6), device.submit, device.room)) == list(range(6))
    assert device.released == 1


@pytest.mark.parametrize("tells_late", [False, True])
def test_that_a_memory_too_small_for_one_input_is_told(tells_late: bool) -> None:
    device = Device(room_for=0, tells_late=tells_late)
    with pytest.raises(DetectorError, match="one network input of 32x32 px"):
        _flat(Batches(8, device.release).run_ahead(_picture(4), device.submit, device.room))


def test_that_a_full_memory_for_the_inputs_themselves_halves_the_batch_too() -> None:
    def room(shape: tuple[int, ...]) -> NDArray[np.float32]:
        if shape[0] > 2:
            raise FULL
        return np.empty(shape, np.float32)

    device = Device()
    assert _flat(Batches(8, device.release).run_ahead(_picture(9), device.submit, room)) == list(range(9))
    assert set(device.sizes) == {1, 2}
