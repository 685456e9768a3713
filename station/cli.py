"""The command line. Scripts rely on it: `--json` prints JSON alone on stdout, everything else goes to stderr.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a picture was a FAULT, 4 a picture was NG (`inspect --fail-on-ng`),
130 stopped by Ctrl-C or SIGTERM.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from ml.catalogue.pipelines import PIPELINES
from ml.catalogue.pipelines import pipeline as find_pipeline
from ml.errors import CancelledError, LoupeError, ParameterError
from ml.job import MOST_GENERATED, MOST_SEED, USUAL_GENERATED, TrainingJob
from station.commands.ending import EXIT_FAILED, carry_out
from station.commands.options import (
    FINE_TUNING,
    GENERATED,
    GEOMETRY,
    METHOD,
    THRESHOLD,
    AlphaOption,
    DeviceOption,
    HomeOption,
    JsonOption,
    ModelArgument,
    PatchOption,
    PresetOption,
    RuntimeOption,
    SizeOption,
    StrideOption,
    TemplatesOption,
    TilesOption,
)
from station.commands.terminal import native_words_dropped, print_json, say
from station.commands.window import STATION, run, window_app

EXIT_FAULT = 3
EXIT_NG = 4

app = window_app()
console = Console(stderr=True, highlight=False)

MODELS = "Models"
"""A group of commands in `loupe --help`."""


def run_command(arguments: Sequence[str]) -> int:
    """Carry out one command line and give its exit code; a foreseen failure is told in one line on stderr."""
    return carry_out(app, arguments)


@app.command(rich_help_panel=MODELS)
def train(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            help="Folder of good pictures, MVTec layout (then train/good), or list of pictures (.json).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.loupe", help="Model file to write.", show_default=False)
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the model; the file's unless given.", show_default=False)
    ] = "",
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=MOST_SEED, help="Same seed, data, steps, threads and machine: same model."
        ),
    ] = 0,
    job: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take everything from this job file instead.", show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted training of the same order stopped.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines on stdout and nothing else there.")] = False,
    only_estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what would be done and how long it takes here; train nothing.")
    ] = False,
    pipeline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Start from a complete way of inspecting one kind of part ({}); other options overrule it.".format(
                ", ".join(PIPELINES)
            ),
            rich_help_panel=METHOD,
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How it is learnt; `loupe methods` lists all, `loupe recommend` chooses.",
            rich_help_panel=METHOD,
        ),
    ] = "patchcore",
    preset: PresetOption = "balanced",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One of the method's own settings; may be given again.",
            rich_help_panel=METHOD,
            show_default=False,
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Feature extractor; `loupe methods` lists them.",
            rich_help_panel=METHOD,
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The backbone's weights as a file.", rich_help_panel=METHOD, show_default=False
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.loupe",
            help="Fine-tune this model on DATA, pictures of new good parts; its method and settings stay.",
            rich_help_panel=FINE_TUNING,
            show_default=False,
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Folder or list of the good pictures that --base was trained on, where DATA does not hold them. "
            "Networks learn from them again; with most methods the threshold asks for them.",
            rich_help_panel=FINE_TUNING,
            show_default=False,
        ),
    ] = None,
    defects: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Pictures of defective parts, for methods that learn from them; none of the test pictures.",
            rich_help_panel=METHOD,
            show_default=False,
        ),
    ] = None,
    defect_masks: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A mask for each picture of --defects: NAME_mask.png or NAME.png, not 0 on the defect.",
            rich_help_panel=METHOD,
            show_default=False,
        ),
    ] = None,
    conv_processing: Annotated[
        int | None,
        typer.Option(
            metavar="3|5|7",
            help="Learn a map filter of so many cells that makes defects stand out; from --defects or painted ones.",
            rich_help_panel=METHOD,
            show_default=False,
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            metavar="GENERATOR",
            help="Learn also from pictures of good parts that this one makes; `loupe generate --help` lists them.",
            rich_help_panel=GENERATED,
            show_default=False,
        ),
    ] = None,
    augment_count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=MOST_GENERATED,
            help=f"How many; {USUAL_GENERATED} unless given.",
            rich_help_panel=GENERATED,
            show_default=False,
        ),
    ] = None,
    augment_settings: Annotated[
        list[str] | None,
        typer.Option(
            "--augment-set",
            metavar="KEY=VALUE",
            help="One of the generator's settings; may be given again.",
            rich_help_panel=GENERATED,
            show_default=False,
        ),
    ] = None,
    size: SizeOption = None,
    aspect: Annotated[
        Literal["stretch", "keep"],
        typer.Option(help="Stretch pictures to a square, or keep their aspect ratio.", rich_help_panel=GEOMETRY),
    ] = "stretch",
    patch: PatchOption = None,
    stride: StrideOption = None,
    tiles: TilesOption = False,
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LO HI",
            help="Raw values that become black and white; the full range unless given.",
            rich_help_panel=GEOMETRY,
            show_default=False,
        ),
    ] = None,
    area: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Where to look and what to ignore: shapes on a picture (an inspection area), or on each part.",
            rich_help_panel=GEOMETRY,
            show_default=False,
        ),
    ] = None,
    parts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="How the parts on a picture are found (a part search); each is learnt as a picture of its own.",
            rich_help_panel=GEOMETRY,
            show_default=False,
        ),
    ] = None,
    alpha: AlphaOption = 0.01,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Finds the part in a file name, where several pictures show one part.",
            rich_help_panel=THRESHOLD,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train a model on pictures of good parts."""
    fields = {
        "data": data,
        "out": out,
        "name": name,
        "method": method,
        "preset": preset,
        "size": size,
        "patch": patch,
        "stride": stride,
        "tiles": tiles or None,
        "weights": weights,
        "base": base,
        "replay": replay,
        "defects": defects,
        "defect_masks": defect_masks,
        "conv_processing": conv_processing,
        "augment": _augmentation(augment, augment_count, augment_settings or []),
        "window": window,
        "aspect": aspect,
        "area": area,
        "parts": parts,
        "group_by": group_by,
        "alpha": alpha,
        "seed": seed,
    }
    fields = _given(context, fields)
    from station.commands.train import train_for_a_person, train_for_a_program

    if only_estimate and job is None and out is None:
        fields["out"] = Path("model.loupe")
    with native_words_dropped(), _errors_as_lines(as_json):
        order = _order(job, fields, settings or [], backbone, pipeline)
        if as_json:
            train_for_a_program(order, print_json, only_estimate=only_estimate, resume=resume)
        else:
            train_for_a_person(order, console, only_estimate=only_estimate, resume=resume)


