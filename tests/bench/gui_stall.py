"""How long the window does not answer while parts of 1024 x 1024 px are inspected one after the other.

python -m tests.bench.gui_stall [RUNS] [SECONDS]    (needs a display, e.g. under Xvfb; RUNS x SECONDS plus a minute)

The real station on the demo line. A timer in the GUI thread that wants to fire every 5 ms notes the longest time that
it had to wait; told are the median of the runs' longest waits, and what share of all waits was over 20 ms.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QApplication

from station import app
from station.capture.demo_recipe import DEMO_RECIPE
from station.capture.simulated import SimulatedCamera
from station.core.ports import Camera
from station.core.recipe import QualityLimits
from station.history.archive import Archive
from station.home import Home
from tests.e2e.driver import pause, prepare_demo_home, running_station

SIDE_PX = 1024
TICK_MS = 5
WARM_UP_MS = 3000


class Pulse(QObject):
    """Notes how long the GUI thread had to wait for its own timer, in ms."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_ms: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(self, interval=TICK_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_tick)

    def start(self) -> None:
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    @Slot()
    def _on_tick(self) -> None:
        now = time.perf_counter()
        self.waits_ms.append((now - self._last) * 1e3)
        self._last = now


def camera(_: str) -> Camera:
    return SimulatedCamera(size_px=SIDE_PX)


def open_for_any_size(home: Path) -> None:
    """The demo recipe learns from smaller pictures; here it takes any size."""
    place = Home(home)
    with place.lock(), Archive.open(place) as archive:
        recipe = archive.recipes.latest(DEMO_RECIPE)
        assert recipe is not None
        archive.recipes.save(
            recipe.model_copy(update={"width_px": None, "height_px": None, "quality": QualityLimits()})
        )


def run(home: Path, seconds: float) -> tuple[list[float], int]:
    """The waits in ms, and the number of parts inspected meanwhile."""
    with running_station(home, DEMO_RECIPE, "demo") as operator:
        operator.station.keeper.change(continuous_interval_s=0.0)
        operator.window.resize(1920, 1080)
        operator.wait_ready()
        operator.key(Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
        pause(WARM_UP_MS)
        before, pulse = len(operator.parts), Pulse()
        pulse.start()
        pause(round(seconds * 1000))
        pulse.stop()
        return pulse.waits_ms, len(operator.parts) - before


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    application = QApplication(sys.argv[:1])
    application.setQuitOnLastWindowClosed(False)
    app._open_camera = camera
    sys.setswitchinterval(app.SWITCH_INTERVAL_S)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        prepare_demo_home(home)
        open_for_any_size(home)
        longest, all_waits = [], []
        for _ in range(runs):
            waits, parts = run(home, seconds)
            longest.append(max(waits))
            all_waits += waits
            print(f"longest wait {max(waits):5.1f} ms; {parts} parts, {1000 * seconds / max(parts, 1):.0f} ms each")
    late = sum(wait > 20 for wait in all_waits) / len(all_waits)
    print(f"median of the longest waits {statistics.median(longest):.1f} ms; {late:.2%} of all waits over 20 ms")


if __name__ == "__main__":
    main()
