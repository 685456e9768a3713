"""`loupe demo --headless`: the whole station without a window, on the built-in demo line."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml.confusion import ConfusionMatrix
from ml.files import write_atomically
from ml.pictures import encode_png
from ml.progress import Progress
from station.capture import open_camera
from station.capture.demo_recipe import DEMO_RECIPE, demo_job, write_demo_parts
from station.commands.evaluate import print_matrix
from station.commands.terminal import VERDICT_STYLE, progress_bar, say
from station.commands.train import train_for_a_person
from station.core.inspection import Inspected, Inspection
from station.core.inspector import Inspector
from station.core.presentation import PartPresenter, overlaid
from station.core.recipe import Recipe
from station.core.recipe_rules import recipe_for
from station.core.verdict import Verdict
from station.database import open_database
from station.history import HistoryWriter, ModelShelf, PictureStore, RecipeBook
from station.home import Home
from station.model_loading import load_model
from station.settings import Settings

if TYPE_CHECKING:
    from ml.detector import Detector

PARTS = 40
GRAB_TIMEOUT_S = 5.0


def run_headless(home: Path | None, stdout: Console, console: Console) -> None:
    """Train the demo recipe where it is missing, inspect 40 parts, store them, print what came out.

    Tables go to `stdout`, progress to `console`.
    """
    place = Home.locate(home)
    settings = Settings.load(place.settings)
    with place.lock():
        engine = open_database(place.database)
        try:
            recipes, models = RecipeBook(engine), ModelShelf(engine, place.models)
            recipe = recipes.latest(DEMO_RECIPE) or _trained(place, recipes, models, console)
            writer = HistoryWriter(
                engine, PictureStore(place.pictures), min_free_bytes=int(settings.disk_stop_gb * 1e9)
            )
            try:
                overlays = place.folder / "overlays" / time.strftime("%Y%m%d-%H%M%S")
                detector = load_model(models.path(recipe.model_hash), settings)
                with progress_bar(console) as progress:
                    inspections = _inspect_parts(recipe, detector, writer, overlays, progress)
            finally:
                writer.close()
        finally:
            engine.dispose()
    _print_parts(inspections, stdout)
    _print_confusion(inspections, stdout)
    stdout.print()
    for what, where in (("history", place.database), ("pictures", place.pictures), ("overlays", overlays)):
        say(stdout, f"{what:8}  {where}")
    say(stdout, "With a display `loupe demo` opens the station on this line.")


def _trained(place: Home, recipes: RecipeBook, models: ModelShelf, console: Console) -> Recipe:
    say(console, "First start: training the demo recipe on rendered good parts, about half a minute.")
    job = demo_job(place)
    with progress_bar(console) as progress:
        write_demo_parts(job, progress)
    train_for_a_person(job, console)
    manifest = models.add(job.out)
    return recipes.save(recipe_for(manifest, DEMO_RECIPE, "demo"))


def _inspect_parts(
    recipe: Recipe, detector: "Detector", writer: HistoryWriter, overlays: Path, progress: Progress
) -> list[Inspection]:
    inspector = Inspector(recipe, detector)
    overlays.mkdir(parents=True, exist_ok=True)
    inspections = []
    camera = open_camera("demo")
    camera.open()
    try:
        for number in range(PARTS):
            progress("Inspecting", number, PARTS)
            frame = camera.grab(GRAB_TIMEOUT_S)
            writer.prepare(frame)
            inspected = inspector.inspect(frame)
            stored = writer.record(inspected)
            inspections.append(stored)
            _write_overlay(replace(inspected, inspection=stored), detector, overlays)
    finally:
        camera.close()
    return inspections


def _print_parts(inspections: list[Inspection], stdout: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("part", "score", "threshold", "verdict", "truth", "ms"):
        table.add_column(heading, justify="right" if heading in {"score", "threshold", "ms"} else "left")
    for item in inspections:
        kind = f" ({item.defect_kind.replace('_', ' ')})" if item.defect_kind else ""
        table.add_row(
            item.serial,
            "-" if item.score is None else f"{item.score:.3f}",
            "-" if item.threshold is None else f"{item.threshold:.3f}",
            Text(item.verdict.value, VERDICT_STYLE[item.verdict]),
            f"{item.given_truth or '-'}{kind}",
            f"{item.latency_ms:.0f}",
        )
    stdout.print(table)


def _write_overlay(inspected: Inspected, detector: "Detector", folder: Path) -> None:
    if inspected.frame is None:
        return
    preprocessing = detector.manifest.preprocessing
    presenter = PartPresenter(
        inspected.frame.pixels, (preprocessing.window_low, preprocessing.window_high), detector.manifest.calibration
    )
    view = presenter.view(inspected.score_map, inspected.inspection)
    name = f"{inspected.inspection.serial}_{inspected.inspection.verdict}.png"
    write_atomically(folder / name.replace(os.sep, "_"), encode_png(overlaid(view)))


def _print_confusion(inspections: list[Inspection], stdout: Console) -> None:
    judged = [item for item in inspections if item.verdict is not Verdict.FAULT and item.given_truth is not None]
    matrix = ConfusionMatrix.of(
        [item.given_truth == "anomaly" for item in judged], [item.verdict is Verdict.NG for item in judged]
    )
    print_matrix("Confusion matrix at the threshold, against the given truth", matrix, stdout)
    unsure = sum(item.verdict is Verdict.UNSURE for item in inspections)
    faults = sum(item.verdict is Verdict.FAULT for item in inspections)
    f1 = "-" if matrix.f1 is None else f"{matrix.f1:.4f}"
    stdout.print(f"  F1 {f1}; {unsure} UNSURE (counted as normal above), {faults} FAULT (in no matrix)")
