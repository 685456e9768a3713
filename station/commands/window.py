"""`loupe` and `loupe run`: the station in its window.

Apart from the other commands: those read what methods, pipelines and jobs there are before they know their own options,
which takes longer than the window itself.
"""

import os
import sys
from typing import Annotated

import typer

from station.commands.options import HomeOption
from station.core.errors import StationError

STATION = "Station"
"""A group of commands in `loupe --help`."""


def window_app() -> typer.Typer:
    """`loupe` as far as it opens the station: no command at all, and `run`."""
    app = typer.Typer(
        name="loupe",
        help="Visual inspection that has only ever seen good parts. Without a command the station opens.",
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(default)
    app.command(rich_help_panel=STATION)(run)
    return app


def default(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"loupe {installed('loupe')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        run()


def run(
    home: HomeOption = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="Recipe to start with.", show_default=False)
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="demo, folder:PATH, watch:PATH, camera:0, video:PATH or rtsp://... to start with.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Open the station."""
    _require_display()
    if source is not None and source != "demo":
        from station.capture import open_camera

        open_camera(source)  # only looks at the text; what cannot be reached yet is told in the window
    from station.app import run_station

    raise typer.Exit(run_station(home, recipe, source))


def _require_display() -> None:
    """Without this Qt would abort the process."""
    names = ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in names):
        raise StationError(
            "There is no display to open a window on. Start from a desktop, or try `loupe demo --headless`."
        )
