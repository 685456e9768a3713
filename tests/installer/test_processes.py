"""The log, the lock, and what an interruption does to a running command."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from installer.environment import PROJECT
from installer.errors import EXIT_FAILED, EXIT_INTERRUPTED, SetUpError, report_failures
from installer.lock import exclusive
from installer.processes import Activity, activity, last_lines, run_logged

on_posix = pytest.mark.skipif(os.name != "posix", reason="signals and inherited locks are POSIX")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Collecting torch>=2.9 (from loupe==0.1.0)", Activity("looking up torch", False)),
        (
            "  Downloading torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl (530.7 MB)",
            Activity("downloading torch 2.14.1 (530.7 MB)", True),
        ),
        (
            "  Using cached pillow-13.0.0-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (7.1 MB)",
            Activity("downloading pillow 13.0.0 (7.1 MB)", False),
        ),
        ("Installing collected packages: a, b, c", Activity("unpacking 3 packages", True)),
        ("Looking in indexes: https://pypi.org/simple", None),
    ],
)
def test_that_pips_lines_become_words_for_who_waits(line: str, expected: Activity | None) -> None:
    assert activity(line) == expected


def test_that_output_goes_to_the_log_and_the_status_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    code = "import sys; print('Installing collected packages: a, b'); print('oops', file=sys.stderr); sys.exit(3)"
    assert run_logged([sys.executable, "-c", code], log) == 3
    assert log.read_text().splitlines()[0] == "before"
    assert {"oops", "Installing collected packages: a, b"} <= set(last_lines(log, 2))
    assert "unpacking 2 packages" in capsys.readouterr().out


@on_posix
def test_that_an_interrupted_command_is_ended_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = f"""
        import subprocess, sys, time
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        open({str(child)!r}, "w").write(str(process.pid))
        print("Installing collected packages: a", flush=True)
        time.sleep(60)
    """
    set_up = f"""
        import sys
        from pathlib import Path
        from installer.errors import report_failures
        from installer.processes import run_logged
        code = {textwrap.dedent(code)!r}
        sys.exit(report_failures(lambda: run_logged([sys.executable, "-c", code], Path({str(tmp_path / "log")!r}))))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(set_up)], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"unpacking" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == EXIT_INTERRUPTED
    assert b"Nothing half-made" in errors
    assert b"Traceback" not in errors
    assert not Path(f"/proc/{child.read_text()}/cwd").exists()


@on_posix
def test_that_a_second_set_up_waits_until_the_first_and_its_children_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    waited, entered = threading.Event(), threading.Event()

    def second() -> None:
        with exclusive(path, waited.set):
            entered.set()

    thread = threading.Thread(target=second)
    with exclusive(path, waited.set) as descriptor:
        assert not waited.is_set()
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(descriptor,))
        thread.start()
        assert waited.wait(5)
    assert not entered.wait(0.5)  # the first has let go, its child has not
    child.communicate(b"\n", timeout=10)
    assert entered.wait(5)
    thread.join()


@pytest.mark.parametrize(
    ("failure", "status", "text"),
    [
        (SetUpError("No network. Check it."), EXIT_FAILED, "No network. Check it."),
        (OSError(30, "Read-only file system", "/opt/loupe"), EXIT_FAILED, "Read-only file system: /opt/loupe"),
        (KeyboardInterrupt(), EXIT_INTERRUPTED, "Nothing half-made"),
    ],
)
def test_that_a_foreseen_failure_is_told_without_a_traceback(
    failure: BaseException, status: int, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("installer.errors._stop_like_ctrl_c", lambda: None)

    def fail() -> int:
        raise failure

    assert report_failures(fail) == status
    assert text in capsys.readouterr().err
