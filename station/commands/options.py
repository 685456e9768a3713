"""Options that several commands share. What one command has alone stands with it in `station.cli`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

METHOD, GENERATED = "Method", "Generated pictures"
GEOMETRY, THRESHOLD = "What the network sees", "Threshold"
FINE_TUNING = "Fine-tuning a model"
"""Groups of options in `loupe train --help` and `loupe compare --help`."""

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", metavar="DIR", help="Folder of settings, models and history.", envvar="LOUPE_HOME", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where the network runs.")]
RuntimeOption = Annotated[
    Literal["auto", "onnx", "torch"],
    typer.Option(help="What computes; auto: ONNX Runtime on a processor where the model has a graph, else torch."),
]
ModelArgument = Annotated[Path, typer.Argument(help="Model file.", metavar="FILE.loupe", show_default=False)]
PresetOption = Annotated[
    Literal["fast", "balanced", "thorough"],
    typer.Option(help="Size and settings to start from.", rich_help_panel=METHOD),
]
SizeOption = Annotated[
    int | None,
    typer.Option(
        metavar="PX",
        min=32,
        max=4096,
        help="Side in px that whole pictures are resized to; the preset's unless given.",
        rich_help_panel=GEOMETRY,
        show_default=False,
    ),
]
PatchOption = Annotated[
    int | None,
    typer.Option(
        metavar="PX",
        min=32,
        max=4096,
        help="Cut patches of this side in px at native resolution instead.",
        rich_help_panel=GEOMETRY,
        show_default=False,
    ),
]
StrideOption = Annotated[
    int | None,
    typer.Option(
        metavar="PX",
        min=8,
        help="Distance of patches in px; three quarters of a patch unless given.",
        rich_help_panel=GEOMETRY,
        show_default=False,
    ),
]
TilesOption = Annotated[
    bool,
    typer.Option(
        "--tiles",
        help="Look at native resolution in large tiles that see what is around them.",
        rich_help_panel=GEOMETRY,
    ),
]
AlphaOption = Annotated[
    float,
    typer.Option(metavar="SHARE", help="Accepted share of false alarms, below 0.5.", rich_help_panel=THRESHOLD),
]
TemplatesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="A good picture of the same name for each test picture: learnt in place of the model's own. "
        "For methods that learn from one picture.",
        show_default=False,
    ),
]
