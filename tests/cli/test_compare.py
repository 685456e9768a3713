"""`loupe compare`: the table a person reads, the files of the report, what goes on after a stop, and wrong usage."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.comparison import run
from ml.comparison.records import CellJob, FailedCell
from ml.progress import Progress
from station.cli import run_command
from station.commands import compare
from tests.cli.conftest import Loupe, Outcome

Start = Callable[..., "subprocess.Popen[str]"]

QUICK = ("--methods", "padim", "--preset", "fast", "--size", "64")


@pytest.fixture(scope="module")
def report(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report with one finished cell."""
    folder = tmp_path_factory.mktemp("compared") / "report"
    assert run_command(["compare", str(parts), *QUICK, "--report", str(folder)]) == 0
    return folder


@pytest.fixture
def no_cell_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> FailedCell:
        return FailedCell(message="no cell should have been computed")

    monkeypatch.setattr(run, "run_cell", fails)


def one_line(outcome: Outcome) -> str:
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1, outcome.err
    return outcome.err


def test_that_the_report_folder_holds_page_table_results_and_cells(report: Path) -> None:
    assert {path.name for path in report.iterdir()} == {"report.html", "table.md", "results.json", "cells"}
    assert "<svg" in (report / "report.html").read_text()
    assert "| padim |" in (report / "table.md").read_text()
    results = json.loads((report / "results.json").read_text())
    assert results["table"][0]["image_auroc"]["mean"] is not None
    assert len(list((report / "cells").iterdir())) == 1


@pytest.mark.usefixtures("no_cell_is_computed")
def test_that_a_second_run_goes_on_and_shows_the_table_in_80_columns(loupe: Loupe, report: Path, parts: Path) -> None:
    outcome = loupe("compare", parts, *QUICK, "--report", report)

    assert outcome.code == 0
    assert outcome.out.startswith("\nparts\n")
    assert "padim" in outcome.out and "oracle" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "computed before" in outcome.err
    assert "cell 1 of 1: padim on parts, seed 0" in outcome.err


@pytest.mark.usefixtures("no_cell_is_computed")
def test_that_cells_of_another_report_are_found_and_json_is_alone_on_stdout(
    loupe: Loupe, report: Path, parts: Path, tmp_path: Path
) -> None:
    outcome = loupe("compare", parts, *QUICK, "--report", tmp_path / "new", "--jobs", report / "cells", "--json")

    assert outcome.code == 0
    document = json.loads(outcome.out)
    assert document["cells"][0]["outcome"]["status"] == "done"
    assert document["table"] == json.loads((report / "results.json").read_text())["table"]