@contextmanager
def _errors_as_lines(as_json: bool) -> Iterator[None]:
    """Whoever reads JSON lines is told of a failure in one, too."""
    try:
        yield
    except CancelledError:
        raise
    except LoupeError as error:
        if as_json:
            print_json({"event": "error", "message": str(error)}, is_line=True)
        raise


def _document(path: Path, option: str) -> Any:
    """What a JSON file holds. Raises ParameterError naming it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{option} {path}: cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"{option} {path}: is no JSON file: {error}.") from error
    if document is None:  # else it would pass for the option not given
        raise ParameterError(f"{option} {path}: holds nothing but null.")
    return document


def _augmentation(generator: str | None, count: int | None, settings: list[str]) -> dict[str, Any] | None:
    if generator is None:
        if count is not None or settings:
            raise typer.BadParameter("--augment-count and --augment-set belong to --augment GENERATOR: give it too.")
        return None
    augmentation = {"generator": generator, "settings": parse_assignments(settings, "--augment-set")}
    return augmentation if count is None else {**augmentation, "count": count}


def _given(context: typer.Context, fields: dict[str, Any]) -> dict[str, Any]:
    """Those fields whose options were given, so that what a pipeline says stands for the others."""
    return {
        name: value
        for name, value in fields.items()
        if (source := context.get_parameter_source(name)) is not None and source.name != "DEFAULT" and value is not None
    }


def _order(
    job: Path | None, fields: dict[str, Any], settings: list[str], backbone: str | None, pipeline: str | None
) -> TrainingJob:
    """The training job that the options describe, or the one in the file."""
    if job is not None:
        if "data" in fields or "out" in fields:
            raise typer.BadParameter("--job takes everything from its file: leave DATA and --out away.")
        if pipeline is not None:
            raise typer.BadParameter("--job takes everything from its file: leave --pipeline away.")
        return TrainingJob.load(job)
    if "data" not in fields or "out" not in fields:
        raise typer.BadParameter("DATA and --out FILE.loupe are needed (or --job FILE).")
    base = {} if pipeline is None else dict(find_pipeline(pipeline).fields)
    if "patch" in fields or "tiles" in fields:  # instead of the size that the pipeline resizes to
        base.pop("size", None)
    parameters = parse_assignments(settings) | ({"backbone": backbone} if backbone else {})
    if fields.get("method", base.get("method")) == base.get("method"):
        parameters = {**base.get("parameters", {}), **parameters}
    documents = {name: _document(fields[name], f"--{name}") for name in ("area", "parts") if name in fields}
    order = TrainingJob.checked({**base, **fields, **documents, "parameters": parameters}, "--")
    if order.base is not None:
        from ml.artifact import read_manifest
        from ml.base_model import with_base

        with_base(order, read_manifest(order.base), given=fields.keys())
    return order


def parse_assignments(assignments: list[str], option: str = "--set") -> dict[str, str]:
    """`["key=value", ...]` as a dictionary. Raises ParameterError."""
    parsed = {}
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator or not key:
            raise ParameterError(f"{option} {assignment}: write it as key=value.")
        parsed[key.strip()] = value.strip()
    return parsed


@app.command(rich_help_panel=MODELS)
def recommend(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Folder of good pictures, MVTec layout (then train/good), or list of pictures (.json).",
            show_default=False,
        ),
    ],
    defects: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Pictures of defective parts to learn from.", show_default=False),
    ] = None,
    has_weights: Annotated[
        bool, typer.Option("--weights/--no-weights", help="Whether a pretrained network may be used.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Say which method to begin with on these pictures, and why. Looks at good pictures only."""
    from station.commands.recommend import print_recommendation, recommend_for, recommendation_document

    with native_words_dropped():
        found = recommend_for(data, defects, has_weights, console)
    if as_json:
        print_json(recommendation_document(found, data, defects))
    else:
        print_recommendation(found, data, defects, Console(highlight=False))


