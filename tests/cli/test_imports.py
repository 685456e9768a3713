"""What a fresh interpreter has imported: torch takes seconds, and neither the window nor a question needs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = "{'torch', 'torchvision', 'timm', 'sklearn'} & set(sys.modules)"


def imported(statement: str, tmp_path: Path) -> str:
    code = f"import sys\n{statement}\nprint('HEAVY', sorted({HEAVY}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("statement", ["import station.app", "import station.cli"])
def test_that_importing_the_window_or_the_command_line_imports_no_torch(statement: str, tmp_path: Path) -> None:
    assert imported(statement, tmp_path) == "HEAVY []"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["methods"],
        ["methods", "--json"],
        ["train", "--help"],
        ["train", "nowhere", "--out", "a.loupe"],
        ["train", ".", "--out", "a.loupe", "--set", "bogus=1"],
        ["inspect", "nowhere.loupe", "a.png"],
        ["bench", "nowhere.loupe", "a.png"],
        ["evaluate", "nowhere.loupe", "."],
        ["judge", "nowhere.loupe", ".", "--out", "scores"],
        ["train", "nowhere.json", "--out", "a.loupe"],
        ["models", "list", "--home", "nowhere"],
        ["annotations", "show", "nowhere"],
    ],
)
def test_that_help_methods_and_early_refusals_import_no_torch(arguments: list[str], tmp_path: Path) -> None:
    assert imported(f"from station.cli import run_command\nrun_command({arguments!r})", tmp_path) == "HEAVY []"
