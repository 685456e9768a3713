"""What start.py decides before Loupe runs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from installer import required_python
from installer.environment import PROJECT
from installer.launch import has_display, loupe_arguments, split_arguments


def test_that_arguments_after_the_dashes_go_to_loupe_untouched() -> None:
    assert split_arguments(["--set-up-only", "--", "run", "--", "x"]) == (["--set-up-only"], ["run", "--", "x"])
    assert split_arguments(["--help"]) == (["--help"], [])
    assert split_arguments(["--"]) == ([], [])


def test_that_the_demo_line_opens_in_a_window_where_there_can_be_one() -> None:
    assert loupe_arguments([], is_display_there=True) == ["run", "--source", "demo"]
    assert loupe_arguments([], is_display_there=False) == ["demo", "--headless"]
    assert loupe_arguments(["methods"], is_display_there=False) == ["methods"]


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ""}, False),
        ("linux", {}, False),
        ("win32", {}, True),
        ("darwin", {}, True),
    ],
)
def test_that_only_linux_can_lack_a_display(platform: str, environment: dict[str, str], expected: bool) -> None:
    assert has_display(platform, environment) is expected


@pytest.mark.parametrize("name", ["start.py", "test.py", "required_python.py", "__init__.py"])
def test_that_older_pythons_can_parse_what_runs_before_their_version_is_checked(name: str) -> None:
    tree = ast.parse((PROJECT / "installer" / name).read_text(encoding="utf-8"), feature_version=(3, 4))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.arg) and node.annotation]
    assert (PROJECT / "installer" / name).read_text(encoding="utf-8").isascii()  # Python 2 reads ASCII


def test_that_an_old_python_is_told_what_is_needed() -> None:
    assert required_python.complaint((3, 11, 0)) is None
    assert required_python.complaint((3, 14, 1)) is None
    message = required_python.complaint((3, 9, 2))
    assert message is not None
    assert "needs Python 3.11 or newer; this is Python 3.9.2" in message
    assert "python3.11 installer/start.py" in message


@pytest.mark.parametrize("name", ["start.py", "test.py"])
def test_that_help_and_wrong_usage_set_nothing_up(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(PROJECT / "installer" / name)]
    shown = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert shown.returncode == 0
    assert "[-- ARGUMENTS FOR" in shown.stdout
    wrong = subprocess.run([*command, "--no-such"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "unrecognized arguments: --no-such" in wrong.stderr
    assert "Traceback" not in wrong.stderr
