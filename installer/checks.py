"""`installer/test.py`: what every change must pass, the same for a developer and for CI."""

import argparse
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from installer import system_packages
from installer.display import display_for_tests
from installer.environment import PROJECT, Places, prepare
from installer.errors import report_failures
from installer.launch import split_arguments


@dataclass(frozen=True)
class Outcome:
    """How one check ended."""

    title: str
    seconds: float
    status: int


Runner = Callable[[Sequence[str], Mapping[str, str]], int]


def static_checks(places: Places) -> dict[str, list[str]]:
    """The checks that read the code without running it, by title, cheapest first."""
    python = str(places.python)
    return {
        "ruff check": [python, "-m", "ruff", "check", "."],
        "ruff format": [python, "-m", "ruff", "format", "--check", "."],
        "mypy --strict": [python, "-m", "mypy"],
        "import-linter": [str(places.script("lint-imports")), "--no-logo"],
    }


def run_all(places: Places, pytest_arguments: Sequence[str], run: Runner) -> list[Outcome]:
    """Run every check even when one fails; pytest comes last, so that its closing line ends the output."""
    outcomes = [_timed(title, command, {}, run) for title, command in static_checks(places).items()]
    print("\n" + summary(outcomes) + "\n", flush=True)
    with display_for_tests() as environment:
        # Two at most: each process trains small models and opens windows, and more would ask for more memory.
        processes = str(min(2, os.cpu_count() or 1))
        command = [str(places.python), "-m", "pytest", "-n", processes, *pytest_arguments]
        outcomes.append(_timed("pytest", command, environment, run))
    return outcomes


def summary(outcomes: Sequence[Outcome]) -> str:
    """One line a check: title, time, how it ended."""
    width = max(len(outcome.title) for outcome in outcomes)
    return "\n".join(
        f"  {outcome.title:<{width}}  {outcome.seconds:6.1f} s  {'ok' if outcome.status == 0 else 'FAILED'}"
        for outcome in outcomes
    )


def main(arguments: Sequence[str]) -> int:
    """Set up with the test tools, run every check; 0 when all passed."""
    own, pytest_arguments = split_arguments(arguments)
    _parser().parse_args(own)
    return report_failures(lambda: _check(pytest_arguments))


def _check(pytest_arguments: Sequence[str]) -> int:
    places = Places(PROJECT)
    prepare(places, ("test",))
    lacking = [*system_packages.missing_for_qt(), *system_packages.missing_for_virtual_display()]
    system_packages.provide(lacking, places.log)
    outcomes = run_all(places, pytest_arguments, _run_in(places.project))
    failed = [outcome for outcome in outcomes if outcome.status != 0]
    if failed:
        print(f"\nNot all checks passed:\n{summary(failed)}", flush=True)
    return 1 if failed else 0


def _timed(title: str, command: Sequence[str], environment: Mapping[str, str], run: Runner) -> Outcome:
    print(f"\n--- {title}", flush=True)
    started = time.monotonic()
    status = run(command, environment)
    return Outcome(title, time.monotonic() - started, status)


def _run_in(folder: Path) -> Runner:
    def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment})
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The terminal told the check too; a polite kill did not.
            process.terminate()
            process.wait()
            raise

    return run


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="test.py",
        usage="%(prog)s [-- ARGUMENTS FOR PYTEST]",
        description="Sets Loupe up with its test tools, then runs ruff, mypy, import-linter and pytest.",
        epilog="Example: test.py -- tests/core -x",
    )
