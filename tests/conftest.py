"""What every test gets: a home of its own, fixed seeds, few threads, and a look afterwards for what it left running.

**The window system** is the environment's: one process has one Qt platform. `installer/test.py` starts an Xvfb and sets
QT_QPA_PLATFORM=xcb, so that every test there, e2e included, opens real windows on a display of its own; sub-processes
inherit it. Without a display, Qt draws offscreen and tests that ask for `window_system` are skipped.

**Real pictures** (marker `real_data`, fixture `data_folder`) lie in LOUPE_TEST_DATA, else in `../shared/data` beside
the checkout; where neither is there, the tests are skipped. Nothing may be written there.

**Two at a time**: with pytest-xdist (`-n`) whole files go to one process, since what a file trains its tests share, and
all files that open windows to the same one, since a display has one focus. `installer/test.py` uses as many processes
as there are cores.

**Left running**: threads, QThreads, QTimers and windows that a passed test did not end fail it (leaks.py). Qt's own
warnings fail tests through `qt_log_level_fail` in pyproject.toml.
"""

import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

# Before anything imports Qt or torch; sub-processes of the tests inherit all of it.
if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # repeatable sums; with passive waiting a second thread gains nothing
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that would download weights fails instead

# A runner in the background of a shell ignores Ctrl-C, and so would every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.leaks import Watch

SEED = 20_260_101
DATA_FOLDER = Path(os.environ.get("LOUPE_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")

# Shared machines stall now and then, and what CI runs must be repeatable; look for new counter-examples with
# `--hypothesis-profile=explore`.
settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("repeatable")

WINDOWS = ("tests/ui/", "tests/e2e/")

_has_passed = pytest.StashKey[bool]()


class _FilesTogether(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A file stays in one process, and so do all files that open windows."""

    def _split_scope(self, nodeid: str) -> str:
        return "windows" if nodeid.startswith(WINDOWS) else nodeid.split("::", 1)[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    return _FilesTogether(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real_data") and not DATA_FOLDER.is_dir():
        pytest.skip(f"no pictures in {DATA_FOLDER}; set LOUPE_TEST_DATA to their folder")
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if call.when == "call":
        item.stash[_has_passed] = report.passed
    return report


@pytest.fixture(autouse=True)
def nothing_left_running(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves threads, timers or windows behind. Set up first, it looks last."""
    with Watch() as watch:
        yield
    # A failed test keeps its objects alive in the traceback; blaming it for those as well would hide the failure.
    if not request.node.stash.get(_has_passed, False):
        return
    left = watch.threads_left()
    if "qapp" in request.fixturenames:
        left += watch.qt_left()
    if left:
        pytest.fail("left running by this test:\n" + "\n".join(f"  {line}" for line in left), pytrace=False)


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """The same random numbers in each test, whatever ran before."""
    random.seed(SEED)
    np.random.seed(SEED)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)


@pytest.fixture(autouse=True)
def home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """LOUPE_HOME in the test's own folder, for it and its sub-processes; the folder is not made."""
    home = tmp_path / "home"
    monkeypatch.setenv("LOUPE_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with the real pictures, read-only; skips where it is absent."""
    if not DATA_FOLDER.is_dir():
        pytest.skip(f"no pictures in {DATA_FOLDER}; set LOUPE_TEST_DATA to their folder")
    return DATA_FOLDER


@pytest.fixture
def window_system(qapp: object) -> None:
    """Skips where windows are only drawn in memory: for tests of focus, key strokes and what stands on the screen."""
    from PySide6.QtGui import QGuiApplication

    if QGuiApplication.platformName() in {"offscreen", "minimal"}:
        pytest.skip("no window system; installer/test.py brings one")
