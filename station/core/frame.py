"""One captured picture, exactly as the camera gave it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Truth = Literal["normal", "anomaly"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Pixels `(height, width)` grey or `(height, width, 3)` RGB, uint8 or uint16, read-only, as captured.

    `given_truth` comes from the demo line or a labelled folder only; the inspector never reads it.
    `encoded` holds the file's own bytes where the frame came from a file, so that storing it loses nothing.
    """

    pixels: Pixels
    bit_depth: int
    source: str
    name: str = ""
    given_truth: Truth | None = None
    defect_kind: str | None = None
    encoded: bytes | None = None
    id: str = field(default_factory=lambda: str(uuid4()))
    captured_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.pixels.setflags(write=False)

    @property
    def height_px(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width_px(self) -> int:
        return int(self.pixels.shape[1])
