"""How steadily the line runs: parts a second, latency and memory over minutes of continuous inspection.

QT_QPA_PLATFORM=offscreen python -m tests.bench.sustained [MINUTES] [--model FILE.loupe] [--source SPEC] [--folder DISK]

The station's own inspection line, without its window, judges and stores part after part as fast as it can: the demo
line with a model trained for it, or the pictures of SPEC (`folder:PATH`, begun again at its end) with the model given.
Its home is a temporary folder, in DISK where that is given. Latency is from the grabbed frame to its committed row.
Exits with 1 where memory grows or the 99th percentile is more than twice the median.
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import psutil
from numpy.typing import NDArray
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Slot

from ml.maps import Detection, ScoreMap
from station.app import SWITCH_INTERVAL_S
from station.capture import open_camera
from station.capture.demo_recipe import DEMO_RECIPE
from station.core.frame import Frame, Pixels
from station.core.inspection import Inspected, Inspection
from station.core.ports import Camera, Detector
from station.core.recipe import QualityLimits, Recipe
from station.core.recipe_rules import recipe_for
from station.core.verdict import Verdict
from station.history import HistoryWriter
from station.history.archive import Archive
from station.home import Home
from station.workers.inspection import JudgedPart, Suppliers
from station.workers.line import InspectionLine

MOST_PARTS: Final = 200_000
MEMORY_EVERY_MS: Final = 2000
WARM_UP_SHARE: Final = 0.1
"""Of the whole run: what comes before counts neither for the latency nor for the memory's growth."""
MOST_GROWTH_MIB: Final = 16.0
MOST_P99: Final = 2.0

AT, CAPTURE, SCORING, STORING, LATENCY, CPU = range(6)
"""Columns, all in seconds: when the row was committed, how long the worker waited for the frame, and so on; last the
whole process's computing time since the part before, which other programs on the machine do not lengthen much."""


class Stopwatch:
    """Notes the times of each part, in the inspection thread. Takes all its memory at the start."""

    def __init__(self) -> None:
        self._rows = np.full((MOST_PARTS, 6), np.nan)
        self._count = 0
        self._capture_s = self._scoring_s = self._grabbed_at = 0.0
        self._cpu_s = time.process_time()

    def grabbed(self, began: float) -> None:
        self._grabbed_at = time.perf_counter()
        self._capture_s = self._grabbed_at - began

    def scored(self, began: float) -> None:
        self._scoring_s = time.perf_counter() - began

    def stored(self, began: float) -> None:
        now, before = time.perf_counter(), self._cpu_s
        self._cpu_s = time.process_time()
        latency_s, cpu_s = now - self._grabbed_at, self._cpu_s - before
        self._rows[self._count] = now, self._capture_s, self._scoring_s, now - began, latency_s, cpu_s
        self._count += 1

    def parts(self) -> NDArray[np.float64]:
        """`(parts, 6)`, so far."""
        return self._rows[: self._count]


class TimedCamera:
    def __init__(self, camera: Camera, watch: Stopwatch) -> None:
        self._camera, self._watch = camera, watch
        self.name, self.open, self.trigger, self.close = camera.name, camera.open, camera.trigger, camera.close

    def grab(self, timeout_s: float) -> Frame:
        began = time.perf_counter()
        frame = self._camera.grab(timeout_s)
        self._watch.grabbed(began)
        if frame.encoded is None:
            return frame
        # Decoders pass over what follows a picture. Without it the store would know the picture, and not write it.
        return replace(frame, encoded=frame.encoded + len(self._watch.parts()).to_bytes(4, "big"))


class TimedDetector:
    def __init__(self, detector: Detector, watch: Stopwatch) -> None:
        self._detector, self._watch = detector, watch
        self.manifest, self.runtime = detector.manifest, detector.runtime
        self.reference_thumbnail = detector.reference_thumbnail

    def score(self, pixels: Pixels, on_partial: Callable[[ScoreMap], None] | None = None) -> Detection:
        began = time.perf_counter()
        detection = self._detector.score(pixels, on_partial)
        self._watch.scored(began)
        score_map = detection.score_map
        unlike = score_map.cells * np.float32(1 + 1e-6 * len(self._watch.parts()))  # so that each is written, see above
        return replace(detection, score_map=replace(score_map, cells=unlike))


class TimedLog:
    def __init__(self, writer: HistoryWriter, watch: Stopwatch) -> None:
        self._writer, self._watch = writer, watch
        self.prepare, self.prepare_map, self.close = writer.prepare, writer.prepare_map, writer.close

    def record(self, inspected: Inspected) -> Inspection:
        began = time.perf_counter()
        stored = self._writer.record(inspected)
        self._watch.stored(began)
        return stored