@pytest.mark.usefixtures("no_cell_is_computed")
def test_that_a_failed_cell_exits_1_with_a_whole_report(
    loupe: Loupe, report: Path, parts: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    shutil.copytree(report / "cells", folder / "cells")

    outcome = loupe("compare", parts, *QUICK, "--seeds", "2", "--report", folder)

    assert outcome.code == 1
    assert "cell 2 of 2: padim on parts, seed 1: failed: no cell should have been computed" in outcome.err
    assert "failed (seed 1)" in outcome.out
    assert "no cell should have been computed" in (folder / "report.html").read_text()
    again = loupe("compare", parts, *QUICK, "--seeds", "2", "--report", folder)
    assert "failed, computed before (--retry tries it again)" in again.err


@pytest.mark.usefixtures("no_cell_is_computed")
def test_that_a_method_and_its_twin_with_generated_pictures_are_cells_of_their_own(
    loupe: Loupe, report: Path, parts: Path, tmp_path: Path
) -> None:
    shutil.copytree(report / "cells", tmp_path / "cells")

    outcome = loupe(
        "compare",
        parts,
        *QUICK,
        "--augment",
        "appearance",
        "--report",
        tmp_path / "report",
        "--jobs",
        tmp_path / "cells",
    )

    assert "cell 1 of 2: padim on parts, seed 0: image AUROC" in outcome.err
    assert "cell 2 of 2: padim+appearance on parts, seed 0: failed" in outcome.err
    assert "| padim+appearance | failed |" in (tmp_path / "report/table.md").read_text()
    document = json.loads((tmp_path / "report/results.json").read_text())
    assert [row["method"] for row in document["table"]] == ["padim", "padim+appearance"]
    assert document["cells"][1]["job"]["training"]["augment"]["generator"] == "appearance"


def test_that_a_log_tells_the_stage_of_a_long_cell(
    loupe: Loupe, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(job: CellJob, work: Path, progress: Progress, command: object) -> FailedCell:
        progress("Fitting", 3, 500)
        return FailedCell(message="ended")

    monkeypatch.setattr(run, "run_cell", slow)
    monkeypatch.setattr(compare, "LOG_INTERVAL_S", 0.0)

    outcome = loupe("compare", parts, *QUICK, "--report", tmp_path / "report")

    assert "cell 1 of 1: padim on parts, seed 0: Fitting, 3 of 500\n" in outcome.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
def test_that_a_stop_exits_130_and_leaves_finished_cells_alone(
    loupe_process: Start, report: Path, parts: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    shutil.copytree(report / "cells", folder / "cells")

    with loupe_process("compare", parts, *QUICK, "--seeds", "2", "--report", folder) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("cell 2 of 2"):
                break
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        code = process.wait(60)

    assert code == 130
    assert said == "Stopped; nothing was left half-written.\n"
    assert {path.name for path in (folder / "cells").iterdir()} == {path.name for path in (report / "cells").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["PARTS"], 2, "--methods"),
        (["PARTS", "--methods", "patchcoer"], 2, "did you mean patchcore"),
        (["PARTS", "--methods", "padim+apearance"], 2, "did you mean appearance"),
        (["PARTS", "--methods", "padim", "--augment", "synthetic_defects"], 2, "no extra 'synthetic_defects'"),
        (["PARTS", "--methods", "padim+appearance", "--set", "appearance.strength=9"], 2, "strength=9"),
        (["PARTS", "--methods", "padim", "--seeds", "0"], 2, "--seeds"),
        (["PARTS", "--methods", "padim", "--preset", "best"], 2, "--preset"),
        (["PARTS", "--methods", "padim", "--size", "64", "--patch", "64"], 2, "not both"),
        (["PARTS", "--methods", "padim", "--alpha", "3"], 2, "--alpha"),
        (["PARTS", "--methods", "padim", "--set", "channels=5"], 2, "method.key=value"),
        (["PARTS", "--methods", "padim", "--set", "patchcore.coreset_cap=5"], 2, "not compared"),
        (["PARTS", "--methods", "padim", "--set", "padim.channels=1"], 2, "channels=1"),
        (["PARTS", "--methods", "padim", "--group-by", "("], 2, "'('"),
        (["PARTS", "--methods", "padim", "--group-by", "seat"], 2, "finds no part"),
        (["PARTS", "elsewhere/parts", "--methods", "padim"], 2, "same name"),
        (["nowhere", "--methods", "padim"], 1, "no such folder"),
        (["empty", "--methods", "padim"], 1, "no pictures"),
        (["PARTS/train/good", "--methods", "padim"], 1, "no folder test"),
        (["PARTS", "--methods", "padim", "--report", "file/report"], 1, "nothing can be written"),
    ],
)
def test_that_wrong_usage_is_told_in_one_line_and_leaves_nothing(
    loupe: Loupe,
    parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    named: str,
) -> None:
    (tmp_path / "empty" / "test").mkdir(parents=True)
    (tmp_path / "file").write_text("hello")
    monkeypatch.chdir(tmp_path)

    outcome = loupe("compare", *[argument.replace("PARTS", str(parts)) for argument in arguments])

    assert named in one_line(outcome)
    assert outcome.code == code
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "file"}
