"""What test.py runs, in which order, on which display."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from installer import display
from installer.checks import Outcome, run_all, summary
from installer.display import display_for_tests
from installer.environment import Places


@pytest.fixture
def without_xvfb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display.shutil, "which", lambda _: None)


@pytest.mark.usefixtures("without_xvfb")
def test_that_every_check_runs_even_when_the_first_fails_and_pytest_comes_last(tmp_path: Path) -> None:
    ran: list[tuple[list[str], dict[str, str]]] = []

    def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
        ran.append((list(command), dict(environment)))
        return 1 if len(ran) == 1 else 0

    outcomes = run_all(Places(tmp_path), ["tests/core", "-x"], run)
    assert [outcome.title for outcome in outcomes] == [
        "ruff check",
        "ruff format",
        "mypy --strict",
        "import-linter",
        "pytest",
    ]
    assert [outcome.status for outcome in outcomes] == [1, 0, 0, 0, 0]
    assert ran[-1][0][1:4] == ["-m", "pytest", "-n"]
    assert ran[-1][0][5:] == ["tests/core", "-x"]
    assert ran[-1][1] == {"QT_QPA_PLATFORM": "offscreen"}


def test_that_the_summary_tells_each_check_with_its_time_and_end() -> None:
    lines = summary([Outcome("ruff check", 0.42, 0), Outcome("pytest", 123.0, 1)]).splitlines()
    assert lines == ["  ruff check     0.4 s  ok", "  pytest       123.0 s  FAILED"]


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb; installer/test.py brings it")
def test_that_two_displays_do_not_collide_and_end_with_their_context() -> None:
    with display_for_tests() as one, display_for_tests() as other:
        assert one["DISPLAY"] != other["DISPLAY"]
        assert one["QT_QPA_PLATFORM"] == "xcb"
        socket = Path(f"/tmp/.X11-unix/X{one['DISPLAY'].removeprefix(':')}")
        assert socket.exists()
    assert not socket.exists()


def test_that_a_display_that_does_not_come_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with pytest.raises(display.SetUpError, match="Xvfb did not start"):
        display._display_number(reader)


def test_that_ci_runs_exactly_what_a_developer_runs() -> None:
    script = (Path(__file__).parents[2] / ".ci" / "run").read_text().splitlines()
    assert script[-1] == "exec python3 installer/test.py"
    assert subprocess.run(["bash", "-n", Path(__file__).parents[2] / ".ci" / "run"], check=False).returncode == 0