class Screen(QObject):
    """What the window does with the line: takes each part and its pictures, and begins a source again at its end."""

    def __init__(self, line: InspectionLine, recipe: Recipe, minutes: float) -> None:
        super().__init__()
        self._line, self._recipe, self._minutes = line, recipe, minutes
        self.faults: dict[str, int] = {}
        line.worker.recipe_loaded.connect(self.begin)
        line.worker.recipe_failed.connect(self.give_up)
        line.worker.verdict_ready.connect(self.note)
        line.worker.source_ended.connect(self.begin_again)

    @Slot(object)
    def begin(self, _: object) -> None:
        self._line.set_continuous(True, 0)
        QTimer.singleShot(round(self._minutes * 60_000), QCoreApplication.quit)

    @Slot(str, str)
    def give_up(self, name: str, reason: str) -> None:
        raise SystemExit(f"{name}: {reason}")

    @Slot(object)
    def note(self, part: JudgedPart) -> None:
        self._line.worker.views.take()
        if part.inspection.verdict is Verdict.FAULT:
            reason = part.inspection.fault or ""
            self.faults[reason] = self.faults.get(reason, 0) + 1

    @Slot(str)
    def begin_again(self, _: str) -> None:
        self._line.open_source(self._recipe.source)
        self._line.set_continuous(True, 0)


