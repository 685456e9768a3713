"""The look as values: colours of both themes, spacing, type scale. Plain data, no Qt."""

from dataclasses import asdict, dataclass
from typing import Literal

ThemeName = Literal["dark", "light"]
Role = Literal[
    "window", "surface", "raised", "border", "text", "secondary", "disabled", "accent", "on_accent",
    "hover", "pressed", "ok", "ng", "unsure", "fault", "on_verdict",
]  # fmt: skip
TypeName = Literal["caption", "body", "emphasised", "title", "figure"]


@dataclass(frozen=True, slots=True)
class Colours:
    """Every colour of one theme as `#RRGGBB`. `on_accent` and `on_verdict` are the text upon a filled area."""

    window: str
    surface: str
    raised: str
    border: str
    text: str
    secondary: str
    disabled: str
    accent: str
    on_accent: str
    hover: str
    pressed: str
    ok: str
    ng: str
    unsure: str
    fault: str
    on_verdict: str

    def as_mapping(self) -> dict[str, str]:
        return asdict(self)


THEMES: dict[ThemeName, Colours] = {
    "dark": Colours(
        window="#14171B", surface="#1C2127", raised="#262C34", border="#343C46",
        text="#E9EDF2", secondary="#9CA7B4", disabled="#5D6874",
        accent="#4C9AFF", on_accent="#14171B", hover="#2F3640", pressed="#1C2127",
        ok="#1FA67A", ng="#EB7747", unsure="#E0A100", fault="#B77BD0", on_verdict="#14171B",
    ),
    "light": Colours(
        window="#F3F5F7", surface="#FFFFFF", raised="#FFFFFF", border="#D3DAE1",
        text="#18212B", secondary="#566370", disabled="#9AA5B0",
        accent="#1668DC", on_accent="#FFFFFF", hover="#F3F5F7", pressed="#D3DAE1",
        ok="#00774F", ng="#B8420E", unsure="#875C00", fault="#8A4FA6", on_verdict="#FFFFFF",
    ),
}  # fmt: skip

SERIES: dict[ThemeName, tuple[str, ...]] = {
    "dark": ("#4C9AFF", "#E0A100", "#2BC4A0", "#F28B82", "#B79CF5", "#8FD14F"),
    "light": ("#1668DC", "#A86200", "#00806A", "#C2374F", "#7A4BC8", "#4E7A00"),
}
"""Lines of one plot, to be told apart; they mean nothing, unlike the colours of verdicts."""

SPACING = (4, 8, 12, 16, 24, 32)
XS, S, M, L, XL, XXL = SPACING
RADIUS = 8
CONTROL_PX = 32
RAIL_PX = 64
STATUS_BAR_PX = 32
FOCUS_RING_PX = 2
MOTION_MS = 140

TYPE_PX: dict[TypeName, int] = {"caption": 12, "body": 14, "emphasised": 16, "title": 20, "figure": 28}

# The first that the machine has; all of them have tabular figures, the last one comes with every X11 font set-up.
FONT_FAMILIES = (
    "Inter", "Segoe UI Variable Text", "Segoe UI", ".AppleSystemUIFont", "Noto Sans", "Roboto", "Ubuntu", "Cantarell",
    "Liberation Sans", "DejaVu Sans",
)  # fmt: skip


def luminance(colour: str) -> float:
    """Relative luminance of `#RRGGBB`, 0 to 1 (WCAG 2.2)."""
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)
