"""A station that starts with a recipe judges its first part by ONNX Runtime: what takes seconds to import is not."""

import os
import subprocess
import sys
from pathlib import Path

from ml.job import TrainingJob
from ml.training.pipeline import run as train
from station.capture.demo_line.dataset import write_demo_dataset
from station.core.recipe import QualityLimits
from station.core.recipe_rules import recipe_for
from station.history.archive import Archive
from station.home import Home
from station.settings import Settings

SLOW = ("torch", "torchvision", "timm", "scipy", "sklearn", "onnx", "alembic")

SCRIPT = f"""
import sys
from PySide6.QtCore import QObject, Slot
from station import app

class Inspector(QObject):
    def __init__(self, station):
        super().__init__(station)
        self.station = station
        station.opened.connect(self.listen)

    @Slot()
    def listen(self):
        worker = self.station.line.worker
        worker.recipe_loaded.connect(self.press)
        worker.recipe_failed.connect(self.fail)
        worker.verdict_ready.connect(self.tell)

    @Slot(object)
    def press(self, loaded):
        self.station.line.press()

    @Slot(str, str)
    def fail(self, name, reason):
        print(reason, flush=True)
        self.station.window.close()

    @Slot(object)
    def tell(self, part):
        print(part.inspection.verdict.name, *(name for name in {SLOW} if name in sys.modules), flush=True)
        self.station.window.close()

sys.exit(app.run_station(None, None, None, on_start=Inspector))
"""


def _home_with_a_recipe(folder: Path) -> Path:
    place = Home(folder / "home")
    write_demo_dataset(folder / "parts", 6, 1, size_px=96)
    order = TrainingJob(
        data=folder / "parts", out=folder / "tiny.loupe", name="Tiny", method="padim", preset="fast", size=64
    )
    with place.lock(), Archive.open(place) as archive:
        train(order)
        recipe = recipe_for(archive.models.add(order.out), "Tiny", "demo")
        for_any_size = {"width_px": None, "height_px": None, "quality": QualityLimits()}
        archive.recipes.save(recipe.model_copy(update=for_any_size))
    Settings(active_recipe="Tiny").save(place.settings)
    return place.folder


def test_that_no_slow_library_is_imported_until_the_first_verdict(tmp_path: Path) -> None:
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "LOUPE_HOME": str(_home_with_a_recipe(tmp_path))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    verdict, *slow = done.stdout.split()
    assert verdict in ("OK", "NG", "UNSURE"), done.stdout
    assert slow == [], "imported before the first verdict, which has to come within 5 s of the start"
