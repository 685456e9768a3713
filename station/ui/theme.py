"""The theme in force: palette, style sheet, fonts and icons for every widget, made from `tokens` alone.

A screen names roles (`theme.colour("accent")`, `theme.tag(label, "title", "secondary")`), never a colour or a size.
On a change of theme Qt sends every widget `QEvent.Type.StyleChange`; what paints itself repaints by that.
"""

from functools import cache
from string import Template

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QPalette, QScreen
from PySide6.QtWidgets import QApplication, QLabel, QStyleFactory, QWidget

from resources import resource_path
from station.core.verdict import Verdict
from station.ui import icons, tokens
from station.ui.physical import PhysicalSizes, sizes_at, sizes_on
from station.ui.tokens import Colours, Role, ThemeName, TypeName

_VERDICT_ROLES: dict[Verdict, Role] = {
    Verdict.OK: "ok", Verdict.NG: "ng", Verdict.UNSURE: "unsure", Verdict.FAULT: "fault",
}  # fmt: skip


class _InForce:
    """What `apply` last set."""

    name: ThemeName = "dark"
    colours: Colours = tokens.THEMES["dark"]
    sizes: PhysicalSizes = sizes_at(96.0)


def apply(app: QApplication, name: ThemeName, screen: QScreen | None = None) -> None:
    """Dress the whole application. `screen` is where the window stands (the primary one by default): its physical
    size decides how many pixels an operator's control needs."""
    _InForce.name = name
    _InForce.colours = tokens.THEMES[name]
    _InForce.sizes = sizes_on(screen or app.primaryScreen())
    app.setStyle(QStyleFactory.create("Fusion"))
    app.setPalette(_palette(_InForce.colours))
    app.setFont(font("body"))
    app.setStyleSheet(style_sheet(name, _InForce.sizes))


def name() -> ThemeName:
    return _InForce.name


def sizes() -> PhysicalSizes:
    """Pixel bounds on the screen in use."""
    return _InForce.sizes


def colour(role: Role) -> QColor:
    return QColor(getattr(_InForce.colours, role))


def series_colour(number: int) -> QColor:
    """Of line `number` of a plot, from 0; they repeat after six."""
    series = tokens.SERIES[_InForce.name]
    return QColor(series[number % len(series)])


def series_colour_on_picture(number: int) -> QColor:
    """As `series_colour`, for what is drawn upon a captured picture: the same in both themes."""
    series = tokens.SERIES["dark"]
    return QColor(series[number % len(series)])


def colour_on_picture(role: Role) -> QColor:
    """For what is drawn upon a captured picture: the same in both themes, since the picture is."""
    return QColor(getattr(tokens.THEMES["dark"], role))


def verdict_role(verdict: Verdict) -> Role:
    return _VERDICT_ROLES[verdict]


def verdict_colour(verdict: Verdict) -> QColor:
    return colour(_VERDICT_ROLES[verdict])


def icon(glyph: str, role: Role = "text", on_role: Role | None = None) -> QIcon:
    """Icon `glyph` (a Phosphor name, e.g. `camera`) that follows the theme; `on_role` colours it when checked."""
    return icons.themed_icon(glyph, role, on_role or role, colour)


def font(kind: TypeName, bold: bool = False) -> QFont:
    """A font of the type scale, with tabular figures."""
    made = QFont()
    made.setFamilies(list(_installed_families()) or [made.defaultFamily()])
    made.setPixelSize(tokens.TYPE_PX[kind])
    made.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    made.setFeature(QFont.Tag("tnum"), 1)
    return made


@cache
def _installed_families() -> tuple[str, ...]:
    installed = set(QFontDatabase.families())
    return tuple(family for family in tokens.FONT_FAMILIES if family in installed)


def tag(widget: QWidget, kind: TypeName = "body", role: Role = "text", *, bold: bool = False) -> None:
    """Give `widget` a font of the type scale and the text colour of `role` (`text`, `secondary`, `fault`, ...)."""
    widget.setFont(font(kind, bold))
    mark(widget, "tone", role)


def label(text: str, kind: TypeName = "body", role: Role = "text", *, bold: bool = False) -> QLabel:
    """A label of the type scale; plain text, so that names with angle brackets are shown as they are."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    tag(made, kind, role, bold=bold)
    return made


def mark(widget: QWidget, selector: str, value: str | bool) -> None:
    """Set a property the style sheet selects by: `kind` = `primary`, `quiet`, `chip`; `card` = True; `operator` = True
    (a control of physical size); `tone` = a role."""
    if widget.property(selector) == value:
        return
    widget.setProperty(selector, value)
    if not widget.testAttribute(Qt.WidgetAttribute.WA_WState_Polished):
        return  # the style sheet comes to it with its first show; polishing now would freeze its font
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def style_sheet(name: ThemeName, sizes: PhysicalSizes) -> str:
    """The whole QSS with the tokens of theme `name` filled in."""
    template = Template(resource_path("theme/station.qss").read_text(encoding="utf-8"))
    values: dict[str, object] = dict(tokens.THEMES[name].as_mapping())
    values |= {"xs": tokens.XS, "s": tokens.S, "m": tokens.M, "l": tokens.L, "xl": tokens.XL, "xxl": tokens.XXL}
    values |= {"radius": tokens.RADIUS, "control": tokens.CONTROL_PX, "ring": tokens.FOCUS_RING_PX}
    values["operator_width"] = sizes.operator_px - 2 * (tokens.M + tokens.FOCUS_RING_PX)
    values |= {"operator_inner": sizes.operator_px - 2 * tokens.XS, "operator_menu": sizes.operator_px - 2 * tokens.S}
    values |= {
        "arrow_down": _asset(name, "caret-down"),
        "arrow_up": _asset(name, "caret-up"),
        "check": _asset(name, "check"),
    }
    return template.substitute(values)


def _asset(name: ThemeName, picture: str) -> str:
    return resource_path(f"theme/{picture}-{name}.svg").as_posix()


def _palette(colours: Colours) -> QPalette:
    made = QPalette()
    group, role = QPalette.ColorGroup, QPalette.ColorRole
    pairs = {
        role.Window: colours.window, role.WindowText: colours.text, role.Base: colours.surface,
        role.AlternateBase: colours.raised, role.Text: colours.text, role.Button: colours.raised,
        role.ButtonText: colours.text, role.BrightText: colours.text, role.Highlight: colours.accent,
        role.HighlightedText: colours.on_accent, role.ToolTipBase: colours.raised, role.ToolTipText: colours.text,
        role.PlaceholderText: colours.secondary, role.Link: colours.accent, role.LinkVisited: colours.accent,
        role.Accent: colours.accent, role.Light: colours.border, role.Midlight: colours.border,
        role.Mid: colours.border, role.Dark: colours.border, role.Shadow: colours.window,
    }  # fmt: skip
    for key, value in pairs.items():
        made.setColor(key, QColor(value))
    for key in (role.WindowText, role.Text, role.ButtonText, role.PlaceholderText):
        made.setColor(group.Disabled, key, QColor(colours.disabled))
    made.setColor(group.Disabled, role.Highlight, QColor(colours.border))
    made.setColor(group.Disabled, role.HighlightedText, QColor(colours.disabled))
    return made
