"""The settings file: nothing bad gets in, nothing good gets lost."""

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from station.core.errors import SettingsError
from station.settings import Settings, backup_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.json"


def test_that_a_first_start_has_defaults_and_writes_nothing(path: Path) -> None:
    settings = Settings.load(path)
    assert (settings.theme, settings.source, settings.operator, settings.active_recipe) == (
        "dark",
        "demo",
        "local",
        None,
    )
    assert not path.exists()


def test_that_settings_come_back_as_saved(path: Path) -> None:
    settings = Settings(theme="light", source="camera:0", active_recipe="Größe 3", torch_threads=2, heat_opacity=1)
    settings.save(path)
    assert Settings.load(path) == settings


def test_that_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().theme = "light"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"theme": "blue"}, r"theme: .*'dark' or 'light', not 'blue'"),
        ({"heat_opacity": 1.5}, r"heat_opacity: .*less than or equal to 1, not 1\.5"),
        ({"heat_opacity": "0.5"}, r"heat_opacity: .*number, not '0\.5'"),
        ({"show_heat": 1}, r"show_heat: .*boolean, not 1"),
        ({"torch_threads": 0}, r"torch_threads: .*greater than or equal to 1, not 0"),
        ({"colour": "red"}, r"colour: there is no such setting; known are .*theme"),
        ({"disk_warn_gb": 1, "disk_stop_gb": 2}, r"disk_warn_gb must not be below disk_stop_gb"),
        ({"version": "1"}, r"version: .*1, not '1'"),
        ([], r"object"),
    ],
)
def test_that_a_bad_value_is_told_with_file_field_and_what_is_allowed(path: Path, entry: object, words: str) -> None:
    path.write_text(json.dumps(entry))
    with pytest.raises(SettingsError, match=words) as refusal:
        Settings.load(path)
    assert str(path) in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
    assert json.loads(path.read_text()) == entry


def test_that_settings_of_a_newer_loupe_are_refused_and_kept(path: Path) -> None:
    path.write_text('{"version": 2, "hologram": true}')
    with pytest.raises(SettingsError, match=r"newer Loupe.*version 2"):
        Settings.load(path)
    assert "hologram" in path.read_text()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"{} {}"])
def test_that_a_broken_file_is_told_and_its_last_good_copy_offered(path: Path, content: bytes) -> None:
    good = Settings(theme="light")
    good.save(path)
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"not a settings file.*put the last good copy .*settings\.json\.bak"):
        Settings.load(path)
    assert path.read_bytes() == content
    assert Settings.restore(path) == good == Settings.load(path)
    assert path.with_name("settings.json.bad").read_bytes() == content


def test_that_a_lost_file_is_not_taken_for_a_first_start(path: Path) -> None:
    Settings(theme="light").save(path)
    path.unlink()
    with pytest.raises(SettingsError, match="put the last good copy"):
        Settings.load(path)


def test_that_saving_over_a_broken_file_keeps_it(path: Path) -> None:
    path.write_text('{"theme": "bleu"}')
    Settings().save(path)
    assert path.with_name("settings.json.bad").read_text() == '{"theme": "bleu"}'
    assert Settings.load(path) == Settings()


def test_that_a_failing_save_leaves_the_earlier_settings(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Settings(theme="light").save(path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SettingsError, match="No space left on device"):
        Settings(theme="dark").save(path)
    assert Settings.load(path).theme == "light"
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, backup_path(path).name]
