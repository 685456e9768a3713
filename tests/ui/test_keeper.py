"""Settings in force: told at once, saved a moment later, never lost at the end."""

from pathlib import Path

from pytestqt.qtbot import QtBot

from station.settings import Settings
from station.ui.settings.keeper import SettingsKeeper


def test_that_a_change_is_told_with_what_was_before(qtbot: QtBot, tmp_path: Path) -> None:
    keeper = SettingsKeeper(Settings(), tmp_path / "settings.json")
    with qtbot.waitSignal(keeper.changed) as changed:
        keeper.change(theme="light")
    assert [settings.theme for settings in changed.args] == ["dark", "light"]
    keeper.close()


def test_that_the_steps_of_a_slider_are_saved_once(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    keeper = SettingsKeeper(Settings(), path)
    for step in range(20):
        keeper.change(heat_opacity=step / 20)
    assert not path.exists(), "the disk does not hold up the slider"
    qtbot.waitUntil(path.exists, timeout=3000)
    assert Settings.load(path).heat_opacity == 0.95


def test_that_closing_saves_what_waits(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    keeper = SettingsKeeper(Settings(), path)
    keeper.change(theme="light")
    keeper.close()
    assert Settings.load(path).theme == "light"


def test_that_nothing_is_told_or_saved_where_nothing_changed(qtbot: QtBot, tmp_path: Path) -> None:
    keeper = SettingsKeeper(Settings(), tmp_path / "settings.json")
    with qtbot.assertNotEmitted(keeper.changed):
        keeper.take(Settings())
    keeper.close()
    assert list(tmp_path.iterdir()) == []


def test_that_settings_that_cannot_be_saved_hold_for_this_run_and_are_told(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    keeper = SettingsKeeper(Settings(), tmp_path / "file" / "settings.json")
    keeper.change(theme="light")
    with qtbot.waitSignal(keeper.problem) as problem:
        keeper.close()
    assert "cannot be saved" in problem.args[0]
    assert keeper.settings.theme == "light"
