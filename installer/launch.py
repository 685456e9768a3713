"""`installer/start.py`: set up what is missing, then become Loupe."""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from installer import system_packages
from installer.environment import PROJECT, Places, prepare
from installer.errors import EXIT_INTERRUPTED, report_failures


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The installer's own arguments, and those after the first `--`, which are passed on."""
    if "--" not in arguments:
        return list(arguments), []
    at = list(arguments).index("--")
    return list(arguments[:at]), list(arguments[at + 1 :])


def has_display(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a window can be opened. Only on Linux and its kin may there be no window system."""
    if platform in {"win32", "darwin"}:
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def loupe_arguments(passed_on: Sequence[str], is_display_there: bool) -> list[str]:
    """What Loupe is started with: what the user gave, else the demo line, in a window if there can be one."""
    if passed_on:
        return list(passed_on)
    return ["run", "--source", "demo"] if is_display_there else ["demo", "--headless"]


def main(arguments: Sequence[str]) -> int:
    """Set up and start; returns an exit status only where set-up failed, was all that was asked, or on Windows."""
    own, passed_on = split_arguments(arguments)
    options = _parser().parse_args(own)
    return report_failures(lambda: _start(passed_on, options.set_up_only))


def _start(passed_on: Sequence[str], is_set_up_only: bool) -> int:
    places = Places(PROJECT)
    python = prepare(places)
    system_packages.provide(system_packages.missing_for_qt(), places.log)
    if is_set_up_only:
        return 0
    if not passed_on and not has_display():
        print("There is no display (DISPLAY and WAYLAND_DISPLAY are not set): the demo line runs without a window.")
    return _become([str(python), "-m", "station", *loupe_arguments(passed_on, has_display())])


def _become(command: list[str]) -> int:
    """Put Loupe in this process's place, so that signals and the exit status are its own."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    # Windows has no such call: wait for it, and leave Ctrl-C to it.
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            if process.poll() is not None:
                return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="start.py",
        usage="%(prog)s [--set-up-only] [-- ARGUMENTS FOR LOUPE]",
        description="Sets Loupe up in .venv when that is needed, and opens the station on the built-in demo line.",
        epilog="Example: start.py -- run --source folder:pictures. All commands: start.py -- --help",
    )
    parser.add_argument("--set-up-only", action="store_true", help="set up, but start nothing")
    return parser
