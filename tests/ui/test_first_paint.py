"""What `loupe` imports before its window is painted, asked of a fresh interpreter: each library delays every start."""

import os
import subprocess
import sys

import pytest

LIBRARIES = {
    "PySide6": "the window",
    "shiboken6": "PySide6's binding",
    "shibokensupport": "PySide6's binding",
    "signature_bootstrap": "PySide6's binding",
    "__feature__": "PySide6's binding",
    "typer": "the command line",
    "annotated_doc": "typer's",
    "shellingham": "typer's",
    "platformdirs": "where the home folder is",
    "pydantic": "the settings, checked",
    "pydantic_core": "pydantic's",
    "annotated_types": "pydantic's",
    "typing_extensions": "pydantic's",
    "typing_inspection": "pydantic's",
}
"""Third-party packages that may be imported before the first paint, and for what. It takes a few milliseconds to 0.1 s
for each; a new one belongs after the paint (`Station._open`) or into the thread that needs it, not here."""

QT_MODULES = {"QtCore", "QtGui", "QtWidgets", "QtNetwork"}

OURS = {
    "ml", "ml.errors", "ml.files",
    "resources",
    "station", "station.__main__", "station.app", "station.home", "station.logs", "station.settings",
    "station.commands", "station.commands.ending", "station.commands.options", "station.commands.window",
    "station.core", "station.core.errors", "station.core.verdict",
    "station.workers", "station.workers.queries",
}  # fmt: skip
"""Our own modules outside the user interface that may be imported before the first paint."""

SCREENS = {"station.ui", "station.ui.inspect", "station.ui.settings", "station.ui.shell", "station.ui.widgets"}
"""Packages of the user interface whose modules may be imported before the first paint: the frame and the first page."""

SCRIPT = """
import sys

before = set(sys.modules)
from station import __main__, app

run_station = app.run_station

def note(station):
    def tell():
        print(*sorted({name for name, module in sys.modules.items() if module is not None} - before))
        station.window.close()
    station.window.first_painted.connect(tell)

app.run_station = lambda *place: run_station(*place, on_start=note)
sys.argv = ["loupe"]
__main__.main()
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of all modules that `loupe` has imported when its window is painted, the standard library's left out."""
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "LOUPE_HOME": str(tmp_path_factory.mktemp("home"))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return {name for name in done.stdout.split() if not _is_standard(name.split(".")[0])}


def _is_standard(package: str) -> bool:
    return package in sys.stdlib_module_names or package.startswith("_sysconfigdata_")  # named by the platform


def test_that_only_the_listed_libraries_are_imported_before_the_first_paint(imported: set[str]) -> None:
    found = {name.split(".")[0] for name in imported} - {"station", "ml", "resources"}
    assert found - LIBRARIES.keys() == set(), (
        "These libraries are imported before the window is painted, and delay every start. Import them where they are "
        "first needed (`python -X importtime -m station` shows who does), or add them to LIBRARIES with the reason."
    )


def test_that_no_further_part_of_qt_is_imported_before_the_first_paint(imported: set[str]) -> None:
    found = {name.split(".")[1] for name in imported if name.startswith("PySide6.Qt")}
    assert found - QT_MODULES == set(), "These parts of Qt are loaded before the window is painted: load them later."


def test_that_only_the_listed_modules_of_ours_are_imported_before_the_first_paint(imported: set[str]) -> None:
    found = {name for name in imported if name.split(".")[0] in ("station", "ml", "resources")}
    later = {name for name in found - OURS if name not in SCREENS and name.rpartition(".")[0] not in SCREENS}
    assert later == set(), (
        "These modules of ours are imported before the window is painted. Import them after it (`Station._open`) or "
        "where they are first needed, or add them to OURS or SCREENS if the first picture of the window needs them."
    )


def test_that_the_list_of_our_modules_names_nothing_else(imported: set[str]) -> None:
    assert OURS - imported == set(), "These are not imported before the window is painted any more: take them off OURS."
