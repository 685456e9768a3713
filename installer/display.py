"""A display for the tests: windows that are real and that nobody sees."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from select import select

from installer.errors import SetUpError

SCREEN = "1920x1080x24"
START_TIMEOUT_S = 20.0


@contextmanager
def display_for_tests() -> Iterator[dict[str, str]]:
    """The environment that makes Qt open its windows on an Xvfb of its own, which ends with the context.

    Where there is no Xvfb, Qt draws without any window system, and tests that need one are skipped.
    """
    if not sys.platform.startswith("linux") or shutil.which("Xvfb") is None:
        yield {"QT_QPA_PLATFORM": "offscreen"}
        return
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(writer,),
        start_new_session=True,  # Ctrl-C is for the tests; the display outlives their clean-up
    )
    os.close(writer)
    try:
        yield {"DISPLAY": f":{_display_number(reader)}", "QT_QPA_PLATFORM": "xcb", "WAYLAND_DISPLAY": ""}
    finally:
        server.terminate()
        server.wait()


def _display_number(reader: int) -> int:
    """Xvfb finds a free number itself and writes it when it takes connections."""
    with os.fdopen(reader) as answer:
        is_ready, _, _ = select([answer], [], [], START_TIMEOUT_S)
        number = answer.readline().strip() if is_ready else ""
    if not number.isdigit():
        raise SetUpError(f"Xvfb did not start within {START_TIMEOUT_S:.0f} s. Try it by hand: Xvfb :99")
    return int(number)
