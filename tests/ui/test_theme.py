"""The look keeps its promises: contrast, physical sizes, one style sheet from the tokens."""

import pytest
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QPushButton

from station.core.verdict import Verdict
from station.ui import theme, tokens
from station.ui.physical import sizes_at, trusted_dpi
from station.ui.tokens import SERIES, THEMES, ThemeName, contrast

TEXTS = ("text", "secondary", "accent", "ok", "ng", "unsure", "fault")
GROUNDS = ("window", "surface", "raised")


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("text", TEXTS)
def test_that_text_has_contrast_on_every_ground(name: ThemeName, ground: str, text: str) -> None:
    colours = THEMES[name].as_mapping()
    assert contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("ground", ["hover", "pressed"])
def test_that_a_buttons_word_has_contrast_under_the_pointer(name: ThemeName, ground: str) -> None:
    colours = THEMES[name].as_mapping()
    assert contrast(colours["text"], colours[ground]) >= 4.5


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("verdict", ["ok", "ng", "unsure", "fault"])
def test_that_a_verdicts_word_has_contrast_on_its_colour(name: ThemeName, verdict: str) -> None:
    colours = THEMES[name].as_mapping()
    assert contrast(colours["on_verdict"], colours[verdict]) >= 4.5


@pytest.mark.parametrize("name", THEMES)
def test_that_the_primary_buttons_word_has_contrast(name: ThemeName) -> None:
    assert contrast(THEMES[name].on_accent, THEMES[name].accent) >= 4.5


@pytest.mark.parametrize("name", THEMES)
def test_that_every_line_of_a_plot_is_seen_on_its_ground(name: ThemeName) -> None:
    assert len(set(SERIES[name])) == 6
    assert all(contrast(colour, THEMES[name].surface) >= 3 for colour in SERIES[name])


def test_that_contrast_agrees_with_the_definition() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", THEMES)
def test_that_the_style_sheet_has_no_colour_of_its_own(name: ThemeName) -> None:
    sheet = theme.style_sheet(name, sizes_at(96.0))
    known = {colour.lower() for colour in THEMES[name].as_mapping().values()}
    used = {word.strip(";").lower() for word in sheet.split() if word.startswith("#") and len(word.strip(";")) == 7}
    assert used <= known


@pytest.mark.parametrize("name", THEMES)
def test_that_a_theme_sets_palette_and_roles(qapp: QApplication, name: ThemeName) -> None:
    theme.apply(qapp, name)
    assert theme.name() == name
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(THEMES[name].window)
    assert theme.verdict_colour(Verdict.NG) == QColor(THEMES[name].ng)
    assert qapp.font().pixelSize() == tokens.TYPE_PX["body"]


def test_that_an_operators_button_is_twenty_millimetres_and_never_under_56_px(qapp: QApplication, qtbot) -> None:  # type: ignore[no-untyped-def]
    theme.apply(qapp, "dark")
    button = QPushButton("Go")
    qtbot.addWidget(button)
    theme.mark(button, "operator", True)
    button.ensurePolished()
    assert button.sizeHint().height() >= theme.sizes().operator_px
    assert button.sizeHint().width() >= theme.sizes().operator_px
    assert sizes_at(60.0).operator_px == 56
    assert sizes_at(127.0).operator_px == 100


def test_that_the_verdicts_capitals_are_25_mm_and_never_under_128_px() -> None:
    assert sizes_at(96.0).verdict_capitals_px == 128
    assert sizes_at(150.0).verdict_capitals_px == 148


@pytest.mark.parametrize(("horizontal", "vertical"), [(0.0, 0.0), (5000.0, 5000.0), (30.0, 30.0), (96.0, 200.0)])
def test_that_a_screen_that_reports_nonsense_is_taken_as_96_dpi(horizontal: float, vertical: float) -> None:
    assert trusted_dpi(horizontal, vertical) == 96.0


def test_that_a_plausible_screen_is_believed() -> None:
    assert trusted_dpi(150.0, 149.0) == pytest.approx(149.5)
