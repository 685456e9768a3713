import sys
from pathlib import Path

import pytest

from installer import system_packages
from installer.errors import SetUpError
from installer.system_packages import Missing, missing_for_qt, provide, require

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lacks what Qt needs")
CURSOR = Missing("libxcb-cursor.so.0", "libxcb-cursor0")


@pytest.fixture
def font_folder(tmp_path: Path) -> str:
    (tmp_path / "fonts" / "truetype").mkdir(parents=True)
    (tmp_path / "fonts" / "truetype" / "Some.TTF").touch()
    return str(tmp_path / "fonts")


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A Debian with root rights whose apt notes its commands; the first `install` fails for want of package lists."""
    commands: list[list[str]] = []

    def run(command: list[str], *_: object, **__: object) -> int:
        commands.append(list(command))
        return 100 if len(commands) == 1 else 0

    monkeypatch.setattr(system_packages, "run_logged", run)
    monkeypatch.setattr(system_packages.shutil, "which", lambda _: "/usr/bin/apt-get")
    monkeypatch.setattr(system_packages, "_is_root", lambda: True)
    return commands


@on_linux
def test_that_each_library_that_does_not_load_is_named_with_its_package(font_folder: str) -> None:
    assert missing_for_qt(lambda soname: soname != "libxcb-cursor.so.0", [font_folder]) == [CURSOR]
    assert missing_for_qt(lambda _: True, [font_folder]) == []


@on_linux
def test_that_a_machine_without_any_font_lacks_one(tmp_path: Path) -> None:
    (tmp_path / "bitmap.pcf.gz").touch()
    assert missing_for_qt(lambda _: True, [str(tmp_path), str(tmp_path / "absent")]) == [
        Missing("a font", "fonts-dejavu-core")
    ]


@on_linux
def test_that_the_real_loader_is_asked() -> None:
    assert system_packages._can_load("libc.so.6")
    assert not system_packages._can_load("libno-such-library.so.1")


def test_that_apt_fetches_its_lists_only_when_a_package_is_unknown(apt: list[list[str]], tmp_path: Path) -> None:
    lacking = [CURSOR, Missing("libgthread-2.0.so.0", "libglib2.0-0"), Missing("libglib-2.0.so.0", "libglib2.0-0")]
    assert provide(lacking, tmp_path / "log")
    assert [command[1] for command in apt] == ["install", "update", "install"]
    assert apt[0][-2:] == ["libglib2.0-0", "libxcb-cursor0"]


def test_that_who_is_not_root_gets_the_exact_command(
    apt: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(system_packages, "_is_root", lambda: False)
    assert not provide([CURSOR], tmp_path / "log")
    assert apt == []
    printed = capsys.readouterr().out
    assert "The system lacks libxcb-cursor.so.0." in printed
    assert "sudo apt-get update && sudo apt-get install libxcb-cursor0" in printed


def test_that_another_system_is_told_what_is_lacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(system_packages.shutil, "which", lambda _: None)
    assert not provide([CURSOR], tmp_path / "log")
    assert "on Debian: libxcb-cursor0" in capsys.readouterr().out


def test_that_set_up_stops_without_what_it_cannot_do_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_packages.shutil, "which", lambda _: None)
    require([], tmp_path / "log")
    with pytest.raises(SetUpError, match="cannot go on without it"):
        require([Missing("Python's venv and ensurepip modules", "python3.11-venv")], tmp_path / "log")


def test_that_a_python_without_ensurepip_lacks_debians_package_for_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert system_packages.missing_for_venv() == []
    monkeypatch.setattr(system_packages.importlib.util, "find_spec", lambda name: name == "venv")
    (lack,) = system_packages.missing_for_venv()
    assert lack.package == f"python3.{sys.version_info.minor}-venv"
