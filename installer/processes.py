"""Running a long command: its output goes to a log file, what it is doing to the terminal; Ctrl-C ends it too."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.5
STOP_TIMEOUT_S = 10.0
LARGE_DOWNLOAD_MB = 50.0

_DOWNLOAD = re.compile(r"(?:Downloading|Using cached) (?:\S*/)?([\w.]+)-([\w.]+)-\S*\.whl.*\(([\d.]+) MB\)")
_COLLECT = re.compile(r"Collecting ([\w.-]+)")
_INSTALL = re.compile(r"Installing collected packages: (.+)")


@dataclass(frozen=True)
class Activity:
    """What a command is doing; `is_milestone` lines are worth keeping in a log that shows no moving line."""

    text: str
    is_milestone: bool


def activity(line: str) -> Activity | None:
    """What one line of pip's output means to the person waiting, or None."""
    line = line.strip()
    if found := _DOWNLOAD.match(line):
        name, version, megabytes = found.groups()
        return Activity(f"downloading {name} {version} ({megabytes} MB)", float(megabytes) >= LARGE_DOWNLOAD_MB)
    if found := _COLLECT.match(line):
        return Activity(f"looking up {found[1]}", False)
    if found := _INSTALL.match(line):
        return Activity(f"unpacking {len(found[1].split(', '))} packages", True)
    return None


def run_logged(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str] | None = None,
    inherit: Sequence[int] = (),
    is_interruptible: bool = True,
) -> int:
    """Run `command` to its end and return its exit status; output is appended to `log`, progress shown on stdout.

    The command gets a session of its own, so that Ctrl-C reaches it through here only: it is ended and waited for
    before the interruption goes on; one that is not interruptible (apt would leave dpkg half-configured) is waited for.
    `inherit` are file descriptors that it shall keep open (POSIX only).
    """
    with log.open("ab") as output:
        read_from = output.tell()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=tuple(inherit) if os.name == "posix" else (),
            start_new_session=True,
        )
    try:
        _show_progress(process, log, read_from)
    except BaseException:
        if is_interruptible:
            _stop(process)
        process.wait()
        raise
    return process.returncode


def last_lines(log: Path, count: int) -> list[str]:
    """The last lines of a log file that are not empty."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return [line for line in lines if line.strip()][-count:]


def _show_progress(process: "subprocess.Popen[bytes]", log: Path, read_from: int) -> None:
    started = time.monotonic()
    shown = Activity("starting", False)
    moving = sys.stdout.isatty()
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(read_from)
        while True:
            is_over = process.poll() is not None
            for line in lines:
                if (now := activity(line)) is None:
                    continue
                shown = now
                if shown.is_milestone and not moving:
                    print(f"  {_clock(started)}  {shown.text}", flush=True)
            if moving:
                print(f"\r  {_clock(started)}  {shown.text:<66.66}", end="", flush=True)
            if is_over:
                break
            try:
                process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                continue
    if moving:
        print(f"\r{'':<78}\r", end="", flush=True)


def _clock(started: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    return f"{minutes}:{seconds:02d}"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.terminate()
    else:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
