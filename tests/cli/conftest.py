"""The command line as a script meets it: arguments in; exit code, stdout and stderr out. One tiny model for all."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from station.capture.demo_line.dataset import write_demo_dataset
from station.cli import run_command


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Loupe = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def loupe(capfd: pytest.CaptureFixture[str]) -> Loupe:
    """Runs a command line in this process; what native libraries print is caught as well."""

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = run_command([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return run


@pytest.fixture
def loupe_process() -> Callable[..., "subprocess.Popen[str]"]:
    """Starts a command line in a process of its own, as a shell does."""

    def start(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "station", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    return start


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MVTec layout of rendered parts: 6 to train on, 2 good and 5 defective to test with."""
    folder = tmp_path_factory.mktemp("cli") / "parts"
    write_demo_dataset(folder, 6, 1, test_good=2, test_defects=5, size_px=96)
    return folder


@pytest.fixture(scope="session")
def model(parts: Path) -> Path:
    file = parts.parent / "tiny.loupe"
    code = run_command(["train", str(parts), "--out", str(file), "--method", "padim", "--size", "64"])
    assert code == 0
    return file
