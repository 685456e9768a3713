"""The home folder and its lock."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from station.core.errors import StationError
from station.home import Home, HomeInUseError

HOLD = "import sys; from pathlib import Path; from station.home import Home; " + (
    "lock = Home(Path(sys.argv[1])).lock(); print('locked', flush=True); sys.stdin.read()"
)


def test_that_the_option_goes_before_the_environment_and_that_before_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_HOME", str(tmp_path / "by-variable"))
    assert Home.locate(tmp_path / "by-option").folder == tmp_path / "by-option"
    assert Home.locate().folder == tmp_path / "by-variable"
    monkeypatch.setenv("LOUPE_HOME", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert "Loupe" in Home.locate().folder.parts
    assert list(tmp_path.iterdir()) == []


def test_that_a_relative_folder_stays_the_same_when_the_working_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home.locate(Path("station"))
    monkeypatch.chdir("/")
    assert home.folder == tmp_path / "station"


def test_that_everything_lies_in_the_home_folder(tmp_path: Path) -> None:
    home = Home(tmp_path / "new" / "home")
    places = {home.database, home.pictures, home.models, home.logs, home.jobs, home.settings}
    assert {place.parent for place in places} == {home.folder}
    assert len(places) == 6
    with home.lock():
        assert home.pictures.is_dir() and home.models.is_dir() and home.logs.is_dir() and home.jobs.is_dir()
        assert not home.database.exists() and not home.settings.exists()


def test_that_a_second_start_is_told_whose_the_home_is(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin and child.stdout
    try:
        assert child.stdout.readline() == "locked\n"
        with pytest.raises(HomeInUseError, match=f"in use by process {child.pid}") as refusal:
            Home(tmp_path).lock()
        assert refusal.value.pid == child.pid
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    Home(tmp_path).lock().release()


def test_that_the_lock_also_holds_within_one_process_until_released(tmp_path: Path) -> None:
    first = Home(tmp_path).lock()
    with pytest.raises(HomeInUseError):
        Home(tmp_path).lock()
    first.release()
    first.release()
    with Home(tmp_path).lock(), pytest.raises(HomeInUseError):
        Home(tmp_path).lock()
    Home(tmp_path).lock().release()


def test_that_two_homes_have_two_sockets_and_one_home_has_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "a").mkdir()
    names = [Home(tmp_path / name).socket_name for name in ("a", "b", "link")]
    assert names[0] == names[2] != names[1]
    assert all(len(name) < 40 and "/" not in name for name in names)


def test_that_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StationError, match=r"file.*cannot be used.*--home"):
        Home(tmp_path / "file" / "home").lock()
