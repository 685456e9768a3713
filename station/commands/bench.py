"""`loupe bench`: how long an inspection takes here, stage by stage, and how far that is from its floor."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from ml.artifact import read_manifest
from ml.benchmark.run import BareFigure, Bench, Measured, benchmark
from ml.benchmark.stages import NETWORK, POSTPROCESSING, PREPROCESSING, WHOLE
from ml.benchmark.turns import CALLS, Laps, Spread, Work
from ml.runtime.scores import RuntimeName
from station.commands.inspect import expanded
from station.commands.terminal import plain_table, progress_bar, say
from station.core.errors import StorageError
from station.core.frame import Frame
from station.core.inspector import Inspector
from station.core.recipe import QualityLimits
from station.core.recipe_rules import recipe_for
from station.home import Home

LIBRARIES = {"torch": "torch", "onnx": "ONNX Runtime"}
FORWARD, PRODUCT = "forward", "product"
STORING = "storing"


def bench(
    model: Path,
    paths: list[Path],
    runtime: RuntimeName,
    threads: int | None,
    repeats: int,
    home: Path | None,
    console: Console,
) -> Measured:
    """Raises LoupeError for a bad model, a picture that cannot be inspected and a folder without pictures."""
    read_manifest(model)
    pictures = list(expanded(paths))
    with ExitStack() as stack, progress_bar(console) as progress:
        place = Path(stack.enter_context(_folder_beside(Home.locate(home).folder)))

        def storing(measured: Bench) -> list[Work]:
            return [stack.enter_context(_storing(measured, Home(place)))]

        return benchmark(model, pictures, runtime, threads, repeats, storing, progress)


def _folder_beside(folder: Path) -> "TemporaryDirectory[str]":
    """A new folder that lies on the disk of a home, which need not be there yet. Raises StorageError."""
    nearest = next(above for above in (folder, *folder.parents) if above.is_dir())
    try:
        return TemporaryDirectory(prefix="loupe-bench-", dir=nearest)
    except OSError as error:
        raise StorageError(
            f"{nearest}: parts cannot be stored there ({error.strerror}). Choose another home with --home."
        ) from error


@contextmanager
def _storing(measured: Bench, home: Home) -> Iterator[Work]:
    """Recording as the station does: the picture is encoded and written while the part is scored; what is left then is
    measured."""
    from station.history.archive import Archive

    detector = measured.detector
    first = recipe_for(detector.manifest, "bench", "bench")
    any_picture = first.model_copy(update={"width_px": None, "height_px": None, "quality": QualityLimits()})
    inspector = Inspector(any_picture, detector)
    with Archive.open(home) as archive, archive.writer(min_free_gb=0) as writer:

        def once(number: int) -> Laps:
            picture = measured.picture(number)
            frame = Frame(picture.pixels, picture.bit_depth, "bench")
            writer.prepare(frame)
            inspected = inspector.inspect(frame)
            writer.prepare_map(inspected)
            began = time.perf_counter()
            stored = writer.record(inspected)
            seconds = time.perf_counter() - began
            for content in (stored.picture_hash, stored.map_hash):  # what is there already would not be written again
                if content is not None:
                    shutil.rmtree(archive.pictures.path(content).parent)
            return {STORING: seconds}

        yield once


def bench_document(measured: Measured) -> dict[str, Any]:
    manifest, machine = measured.manifest, measured.machine
    return {
        "model": {
            "name": manifest.name,
            "hash": manifest.model_hash,
            "method": manifest.method,
            "backbone": manifest.backbone,
        },
        "runtime": {"name": measured.runtime, "title": measured.title, "graph_refused": manifest.graph_refused or None},
        "threads": machine.threads,
        "machine": machine.model_dump(mode="json", exclude={"threads"}),
        "pictures": measured.pictures,
        "inputs_per_picture": measured.inputs,
        "repeats": measured.repeats,
        "calls_per_repeat": CALLS,
        "stages_ms": {stage.replace(" ", "_"): _spread(spread) for stage, spread in measured.stages.items()},
        "backbone_ms": None if measured.backbone is None else _spread(measured.backbone.time),
        "scoring_ms": measured.scoring_ms,
        "bare_ms": [
            {"what": one.what, "library": one.library, "threads": one.threads, **_spread(one.time)}
            for one in measured.bare
        ],
        "ratio": measured.ratio,
        "floor_ratio": measured.floor_ratio,
        "peak_memory_bytes": measured.peak_memory_bytes,
        "notes": notes(measured),
    }


def notes(measured: Measured) -> list[str]:
    """What must be known to read the figures."""
    manifest, found = measured.manifest, []
    if measured.runtime == "torch" and manifest.graph is None:
        found.append(f"Computed in torch, as the file has no graph. {manifest.graph_refused}".strip())
    if not measured.bare:
        found.append(f"No ratio: {manifest.method} has no backbone of its own that could be run bare.")
    elif not any(one.library == "onnx" for one in measured.bare):
        found.append("The bare forward pass is torch's alone: the backbone cannot be written as an ONNX graph.")
    return found


def print_bench(measured: Measured, console: Console) -> None:
    manifest, machine = measured.manifest, measured.machine
    backbone = f" on {manifest.backbone}" if manifest.backbone else ""
    say(console, f"{manifest.name}: {manifest.method}{backbone}, {measured.title}")
    say(console, f"{machine.cpu}, {machine.cores} cores; {_pictures(measured)}, {measured.repeats} x {CALLS} calls")
    console.print()
    _print_stages(measured, console)
    if measured.bare:
        console.print()
        _print_bare(measured, console)
    console.print()
    _print_ratios(measured, console)
    say(console, f"peak memory   {measured.peak_memory_bytes / 2**20:.0f} MiB, of the inspecting process alone")
    for note in notes(measured):
        say(console, note, "yellow")


def _print_stages(measured: Measured, console: Console) -> None:
    table = plain_table("ms per picture", "median", "p95", "least", "of the whole")
    whole_ms = measured.stages[WHOLE].median_ms

    def add(title: str, spread: Spread, style: str = "") -> None:
        table.add_row(title, *_cells(spread), f"{spread.median_ms / whole_ms:.0%}", style=style)

    add("preprocessing", measured.stages[PREPROCESSING])
    add("network with scoring", measured.stages[NETWORK])
    if measured.backbone is not None and measured.scoring_ms is not None:
        add("  backbone, run bare", measured.backbone.time, "dim")
        share = f"{measured.scoring_ms / whole_ms:.0%}"
        table.add_row("  scoring, the rest", f"{measured.scoring_ms:.2f}", "", "", share, style="dim")
    add("post-processing", measured.stages[POSTPROCESSING])
    add("picture in memory to verdict", measured.stages[WHOLE], "bold")
    for title, stage in (("decoding", "decode"), ("picture check", "picture check"), ("storing", STORING)):
        add(f"beside it: {title}", measured.stages[stage])
    console.print(table)


def _print_bare(measured: Measured, console: Console) -> None:
    table = plain_table("bare, ms per picture", "library", "threads", "median", "p95", "least")
    for one in measured.bare:
        is_best = one == measured.best(one.what)
        row = (_title(one), LIBRARIES[one.library], str(one.threads), *_cells(one.time))
        table.add_row(*row, style="bold" if is_best else "")
    console.print(table)


def _cells(spread: Spread) -> tuple[str, str, str]:
    return f"{spread.median_ms:.2f}", f"{spread.p95_ms:.2f}", f"{spread.least_ms:.2f}"


def _print_ratios(measured: Measured, console: Console) -> None:
    if measured.ratio is None or measured.floor_ratio is None:
        return
    say(console, f"ratio         {measured.ratio:.2f} times the better bare forward pass")
    if measured.best(PRODUCT) is not None:
        say(console, f"floor ratio   {measured.floor_ratio:.2f} times forward pass and product together")


def _title(bare: BareFigure) -> str:
    return "forward pass" if bare.what == FORWARD else "matrix product"


def _pictures(measured: Measured) -> str:
    pictures = "1 picture" if measured.pictures == 1 else f"{measured.pictures} pictures"
    inputs = "1 input" if measured.inputs == 1 else f"{measured.inputs:.3g} inputs"
    return f"{pictures} of {inputs}"


def _spread(spread: Spread) -> dict[str, float]:
    return asdict(spread)