@app.command(rich_help_panel=MODELS)
def inspect(
    model: ModelArgument,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Pictures, or folders of pictures.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for overlay PNGs and raw maps as .npy.", show_default=False),
    ] = None,
    fail_on_ng: Annotated[bool, typer.Option("--fail-on-ng", help="Exit 4 when any picture is NG.")] = False,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line per picture on stdout.")] = False,
) -> None:
    """Judge pictures with a model. Exit 0: all judged; 3: a FAULT among them; 4: an NG, with --fail-on-ng."""
    from station.commands.inspect import inspect_files
    from station.core.verdict import Verdict

    with native_words_dropped():
        verdicts = inspect_files(model, paths, out, device, runtime, console, print_json if as_json else None)
    if Verdict.FAULT in verdicts:
        raise typer.Exit(EXIT_FAULT)
    if fail_on_ng and Verdict.NG in verdicts:
        raise typer.Exit(EXIT_NG)


@app.command(rich_help_panel=MODELS)
def evaluate(
    model: ModelArgument,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="MVTec layout (test/good, test/KIND, ground_truth/KIND with masks), or a list's test pictures.",
            show_default=False,
        ),
    ],
    template_dir: TemplatesOption = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a model on labelled pictures."""
    from station.commands.evaluate import measure, print_report

    with native_words_dropped():
        report = measure(model, data, device, runtime, console, template_dir)
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report, Console(highlight=False))


@app.command(rich_help_panel=MODELS)
def judge(
    model: ModelArgument,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="List of pictures (its test and unsure ones), MVTec layout (all of test), or folder of pictures.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the sheet: scores and raw maps.", show_default=False)
    ],
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines on stdout and nothing else there.")] = False,
) -> None:
    """Score labelled pictures into a sheet, to choose thresholds and rules by."""
    from station.commands.judge import judge_for_a_person, judge_for_a_program

    with native_words_dropped(), _errors_as_lines(as_json):
        if as_json:
            judge_for_a_program(model, data, out, device, runtime, print_json)
        else:
            judge_for_a_person(model, data, out, device, runtime, console)


@app.command(rich_help_panel=MODELS)
def compare(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...",
            help="Folders of the MVTec layout, or lists of pictures; each is called by its name.",
            show_default=False,
        ),
    ],
    methods: Annotated[
        str,
        typer.Option(
            metavar="A,B+EXTRA,...",
            help="Methods, see `loupe methods`, or `all`. Behind a plus: a generator of good pictures (appearance, "
            "histaugan, singan) to learn from too, or conv_processing, a learned map filter.",
            show_default=False,
        ),
    ],
    augment: Annotated[
        str | None,
        typer.Option(
            metavar="GENERATOR", help="Compare each method also with this generator's pictures.", show_default=False
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Each cell with the seeds 0 to N - 1.")] = 1,
    preset: PresetOption = "balanced",
    report: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of report.html, table.md, results.json and the finished cells.")
    ] = Path("loupe-comparison"),
    cells: Annotated[
        Path | None,
        typer.Option(
            "--jobs",
            metavar="DIR",
            help="Keep the finished cells here, where several reports find them; in the report's folder unless given.",
            show_default=False,
        ),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try cells again that failed before.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="METHOD.KEY=VALUE",
            help="One of a method's own settings; may be given again.",
            rich_help_panel=METHOD,
            show_default=False,
        ),
    ] = None,
    size: SizeOption = None,
    patch: PatchOption = None,
    stride: StrideOption = None,
    alpha: AlphaOption = 0.01,
    group_by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]REGEX",
            help="Finds the part in a file name, in all data sets or in the one called NAME; may be given again.",
            rich_help_panel=THRESHOLD,
            show_default=False,
        ),
    ] = None,
    template_dir: TemplatesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train and evaluate methods on labelled pictures and rank them. Start it again after a stop: it goes on.

    Exit 1 where a cell failed; the report is whole all the same.
    """
    from ml.comparison import order
    from station.commands.compare import has_failures, print_table, run_comparison

    names = order.methods_named(methods, augment)
    comparison = order.Comparison(
        data_sets=order.data_sets(data, group_by or []),
        methods=names,
        seeds=seeds,
        fields={"preset": preset, "size": size, "patch": patch, "stride": stride, "alpha": alpha},
        settings=order.settings_by_method(settings or [], names),
        template_dir=template_dir,
    )
    finished = run_comparison(comparison, report, cells, retry, console)
    if as_json:
        from ml.comparison.report import results

        print_json(results(finished))
    else:
        print_table(finished, Console(highlight=False))
    if has_failures(finished):
        raise typer.Exit(EXIT_FAILED)


