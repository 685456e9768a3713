"""Drives the real application through every screen and state and takes their pictures.

python -m tests.tour OUT [--only WORD]

Both themes, 1280x800 and 1920x1080. Needs a display of at least that size, e.g. `xvfb-run -s "-screen 0 1920x1080x24"`.
All parts shown are rendered demo parts, so the pictures may be published.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from PySide6.QtCore import QSize, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from station.capture.demo_line.dataset import write_demo_dataset
from station.capture.simulated import SimulatedCamera
from station.core.verdict import Verdict
from station.projects.project import Candidate, Step
from station.ui.training.projects_page import ProjectsPage
from station.ui.training.wizard import Wizard
from tests.e2e.driver import Operator, pause, prepare_demo_home, running_station
from tests.e2e.engineer import click

SIZES = (QSize(1280, 800), QSize(1920, 1080))
THEMES = ("dark", "light")
MOST_PARTS = 150

CURVE_POINTS = 40
"""Of the losses, after which there is something to see of them."""


class Tour:
    """Takes the pictures of one state after the other."""

    def __init__(self, out: Path, only: str) -> None:
        self._out = out
        self._only = only

    def take(self, operator: Operator, state: str) -> None:
        """Save OUT/STATE_THEME_WIDTH.png for both themes and sizes."""
        if self._only not in state:
            return
        for theme_name in THEMES:
            operator.station.keeper.change(theme=theme_name)
            for size in SIZES:
                operator.window.resize(size)
                pause(150)
                path = self._out / f"{state}_{theme_name}_{size.width()}.png"
                if not operator.window.grab().save(str(path)):
                    raise SystemExit(f"{path}: cannot be written.")
        operator.station.keeper.change(theme="dark")
        print(state, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="", help="only states whose name contains this word")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    app = QApplication(sys.argv[:1])
    tour = Tour(arguments.out, arguments.only)
    with tempfile.TemporaryDirectory() as scratch:
        _first_start(tour, Path(scratch) / "empty")
        home = Path(scratch) / "Valve seat station"
        prepare_demo_home(home, normals=60)
        _at_the_line(tour, home)
        _looking_back(tour, home)
        _training(tour, home, Path(scratch))
    app.quit()


def _first_start(tour: Tour, home: Path) -> None:
    with running_station(home) as operator:
        pause(300)
        tour.take(operator, "01_first_start")
        for number, page in enumerate(("history", "training", "settings"), start=2):
            operator.window.open_page(page)
            pause(500)
            tour.take(operator, f"{number:02d}_empty_{page}")
        operator.window.open_page("inspect")
        operator.page("inspect").demo_requested.emit()  # type: ignore[attr-defined]
        pause(1500)
        tour.take(operator, "05_preparing_demo")
        operator.page("inspect").demo_cancel_requested.emit()  # type: ignore[attr-defined]
        pause(500)


def _at_the_line(tour: Tour, home: Path) -> None:
    camera = SimulatedCamera()
    _use_camera(camera)
    with running_station(home, source="demo") as operator:
        operator.wait_ready()
        tour.take(operator, "10_ready")
        wanted = {Verdict.OK, Verdict.NG, Verdict.UNSURE}
        for _ in range(MOST_PARTS):
            verdict = operator.inspect().inspection.verdict
            if verdict in wanted and len(operator.parts) > 12:  # counters and film strip have something to show
                wanted.discard(verdict)
                pause(600)
                tour.take(operator, f"11_{verdict.lower()}")
            if not wanted:
                break
        _busy(tour, operator)
        for disturbance in ("covered", "empty", "unfocused"):
            camera.disturbance = disturbance
            operator.inspect()
            pause(400)
            tour.take(operator, f"13_fault_{disturbance}")
        camera.disturbance = "lost"
        operator.inspect()
        pause(400)
        tour.take(operator, "14_camera_lost")
        operator.key(Qt.Key.Key_F1)
        pause(200)
        tour.take(operator, "15_help")


def _busy(tour: Tour, operator: Operator) -> None:
    """A part that takes its time: the picture stays, the button shows progress."""
    worker = operator.station.line.worker  # type: ignore[union-attr]
    detector = worker._inspector._detector  # type: ignore[union-attr]
    score = detector.score

    def slow(pixels: Any, on_partial: Callable[..., None] | None = None) -> Any:
        from PySide6.QtCore import QThread

        QThread.msleep(4000)
        return score(pixels, on_partial)

    detector.score = slow  # type: ignore[method-assign]
    before = len(operator.parts)
    operator.key(Qt.Key.Key_Space)
    pause(400)
    tour.take(operator, "12_busy")
    operator.wait_until(lambda: len(operator.parts) > before, "the slow part was judged")
    detector.score = score  # type: ignore[method-assign]


def _looking_back(tour: Tour, home: Path) -> None:
    _use_camera(SimulatedCamera())
    with running_station(home, source="demo") as operator:
        operator.wait_ready()
        assert operator.station.archive is not None
        rows = operator.station.archive.reader.recent(30)
        bad = next(row.inspection for row in rows if row.inspection.verdict is Verdict.NG)
        page = operator.page("inspect")
        pause(500)
        page._look_back(bad.id)  # type: ignore[attr-defined]
        pause(800)
        tour.take(operator, "16_looking_back")
        page.return_to_live()  # type: ignore[attr-defined]
        operator.window.open_page("history")
        pause(1500)
        tour.take(operator, "20_history")
        for _ in range(next(i for i, row in enumerate(rows) if row.inspection.verdict is Verdict.NG)):
            QTest.keyClick(operator.window.focusWidget() or operator.window, Qt.Key.Key_Down)
            pause(60)
        pause(800)
        tour.take(operator, "21_history_ng")
        operator.window.open_page("settings")
        pause(1200)
        tour.take(operator, "40_settings")


def _training(tour: Tour, home: Path, scratch: Path) -> None:
    """The wizard from a new part to a model on the line, then fine-tuning and the models of a recipe."""
    parts = scratch / "Valve seats"
    write_demo_dataset(parts, 40, seed=5, test_good=20, test_defects=24, size_px=256)
    with running_station(home, source="demo") as operator:
        operator.wait_ready()
        operator.window.open_page("training")
        pause(800)
        tour.take(operator, "30_training_projects")
        page = operator.page("training")
        assert isinstance(page, ProjectsPage)
        page.begin("Valve seat B")
        pause(500)
        tour.take(operator, "31_pictures_empty")
        wizard = page.wizard
        assert wizard is not None
        pictures = wizard.page(Step.PICTURES)
        pictures.add_paths([parts])  # type: ignore[union-attr]
        operator.wait_until(lambda: not wizard.flow.readiness(Step.PICTURES).obstacle, "pictures were checked")
        pause(2500)
        tour.take(operator, "32_pictures")
        for number, step in enumerate((Step.AREA, Step.ANNOTATION, Step.METHOD), start=33):
            wizard.go(step)
            pause(6000)
            tour.take(operator, f"{number}_{step.value}")
        _train_candidates(tour, operator, wizard)
        wizard.go(Step.JUDGEMENT)
        pause(4000)
        tour.take(operator, "38_judgement")
        wizard.go(Step.DEPLOYMENT)
        pause(2500)
        tour.take(operator, "39_deployment")
        click(operator, "Deploy")
        pause(2500)
        tour.take(operator, "39_deployed")
        page.show_projects()
        pause(1000)
        tour.take(operator, "41_projects_and_models")
        assert operator.station.archive is not None
        recipe = operator.station.archive.recipes.latest("Valve seat B")
        page.begin_fine_tuning(recipe)  # type: ignore[arg-type]
        pause(3000)
        tour.take(operator, "42_fine_tuning")


def _train_candidates(tour: Tour, operator: Operator, wizard: Wizard) -> None:
    """One that remembers, one that learns in steps: cancelled once there are curves, so that it could go on."""
    process = operator.station._training
    assert process is not None
    outcomes: list[object] = []
    process.succeeded.connect(outcomes.append)
    process.failed.connect(outcomes.append)
    process.cancelled.connect(lambda: outcomes.append("cancelled"))
    learner = Candidate(
        title="GANomaly, fast",
        order={"method": "ganomaly", "preset": "fast", "size": 64, "parameters": {"steps": 1500, "width": 8}},
    )
    wizard.go(Step.TRAINING)
    pause(1500)
    wizard.flow.replace(wizard.flow.project.with_candidate(learner))
    wizard.go(Step.METHOD)
    wizard.go(Step.TRAINING)
    pause(1000)
    tour.take(operator, "36_training_queue")
    told: list[object] = []
    process.measured.connect(told.append)
    click(operator, "Start")
    operator.wait_until(lambda: bool(outcomes), "the first model was trained", 240_000)
    operator.wait_until(lambda: len(told) >= CURVE_POINTS, "losses were told", 240_000)
    pause(1000)
    tour.take(operator, "36_training_learning")
    process.cancel()
    operator.wait_until(lambda: "cancelled" in outcomes, "the training was cancelled", 20_000)
    pause(800)
    tour.take(operator, "37_training_interrupted")


def _use_camera(camera: SimulatedCamera) -> None:
    """The demo line with a camera that the tour can cover, unfocus and unplug."""
    import station.app

    station.app._open_camera = lambda spec: camera


if __name__ == "__main__":
    main()
