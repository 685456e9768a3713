"""Sizes that people need in millimetres, turned into pixels by the screen's own physical size."""

from dataclasses import dataclass
from math import ceil

from PySide6.QtGui import QScreen

MM_PER_INCH = 25.4
FALLBACK_DPI = 96.0
OPERATOR_TARGET_MM = 20.0
OPERATOR_TARGET_MIN_PX = 56
VERDICT_CAPITALS_MM = 25.0
VERDICT_CAPITALS_MIN_PX = 128


@dataclass(frozen=True, slots=True)
class PhysicalSizes:
    """Lower bounds in device-independent pixels: an operator's control, the verdict's capital letters."""

    operator_px: int
    verdict_capitals_px: int


def trusted_dpi(horizontal_dpi: float, vertical_dpi: float) -> float:
    """Dots per inch that a screen reports, or 96 where the report is nonsense.

    Nonsense is what projectors, virtual screens and broken EDIDs send: nothing, figures no panel has (outside 60 to
    320), or pixels that are far from square.
    """
    dpi = (horizontal_dpi + vertical_dpi) / 2
    plausible = 60.0 <= dpi <= 320.0 and abs(horizontal_dpi - vertical_dpi) <= 0.1 * dpi
    return dpi if plausible else FALLBACK_DPI


def sizes_at(dpi: float) -> PhysicalSizes:
    """The bounds at `dpi` device-independent pixels per inch."""
    return PhysicalSizes(
        operator_px=max(OPERATOR_TARGET_MIN_PX, ceil(OPERATOR_TARGET_MM * dpi / MM_PER_INCH)),
        verdict_capitals_px=max(VERDICT_CAPITALS_MIN_PX, ceil(VERDICT_CAPITALS_MM * dpi / MM_PER_INCH)),
    )


def sizes_on(screen: QScreen | None) -> PhysicalSizes:
    """The bounds on `screen`; without one, at 96 dots per inch."""
    if screen is None:
        return sizes_at(FALLBACK_DPI)
    return sizes_at(trusted_dpi(screen.physicalDotsPerInchX(), screen.physicalDotsPerInchY()))