@app.command(rich_help_panel=MODELS)
def generate(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Folder of good pictures, MVTec layout (then train/good), or list of pictures (.json).",
            show_default=False,
        ),
    ],
    generator: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="appearance, histaugan and singan make good parts, synthetic_defects defective ones.",
            show_default=False,
        ),
    ],
    count: Annotated[
        int, typer.Option(metavar="N", min=1, max=MOST_GENERATED, help="Pictures to make.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="New or empty folder for pictures, list and sheet.", show_default=False)
    ],
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, max=MOST_SEED, help="Same seed, data and machine: same pictures.")
    ] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One of the generator's own settings; may be given again.",
            show_default=False,
        ),
    ] = None,
    masks: Annotated[
        bool | None,
        typer.Option(
            "--masks/--no-masks", help="Write where defects were made; so unless they are good.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make new pictures from good ones, each marked in its PNG file, with a contact sheet to look through."""
    from ml.generation.production import GenerationOrder
    from station.commands import generate as command

    order = GenerationOrder(data, generator, count, out, seed, parse_assignments(settings or []), masks)
    with native_words_dropped():
        made = command.generate(order, console)
    if as_json:
        print_json(command.production_document(order, made))
    else:
        command.print_production(order, made, Console(highlight=False))


@app.command(rich_help_panel=MODELS)
def export(
    model: ModelArgument,
    form: Annotated[
        Literal["onnx", "openvino", "loupe"],
        typer.Option(
            "--format",
            help="What the other program reads; loupe: the same model with a graph, so that it needs no torch.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="File or folder; beside the model unless given.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines on stdout and nothing else there.")] = False,
) -> None:
    """Write a model for other programs: preprocessing, threshold and heat map inside, and a 20-line example beside it.

    Exit 1 where the model does what no such file can, or the export would judge otherwise than the model.
    """
    from station.commands.export import export_for_a_person, export_for_a_program

    with native_words_dropped(), _errors_as_lines(as_json):
        if as_json:
            export_for_a_program(model, form, out, force, print_json)
        else:
            export_for_a_person(model, form, out, force, console)


@app.command(rich_help_panel=MODELS)
def bench(
    model: ModelArgument,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Pictures, or folders of pictures.", show_default=False)
    ],
    runtime: RuntimeOption = "auto",
    repeats: Annotated[int, typer.Option(metavar="N", min=1, help="Rounds, of some calls each.")] = 20,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Of the processor; the quickest unless given.", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how long an inspection takes on this processor, and how far that is from its bare network."""
    from station.commands import bench as command

    with native_words_dropped():
        measured = command.bench(model, paths, runtime, threads, repeats, home, console)
    if as_json:
        print_json(command.bench_document(measured))
    else:
        command.print_bench(measured, Console(highlight=False))


@app.command(rich_help_panel=MODELS)
def methods(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A method to see with its settings.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the methods and the backbones, or the presets and settings of one method."""
    from ml.catalogue import method
    from station.commands.methods import methods_document, print_method, print_methods

    infos = None if name is None else (method(name),)
    if as_json:
        print_json(methods_document(infos))
    elif infos is not None:
        print_method(infos[0], Console(highlight=False))
    else:
        print_methods(Console(highlight=False))


annotations_app = typer.Typer(
    help="Masks and kinds of defects: look at them, and convert them for other programs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(annotations_app, name="annotations", rich_help_panel=MODELS)

AnnotationsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="MVTec layout, folder of LabelMe files, COCO file or list of pictures (.json).",
        show_default=False,
    ),
]
AnnotationFormat = Literal["mvtec", "coco", "labelme", "list"]
FormatOption = Annotated[
    AnnotationFormat | None,
    typer.Option("--from", help="The format of SOURCE; recognised unless given.", show_default=False),
]
PicturesOption = Annotated[
    Path | None,
    typer.Option(
        "--pictures",
        metavar="DIR",
        help="Where the pictures of a COCO or LabelMe file are, if not beside it.",
        show_default=False,
    ),
]


@annotations_app.command("show")
def show_annotations(
    source: AnnotationsArgument,
    form: FormatOption = None,
    pictures: PicturesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is annotated, and what cannot be used and why."""
    from station.commands import annotations as command

    with native_words_dropped():
        known, found = command.read(source, form, pictures, console)
    if as_json:
        print_json(command.content_document(known, found))
    else:
        command.print_content(source, known, found, Console(highlight=False))


@annotations_app.command("convert")
def convert_annotations(
    source: AnnotationsArgument,
    to: Annotated[AnnotationFormat, typer.Option("--to", help="The format to write.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New or empty folder.", show_default=False)],
    form: FormatOption = None,
    pictures: PicturesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write annotations in another format: with copies of the pictures, or as a list of them."""
    from station.commands import annotations as command

    with native_words_dropped():
        known, found = command.read(source, form, pictures, console)
        export = command.write(found, to, out, console)
    if as_json:
        print_json({"read": command.content_document(known, found), "written": command.export_document(export, to)})
        return
    shown = Console(highlight=False)
    command.print_content(source, known, found, shown)
    command.print_export(export, to, shown)


models_app = typer.Typer(
    help="The models of a station: list, look at, approve, roll back, give a graph.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models", rich_help_panel=STATION)

ModelHashArgument = Annotated[str, typer.Argument(metavar="HASH", help="The beginning of its hash.")]
PersonOption = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Who does it; stored as typed, not authenticated.")
]


@models_app.command("list")
def list_models(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """All models, the last added first, with the recipes that they judge in."""
    from station.commands.models import models_document, opened, print_models

    with opened(home) as archive:
        if as_json:
            print_json(models_document(archive))
        else:
            print_models(archive, Console(highlight=False))


@models_app.command("show")
def show_model(model: ModelHashArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """One model: its data, threshold, approvals and deployments."""
    from station.commands.models import model_document, opened, print_model

    with opened(home) as archive:
        document = model_document(archive, model)
    if as_json:
        print_json(document)
    else:
        print_model(document, Console(highlight=False))


@models_app.command("graph")
def add_graph_to_model(model: ModelHashArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Give a model from before there were graphs one for ONNX Runtime, checked against torch; its hash stays.

    Exit 1 where it cannot have one. A station that runs uses it from the next load of the recipe on.
    """
    from station.commands.graphs import graph_line
    from station.commands.models import add_graph, opened

    with native_words_dropped(), opened(home) as archive:
        document = add_graph(archive, model, console)
    if as_json:
        print_json(document)
    else:
        say(Console(highlight=False), f"graph for ONNX Runtime: {graph_line(document)}")


@models_app.command("approve")
def approve_model(
    model: ModelHashArgument,
    by: PersonOption,
    note: Annotated[str, typer.Option(metavar="TEXT", help="What was looked at.")] = "",
    home: HomeOption = None,
) -> None:
    """Put on record that somebody wants this model on the line."""
    from station.commands.models import approve, opened

    with opened(home) as archive:
        approval = approve(archive, model, by, note)
    say(Console(), f"{approval.model_hash[:12]} is approved by {approval.approver} (typed name, not authenticated)")


@models_app.command("rollback")
def roll_back_recipe(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of the recipe.")],
    by: PersonOption,
    to: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Revision to repeat; the last with another model unless given."),
    ] = None,
    notes: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    home: HomeOption = None,
) -> None:
    """Let an earlier model of a recipe judge again. The station must be closed; its window can do it while it runs."""
    from station.commands.models import roll_back

    saved = roll_back(home, recipe, by, to, notes)
    say(Console(), f"'{saved.name}', revision {saved.revision}, uses model {saved.model_hash[:12]} now")


@app.command(rich_help_panel=STATION)
def doctor(
    home: HomeOption = None,
    probe: Annotated[
        bool | None,
        typer.Option(
            "--probe/--no-probe",
            help="Measure the fastest number of threads, about a minute, and keep it; the first time by itself.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check this machine, and say what to do about what is wrong. Exit 1 where something keeps Loupe from working."""
    from station.commands.doctor import examine, print_findings

    findings = examine(home, probe, console)
    if as_json:
        print_json(findings.to_json())
    else:
        print_findings(findings, Console(highlight=False))
    if findings.has_failures:
        raise typer.Exit(EXIT_FAILED)


@app.command(rich_help_panel=STATION)
def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Without a window: train, inspect 40, report.")] = False,
    home: HomeOption = None,
) -> None:
    """Try Loupe on the built-in demo line."""
    if not headless:
        run(home, None, "demo")
    from station.commands.demo import run_headless

    run_headless(home, Console(highlight=False), console)
