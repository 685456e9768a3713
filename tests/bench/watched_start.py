"""The station as `loupe` starts it, telling on stdout when it came how far; `tests.bench.startup` runs it.

python -m tests.bench.watched_start BEGUN window|verdict

BEGUN is `time.monotonic()` of whoever began this process: the system's clock, the same in both processes.
"""

import json
import sys
import time

from PySide6.QtCore import QObject, Qt, QTimer, Slot

from station import __main__ as program
from station import app

TICK_MS = 5
SLOW = ("torch", "onnxruntime", "scipy", "sklearn")


class Watch(QObject):
    """Presses Inspect as soon as a recipe is loaded, and closes the window once it is painted or shows a verdict."""

    def __init__(self, station: app.Station, begun: float, until: str) -> None:
        super().__init__(station)
        self._station, self._begun, self._until = station, begun, until
        self._told: dict[str, object] = {}
        self._longest_wait_s = 0.0
        self._ticked = time.monotonic()
        self._pulse = QTimer(self, interval=TICK_MS, timerType=Qt.TimerType.PreciseTimer)
        self._pulse.timeout.connect(self._on_tick)
        station.window.first_painted.connect(self._on_painted)
        station.opened.connect(self._on_opened)

    def _note(self, event: str) -> None:
        self._told[event] = time.monotonic() - self._begun

    @Slot()
    def _on_painted(self) -> None:
        self._note("window shown")
        self._told["CPU to window"] = time.process_time()
        self._told["modules"] = len(sys.modules)
        if self._until == "window":
            self._end()
            return
        self._ticked = time.monotonic()
        self._pulse.start()

    @Slot()
    def _on_opened(self) -> None:
        self._note("history open")
        assert self._station.line is not None
        worker = self._station.line.worker
        worker.recipe_loaded.connect(self._on_recipe)
        worker.recipe_failed.connect(self._on_recipe_failed)
        worker.verdict_ready.connect(self._on_verdict)

    @Slot(object)
    def _on_recipe(self, _: object) -> None:
        self._note("recipe loaded")
        assert self._station.line is not None
        self._station.line.press()

    @Slot(str, str)
    def _on_recipe_failed(self, name: str, reason: str) -> None:
        self._told["failed"] = f"{name}: {reason}"
        self._end()

    @Slot(object)
    def _on_verdict(self, _: object) -> None:
        self._note("first verdict")
        self._told["CPU to verdict"] = time.process_time()
        self._on_tick()
        self._told["longest wait"] = self._longest_wait_s
        self._end()

    @Slot()
    def _on_tick(self) -> None:
        now = time.monotonic()
        self._longest_wait_s = max(self._longest_wait_s, now - self._ticked)
        self._ticked = now

    def _end(self) -> None:
        self._pulse.stop()
        self._told["imported"] = [name for name in SLOW if name in sys.modules]
        print(json.dumps(self._told), flush=True)
        self._station.window.close()


def main() -> None:
    begun, until = float(sys.argv[1]), sys.argv[2]
    run_station = app.run_station
    app.run_station = lambda *place: run_station(*place, on_start=lambda station: Watch(station, begun, until))
    sys.argv = ["loupe"]
    program.main()


if __name__ == "__main__":
    main()
