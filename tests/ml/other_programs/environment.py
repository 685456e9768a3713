"""Environments with other people's packages and nothing of ours, kept in the user's cache between runs."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from platformdirs import user_cache_path

NO_INDEX = ("from versions: none", "NewConnectionError", "Temporary failure in name resolution", "timed out")


def python_with(*pins: str) -> Path:
    """The interpreter of an environment with these packages, made anew when they change. Skips the test where no
    package index can be reached; any other failure to install them fails."""
    name = hashlib.sha256(f"{pins} {sys.version}".encode()).hexdigest()[:12]
    folder = user_cache_path("loupe-tests", appauthor=False) / f"real-packages-{name}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / "ready"
    if ready.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = run_there(sys.executable, "-m", "venv", folder)
    if made.returncode:
        pytest.skip(f"no environment can be made here: {made.stderr.strip()[-300:]}")
    options = ("--quiet", "--no-compile", "--prefer-binary", "--retries", "1")  # most of it is never imported
    installed = run_there(python, "-m", "pip", "install", *options, *pins)
    if installed.returncode and any(sign in installed.stderr for sign in NO_INDEX):
        pytest.skip(f"no package index can be reached: {installed.stderr.strip()[-300:]}")
    assert installed.returncode == 0, installed.stderr[-3000:]
    ready.touch()
    return python


def run_there(*command: object, cwd: Path | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Nothing of ours may be found there: scripts must see the packages as their users do."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "QT_"))}
    return subprocess.run(
        [str(part) for part in command],
        env=inherited | environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