class Process(QObject):
    """This process's memory in MiB and its threads, every two seconds; how long the garbage collector held it up."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[tuple[float, float, int]] = []
        self.longest_collection_s = 0.0
        self._process = psutil.Process()
        self._collection_began = 0.0
        self._timer = QTimer(self, interval=MEMORY_EVERY_MS)
        self._timer.timeout.connect(self.sample)
        self._timer.start()
        gc.callbacks.append(self._on_collection)
        self.sample()

    @Slot()
    def sample(self) -> None:
        memory = self._process.memory_info().rss / 2**20
        self.samples.append((time.perf_counter(), memory, self._process.num_threads()))

    def close(self) -> None:
        self.sample()
        self._timer.stop()
        gc.callbacks.remove(self._on_collection)

    def _on_collection(self, phase: str, _: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._collection_began = now
        else:
            self.longest_collection_s = max(self.longest_collection_s, now - self._collection_began)


def main() -> int:
    arguments = _arguments()
    app = QCoreApplication(sys.argv[:1])
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        home = Home(Path(scratch) / "home")
        if arguments.model is None:
            _train_in_a_process_of_its_own(home)
        with home.lock(), Archive.open(home) as archive:
            recipe = _recipe(archive, arguments.model, arguments.source)
            line = InspectionLine(_suppliers(archive, watch))
            screen, process = Screen(line, recipe, arguments.minutes), Process()
            line.start()
            line.load_recipe(recipe, recipe.source)
            app.exec()
            process.close()
            assert line.stop(), "the inspection thread hangs"
    return report(watch.parts(), process, screen.faults)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float, nargs="?", default=10.0)
    parser.add_argument("--model", type=Path, help="else one is trained for the demo line")
    parser.add_argument("--source", default="demo", help="as the station names it: demo, folder:PATH, video:PATH")
    parser.add_argument("--folder", type=Path, help="on the disk that shall keep the history")
    return parser.parse_args()


def _train_in_a_process_of_its_own(home: Home) -> None:
    """This one shall hold what the station holds while it inspects: no torch."""
    code = "import sys, pathlib, tests.e2e.driver as d; d.prepare_demo_home(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(home.folder)], check=True)


def _recipe(archive: Archive, model: Path | None, source: str) -> Recipe:
    """Takes pictures of any size and quality: each part shall be scored."""
    if model is not None:
        recipe = recipe_for(archive.models.add(model), "sustained", source)
    else:
        latest = archive.recipes.latest(DEMO_RECIPE)
        assert latest is not None
        recipe = latest
    changes = {"source": source, "width_px": None, "height_px": None, "quality": QualityLimits()}
    return recipe.model_copy(update=changes)


def _suppliers(archive: Archive, watch: Stopwatch) -> Suppliers:
    def load_detector(model_hash: str) -> Detector:
        from ml.detector import Detector as LoadedDetector
        from ml.threads import default_threads

        detector = LoadedDetector.load(archive.models.path(model_hash), threads=default_threads())
        detector.warm_up(settles_threads=True)
        return TimedDetector(detector, watch)

    return Suppliers(
        open_log=lambda: TimedLog(archive.writer(min_free_gb=1.0), watch),
        open_camera=lambda spec: TimedCamera(open_camera(spec), watch),
        load_detector=load_detector,
    )


def report(parts: NDArray[np.float64], process: Process, faults: dict[str, int]) -> int:
    """Print all figures; 1 where the line did not run steadily, else 0."""
    if len(parts) < 100:
        raise SystemExit("Fewer than 100 parts were judged: let it run longer.")
    began, ended = parts[0, AT], parts[-1, AT]
    warm_at = began + WARM_UP_SHARE * (ended - began)
    memory = np.array([sample for sample in process.samples if sample[0] <= ended])
    _print_minutes(parts, memory, began)
    warm = parts[parts[:, AT] >= warm_at]
    ratio = _print_latency(warm)
    _print_shares(warm)
    growth = _print_process(memory, warm_at, process.longest_collection_s)
    print("faults           " + (", ".join(f"{count} x {reason}" for reason, count in faults.items()) or "none"))
    print(f"machine          {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} over the last minute")
    print("runtime          " + ("torch is loaded" if "torch" in sys.modules else "torch is not loaded"))
    print("command          python -m tests.bench.sustained " + " ".join(sys.argv[1:]))
    return int(growth > MOST_GROWTH_MIB or ratio > MOST_P99)


def _print_minutes(parts: NDArray[np.float64], memory: NDArray[np.float64], began: float) -> None:
    print(f"{'minute':>6} {'parts/s':>8} {'median':>8} {'p99':>8} {'memory':>10}")
    for minute in range(int((parts[-1, AT] - began) // 60) + 1):
        within = slice(*np.searchsorted(parts[:, AT], (began + 60 * minute, began + 60 * (minute + 1))))
        latency = parts[within, LATENCY] * 1e3
        lasted = min(60.0, parts[-1, AT] - began - 60 * minute)
        if lasted < 5 or not latency.size:
            continue
        resident = np.interp(began + 60 * minute + lasted, memory[:, 0], memory[:, 1])
        print(
            f"{minute + 1:>6} {latency.size / lasted:>8.1f} {np.median(latency):>5.1f} ms "
            f"{np.percentile(latency, 99):>5.1f} ms {resident:>6.0f} MiB"
        )


def _print_latency(warm: NDArray[np.float64]) -> float:
    latency = warm[:, LATENCY] * 1e3
    median, p95, p99 = np.percentile(latency, (50, 95, 99))
    print(f"parts            {len(warm)} after the warm-up, {len(warm) / (warm[-1, AT] - warm[0, AT]):.1f} a second")
    print(
        f"latency          median {median:.1f} ms, p95 {p95:.1f}, p99 {p99:.1f}, worst {latency.max():.1f}; "
        f"p99 / median {p99 / median:.2f} (at most {MOST_P99:g})"
    )
    usual, longest = np.percentile(warm[:, CPU] * 1e3, (50, 99))
    print(f"computing time   median {usual:.1f} ms a part, p99 {longest:.1f}; p99 / median {longest / usual:.2f}")
    return float(p99 / median)


def _print_shares(warm: NDArray[np.float64]) -> None:
    """Of the time from row to row: of all parts, and of the slowest in a hundred, to see what holds those up."""
    slow = warm[warm[:, LATENCY] >= np.percentile(warm[:, LATENCY], 99)]
    for title, parts in (("mean part", warm), ("slowest 1 %", slow)):
        capture, scoring, storing, latency = (parts[:, n].mean() * 1e3 for n in (CAPTURE, SCORING, STORING, LATENCY))
        print(
            f"{title:<16} waiting for capture {capture:.1f} ms, scoring {scoring:.1f}, storing {storing:.1f}, "
            f"the rest {latency - scoring - storing:.1f}"
        )
    apart = np.diff(warm[:, AT]).mean() * 1e3
    shares = [warm[:, n].mean() * 1e3 / apart for n in (CAPTURE, SCORING, STORING)]
    print("shares           " + "waiting for capture {:.0%}, scoring {:.0%}, storing {:.0%}".format(*shares))


def _print_process(memory: NDArray[np.float64], warm_at: float, longest_collection_s: float) -> float:
    """Returns by how many MiB memory grew after the warm-up, by a straight line through its samples."""
    warm = memory[memory[:, 0] >= warm_at]
    slope = np.polynomial.Polynomial.fit(warm[:, 0] - warm_at, warm[:, 1], 1).convert().coef[1]
    growth = float(slope * (warm[-1, 0] - warm_at))
    print(
        f"memory           {memory[0, 1]:.0f} MiB at the start, {warm[0, 1]:.0f} warm, {warm[-1, 1]:.0f} at the end; "
        f"{slope * 60:+.2f} MiB a minute, {growth:+.1f} in all (at most {MOST_GROWTH_MIB:g})"
    )
    print(f"threads          {warm[0, 2]:.0f} warm, {warm[-1, 2]:.0f} at the end")
    print(f"collector        longest pause {longest_collection_s * 1e3:.1f} ms")
    return growth


if __name__ == "__main__":
    sys.exit(main())
