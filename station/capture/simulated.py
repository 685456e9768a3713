"""The built-in demo line as a camera: one rendered part per grab, a defect in about three of ten."""

import time
from typing import Final, Literal

import numpy as np

from station.capture.demo_line.batch import BATCHES
from station.capture.demo_line.defects import DEFECT_KINDS, DefectKind
from station.capture.demo_line.rendering import (
    DEFAULT_SIZE_PX,
    MIN_SIZE_PX,
    render_covered_lens,
    render_empty_fixture,
    render_part,
)
from station.core.errors import CameraError, NoPartYetError
from station.core.frame import Frame

Disturbance = Literal["covered", "empty", "unfocused", "lost"]

_BLOCK_PARTS: Final = 10
_BLOCK_DEFECTS: Final = 3
_PLACE_STREAM, _KIND_STREAM = 3, 4


def defect_of(seed: int, index: int) -> DefectKind | None:
    """What is wrong with part `index` of line `seed`; None for a good part.

    Three of ten in each block of ten, at random places, and every kind once in five defects in random order: chance,
    but no long row of good parts before somebody who watches a demonstration.
    """
    block, place = divmod(index, _BLOCK_PARTS)
    defective = np.random.default_rng([seed, block, _PLACE_STREAM]).permutation(_BLOCK_PARTS)[:_BLOCK_DEFECTS].tolist()
    if place not in defective:
        return None
    turn, card = divmod(block * _BLOCK_DEFECTS + defective.index(place), len(DEFECT_KINDS))
    return DEFECT_KINDS[int(np.random.default_rng([seed, turn, _KIND_STREAM]).permutation(len(DEFECT_KINDS))[card])]


class SimulatedCamera:
    """Renders part after part of one line; the same seed shows the same parts again after every `open`.

    `disturbance` may be set at any time and holds until it is set again: a covered lens, an empty fixture, an
    unfocused lens, or a lost camera. `pace_s` is the least time between two parts. `batch` is one of BATCHES by its
    number: the same parts of another alloy under another light.
    """

    def __init__(
        self,
        seed: int = 0,
        size_px: int = DEFAULT_SIZE_PX,
        pace_s: float = 0.0,
        disturbance: Disturbance | None = None,
        batch: int = 1,
    ) -> None:
        if batch not in BATCHES:
            raise CameraError(
                f"demo:{seed}?batch={batch}: there is no such batch; choose one of {', '.join(map(str, BATCHES))}."
            )
        if seed < 0:
            raise CameraError(f"demo:{seed}: the seed must be 0 or more.")
        if size_px < MIN_SIZE_PX:
            raise CameraError(
                f"demo:{seed}: a picture of {size_px} px is too small to show a part; use {MIN_SIZE_PX} or more."
            )
        self.disturbance = disturbance
        self._seed = seed
        self._batch = batch
        self._size_px = size_px
        self._pace_s = pace_s
        self._next_index: int | None = None
        self._next_part_at = 0.0

    @property
    def name(self) -> str:
        if self._batch != 1:
            return f"demo:{self._seed}?batch={self._batch}"
        return "demo" if self._seed == 0 else f"demo:{self._seed}"

    def open(self) -> None:
        if self.disturbance == "lost":
            raise _lost()
        self._next_index = 0
        self._next_part_at = 0.0

    def trigger(self) -> None:
        """Nothing to keep: a demo part lies still until it is grabbed."""

    def grab(self, timeout_s: float) -> Frame:
        if self._next_index is None:
            raise CameraError(f"{self.name}: the camera is not open.")
        if self.disturbance == "lost":
            raise _lost()
        self._await_part(timeout_s)
        index, self._next_index = self._next_index, self._next_index + 1
        return self._picture(index)

    def close(self) -> None:
        self._next_index = None

    def _await_part(self, timeout_s: float) -> None:
        wait_s = self._next_part_at - time.monotonic()
        if wait_s > timeout_s:
            time.sleep(timeout_s)
            raise NoPartYetError(f"{self.name}: no part came within {timeout_s:g} s.")
        if wait_s > 0:
            time.sleep(wait_s)
        self._next_part_at = time.monotonic() + self._pace_s

    def _picture(self, index: int) -> Frame:
        name = f"D-{index + 1:06d}"
        batch = BATCHES[self._batch]
        if self.disturbance == "covered":
            return Frame(render_covered_lens(self._seed, index, self._size_px), 8, self.name, name)
        if self.disturbance == "empty":
            return Frame(render_empty_fixture(self._seed, index, self._size_px, batch), 8, self.name, name)
        defect = defect_of(self._seed, index)
        is_focused = self.disturbance != "unfocused"
        pixels, _ = render_part(self._seed, index, defect, self._size_px, is_focused, batch)
        return Frame(
            pixels, 8, self.name, name, given_truth="normal" if defect is None else "anomaly", defect_kind=defect
        )


def _lost() -> CameraError:
    return CameraError("Camera lost. Check the cable, then press Reconnect.")
