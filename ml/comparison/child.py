"""Starts a cell in a process of its own, follows it, and makes an outcome of however it ends. No torch."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from uuid import uuid4

from pydantic import ValidationError

from ml.comparison.records import CellJob, CellOutcome, FailedCell, OutcomeFile
from ml.errors import ComparisonError
from ml.progress import Progress, silent

CELL_COMMAND = (sys.executable, "-m", "ml.comparison.cell")
WORK_PREFIX = "cell-"
STALE_S = 24 * 3600.0
"""A cell's folder in which no file has come for so long belongs to a run that was killed."""

TERMINATE_S = 5.0
LOG_TAIL_LINES = 20
OUT_OF_MEMORY_HINT = "most often for lack of memory: close other programs, or choose a smaller size or preset"


def run_cell(
    job: CellJob, work: Path, progress: Progress = silent, command: Sequence[str] = CELL_COMMAND
) -> CellOutcome:
    """Carry out one cell and give what it found, or why it failed. Its files lie in a temporary folder in `work`:
    computed features too, so that a cell's training time does not depend on what was trained before it.

    Whatever ends this call, Ctrl-C included, ends the process and removes the folder. Raises ComparisonError where
    no process can be started at all.
    """
    folder = work / f"{WORK_PREFIX}{uuid4().hex[:8]}"
    try:  # not TemporaryDirectory: a Ctrl-C between its mkdir and its `with` leaves the folder
        folder.mkdir()
        job_file, out, log = folder / "job.json", folder / "outcome.json", folder / "log.txt"
        training = job.training.model_copy(update={"out": folder / "model.loupe"})
        job_file.write_text(job.model_copy(update={"training": training}).model_dump_json(), encoding="utf-8")
        began = time.monotonic()
        with log.open("wb") as words:
            code = _followed([*command, str(job_file), str(out)], folder / "features", words, progress)
        return _outcome(code, out, log.read_text("utf-8", errors="replace"), time.monotonic() - began)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale(work: Path) -> None:
    """Remove what runs that were killed, or lost their power, left in `work`."""
    for folder in work.glob(f"{WORK_PREFIX}*/"):
        if time.time() - folder.stat().st_mtime > STALE_S:
            shutil.rmtree(folder, ignore_errors=True)


def _followed(command: Sequence[str], features: Path, words: IO[bytes], progress: Progress) -> int:
    """The exit code; below 0 the number of the signal that ended the process."""
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "LOUPE_FEATURES": str(features)}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=words,
            encoding="utf-8",
            errors="replace",
            env=environment,
        )
    except OSError as error:
        raise ComparisonError(f"{command[0]}: cannot be started ({error.strerror}). Install Loupe again.") from error
    with process:
        try:
            for line in process.stdout or ():
                _tell(line, progress)
            return process.wait()
        finally:
            _end(process)


def _tell(line: str, progress: Progress) -> None:
    """Pass on what is a step of progress; a library's own words on standard output are none."""
    try:
        step = json.loads(line)
        progress(str(step["stage"]), int(step["done"]), int(step["total"]))
    except (ValueError, TypeError, KeyError):
        return


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(TERMINATE_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _outcome(code: int, out: Path, log: str, seconds: float) -> CellOutcome:
    lines = tuple(line for line in log.splitlines() if line.strip())[-LOG_TAIL_LINES:]
    if code == 0:
        try:
            return OutcomeFile.model_validate_json(out.read_bytes()).outcome
        except (OSError, ValidationError):
            return FailedCell(message="The process ended without a result.", log=lines, seconds=seconds)
    return FailedCell(message=_reason(code, lines), log=lines, seconds=seconds)


def _reason(code: int, lines: Sequence[str]) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"The process was ended by {name}, {OUT_OF_MEMORY_HINT}."
    if lines and "MemoryError" in lines[-1]:
        return f"The process ran out of memory: {lines[-1]}"
    return f"The process failed with code {code}: {lines[-1] if lines else 'it said nothing'}"
