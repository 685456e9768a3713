"""`loupe demo --headless`: the whole station without a window, on the built-in demo line."""

import os
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ml.confusion import ConfusionMatrix
from ml.detector import Detector
from ml.pictures import encode_png, write_atomically
from station.capture import open_camera
from station.capture.demo_recipe import DEMO_RECIPE, demo_job, write_demo_parts
from station.commands.inspect import VERDICT_STYLE
from station.commands.train import train_and_report
from station.core.inspection import Inspected, Inspection
from station.core.inspector import Inspector
from station.core.presentation import PartPresenter, overlaid
from station.core.recipe import Recipe
from station.core.recipe_rules import recipe_for
from station.core.verdict import Verdict
from station.database import open_database
from station.history import HistoryWriter, ModelShelf, PictureStore, RecipeBook
from station.home import Home
from station.settings import Settings

PARTS = 40
GRAB_TIMEOUT_S = 5.0


def run_headless(home: Path | None, console: Console) -> None:
    """Train the demo recipe where it is missing, inspect 40 parts, store them, print what came out."""
    place = Home.locate(home)
    settings = Settings.load(place.settings)
    with place.lock():
        engine = open_database(place.database)
        try:
            recipes, models = RecipeBook(engine), ModelShelf(engine, place.models)
            recipe = recipes.latest(DEMO_RECIPE) or _trained(place, recipes, models, console)
            store = PictureStore(place.pictures)
            writer = HistoryWriter(engine, store, min_free_bytes=int(settings.disk_stop_gb * 1e9))
            try:
                overlays = place.folder / "overlays" / time.strftime("%Y%m%d-%H%M%S")
                inspections = _inspect_parts(recipe, models, writer, overlays, console)
            finally:
                writer.close()
        finally:
            engine.dispose()
    _print_matrix(inspections, console)
    console.print(f"history   {place.database}", markup=False, soft_wrap=True)
    console.print(f"pictures  {place.pictures}", markup=False, soft_wrap=True)
    console.print(f"overlays  {overlays}", markup=False, soft_wrap=True)
    console.print("With a display the same command opens the station: python3 installer/start.py", markup=False)


def _trained(place: Home, recipes: RecipeBook, models: ModelShelf, console: Console) -> Recipe:
    console.print("First start: training the demo recipe on rendered good parts (about half a minute).")
    job = demo_job(place)
    write_demo_parts(job)
    train_and_report(job, console, None)
    manifest = models.add(job.out)
    return recipes.save(recipe_for(manifest, DEMO_RECIPE, "demo"))


def _inspect_parts(
    recipe: Recipe, models: ModelShelf, writer: HistoryWriter, overlays: Path, console: Console
) -> list[Inspection]:
    detector = Detector.load(models.path(recipe.model_hash))
    detector.warm_up()
    inspector = Inspector(recipe, detector)
    overlays.mkdir(parents=True, exist_ok=True)
    table = Table("part", "score", "threshold", "verdict", "truth", "kind", "ms")
    inspections = []
    camera = open_camera("demo")
    camera.open()
    try:
        for _ in range(PARTS):
            frame = camera.grab(GRAB_TIMEOUT_S)
            writer.prepare(frame)
            inspected = inspector.inspect(frame)
            stored = writer.record(inspected)
            inspections.append(stored)
            _write_overlay(replace(inspected, inspection=stored), detector, overlays)
            word = f"[{VERDICT_STYLE[stored.verdict]}]{stored.verdict}[/]"
            table.add_row(
                stored.serial,
                "" if stored.score is None else f"{stored.score:.3f}",
                "" if stored.threshold is None else f"{stored.threshold:.3f}",
                word,
                stored.given_truth or "",
                stored.defect_kind or "",
                f"{stored.latency_ms:.0f}",
            )
    finally:
        camera.close()
    console.print(table)
    return inspections


def _write_overlay(inspected: Inspected, detector: Detector, folder: Path) -> None:
    if inspected.frame is None:
        return
    preprocessing = detector.manifest.preprocessing
    presenter = PartPresenter(
        inspected.frame.pixels, (preprocessing.window_low, preprocessing.window_high), detector.manifest.calibration
    )
    view = presenter.view(inspected.score_map, inspected.inspection)
    name = f"{inspected.inspection.serial}_{inspected.inspection.verdict}.png"
    write_atomically(folder / name.replace(os.sep, "_"), encode_png(overlaid(view)))


def _print_matrix(inspections: list[Inspection], console: Console) -> None:
    judged = [item for item in inspections if item.verdict is not Verdict.FAULT and item.given_truth is not None]
    matrix = ConfusionMatrix.of(
        [item.given_truth == "anomaly" for item in judged], [item.verdict is Verdict.NG for item in judged]
    )
    table = Table("truth \\ verdict", "normal", "anomaly", title="Confusion matrix at the threshold (given truth)")
    table.add_row("normal", str(matrix.tn), str(matrix.fp))
    table.add_row("anomaly", str(matrix.fn), str(matrix.tp))
    console.print(table)
    unsure = sum(item.verdict is Verdict.UNSURE for item in inspections)
    faults = sum(item.verdict is Verdict.FAULT for item in inspections)
    f1 = "-" if matrix.f1 is None else f"{matrix.f1:.4f}"
    console.print(f"F1 {f1}; {unsure} UNSURE (counted as normal above), {faults} FAULT (in no matrix)")
