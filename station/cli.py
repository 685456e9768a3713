"""The command line. Scripts rely on it: `--json` prints JSON alone on stdout, everything else goes to stderr."""

import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console

from ml.errors import CancelledError, ParameterError

EXIT_FAULT = 3
EXIT_NG = 4

app = typer.Typer(
    name="loupe",
    help="Visual inspection that has only ever seen good parts. Without a command the station opens.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console(stderr=True, highlight=False)

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of settings, models and history.", envvar="LOUPE_HOME", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]


def print_json(document: Any, *, is_line: bool = False) -> None:
    """One JSON document on stdout; with `is_line` one line of many, flushed at once. NaN and infinity never occur."""
    print(json.dumps(document, allow_nan=False, indent=None if is_line else 2, default=str), flush=True)


@app.callback()
def default(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(installed("loupe"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        run()


@app.command()
def run(
    home: HomeOption = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe to start with.")] = None,
    source: Annotated[
        str | None,
        typer.Option(help="demo, folder:PATH, watch:PATH, camera:0, video:PATH or rtsp://... to start with."),
    ] = None,
) -> None:
    """Open the station."""
    from station.app import run_station

    raise typer.Exit(run_station(home, recipe, source))


@app.command()
def train(
    data: Annotated[
        Path | None, typer.Argument(help="Folder of good pictures, or an MVTec layout (then train/good).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Model file to write, ending in .loupe.")] = None,
    method: Annotated[str, typer.Option(help="See `loupe methods`.")] = "patchcore",
    preset: Annotated[str, typer.Option(help="fast, balanced or thorough.")] = "balanced",
    size: Annotated[int | None, typer.Option(help="Side in px that whole pictures are resized to.")] = None,
    patch: Annotated[int | None, typer.Option(help="Cut patches of this size at native resolution instead.")] = None,
    stride: Annotated[int | None, typer.Option(help="Distance of patches in px; three quarters of a patch.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Feature extractor, see `loupe methods --json`.")] = None,
    weights: Annotated[Path | None, typer.Option(help="The backbone's weights as a file.")] = None,
    window: Annotated[
        tuple[float, float] | None, typer.Option(help="Raw values LO HI that become black and white.")
    ] = None,
    aspect: Annotated[str, typer.Option(help="stretch to a square, or keep the pictures' aspect ratio.")] = "stretch",
    group_by: Annotated[str | None, typer.Option(help="Regular expression that finds the part in a file name.")] = None,
    alpha: Annotated[float, typer.Option(help="Accepted share of false alarms.")] = 0.01,
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value, a method's own setting.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, data and machine: same model.")] = 0,
    name: Annotated[str, typer.Option(help="Name shown for the model; the file's name unless given.")] = "",
    job: Annotated[Path | None, typer.Option(help="Take everything from this job file instead.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model on pictures of good parts."""
    from ml.job import TrainingJob
    from station.commands.train import train_and_report

    if job is not None:
        if data is not None or out is not None:
            raise typer.BadParameter("--job takes everything from its file: leave DATA and --out away.")
        order = TrainingJob.load(job)
    else:
        if data is None or out is None:
            raise typer.BadParameter("DATA and --out FILE.loupe are needed (or --job FILE).")
        order = TrainingJob.checked(
            {
                "data": data,
                "out": out,
                "name": name,
                "method": method,
                "preset": preset,
                "size": size,
                "patch": patch,
                "stride": stride,
                "weights": weights,
                "window": window,
                "aspect": aspect,
                "group_by": group_by,
                "alpha": alpha,
                "seed": seed,
                "parameters": {**parse_assignments(settings or []), **({"backbone": backbone} if backbone else {})},
            }
        )
    signal.signal(signal.SIGTERM, _cancel)
    train_and_report(order, console, print_json if as_json else None)


def _cancel(number: int, frame: FrameType | None) -> None:
    raise CancelledError("Stopped on request.")


def parse_assignments(assignments: list[str]) -> dict[str, str]:
    """`["key=value", ...]` as a dictionary. Raises ParameterError."""
    parsed = {}
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator or not key:
            raise ParameterError(f"--set {assignment}: write it as key=value.")
        parsed[key.strip()] = value.strip()
    return parsed


@app.command()
def inspect(
    model: Annotated[Path, typer.Argument(help="Model file.", metavar="FILE.loupe")],
    paths: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.")],
    out: Annotated[Path | None, typer.Option(help="Folder for overlay PNGs and raw maps as .npy.")] = None,
    fail_on_ng: Annotated[bool, typer.Option("--fail-on-ng", help="Exit 4 when any picture is NG.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Judge pictures with a model. Exit 0: all judged; 3: a FAULT among them; 4: an NG, with --fail-on-ng."""
    from station.commands.inspect import inspect_files
    from station.core.verdict import Verdict

    verdicts = inspect_files(model, paths, out, device, console, print_json if as_json else None)
    if Verdict.FAULT in verdicts:
        raise typer.Exit(EXIT_FAULT)
    if fail_on_ng and Verdict.NG in verdicts:
        raise typer.Exit(EXIT_NG)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="Model file.", metavar="FILE.loupe")],
    data: Annotated[Path, typer.Argument(help="MVTec layout: test/good, test/KIND, ground_truth/KIND.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a model on labelled pictures."""
    from station.commands.evaluate import measure, print_report

    report = measure(model, data, device, console)
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report, Console())


@app.command()
def methods(as_json: JsonOption = False) -> None:
    """List the methods with their settings."""
    from station.commands.methods import methods_document, print_methods

    if as_json:
        print_json(methods_document())
    else:
        print_methods(Console())


@app.command()
def doctor(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check this machine: versions, device, weights, screen, disk, cameras, and what to do about what is wrong."""
    from station.commands.doctor import examine, print_findings

    findings = examine(home)
    if as_json:
        print_json(findings.to_json())
    else:
        print_findings(findings, Console())
    if findings.has_failures:
        raise typer.Exit(1)


@app.command()
def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Without a window: train, inspect 40, report.")] = False,
    home: HomeOption = None,
) -> None:
    """Try Loupe on the built-in demo line."""
    if not headless:
        run(home, None, "demo")
    from station.commands.demo import run_headless

    run_headless(home, Console(file=sys.stdout, highlight=False))
