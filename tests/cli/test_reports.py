"""`loupe evaluate`, `methods`, `doctor`, `demo --headless`: what scripts read, and what fits a terminal."""

import json
import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from ml.catalogue import BACKBONES, METHODS
from ml.progress import Progress
from ml.threads import ThreadSetting
from station.capture import demo_recipe
from station.commands import demo
from station.home import Home
from station.settings import Settings
from tests.cli.conftest import Loupe

MEASURES = {
    "image_auroc",
    "pixel_auroc",
    "image_ap",
    "aupro_30",
    "aupro_05",
    "aupimo",
    "f1",
    "f1_max",
    "iou",
    "dice",
    "region_recall",
}


def no_constants(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_that_evaluate_gives_every_measure_or_the_reason(loupe: Loupe, model: Path, parts: Path) -> None:
    outcome = loupe("evaluate", model, parts, "--json")

    assert outcome.code == 0
    assert outcome.err == ""
    report: dict[str, Any] = json.loads(outcome.out, parse_constant=no_constants)
    assert set(report) >= MEASURES
    for measure in MEASURES:
        assert report[measure] is not None or report["reasons"][measure]
    for matrix in ("confusion_matrix", "confusion_matrix_line"):
        assert sum(report[matrix][cell] for cell in ("tn", "fp", "fn", "tp")) == 7
    assert {kind["kind"] for kind in report["recall_per_kind"]} == {
        path.name for path in (parts / "test").iterdir() if path.name != "good"
    }
    assert all("recall" in kind for kind in report["recall_per_kind"])
    assert report["latency_median_ms"] > 0 and report["latency_p95_ms"] > 0
    assert report["faults"] == 0


def test_that_evaluate_names_faults_on_stderr_and_counts_them(
    loupe: Loupe, model: Path, parts: Path, tmp_path: Path
) -> None:
    good = tmp_path / "test" / "good"
    good.mkdir(parents=True)
    for picture in (parts / "test" / "good").iterdir():
        (good / picture.name).write_bytes(picture.read_bytes())
    (good / "broken.png").write_text("hello")

    outcome = loupe("evaluate", model, tmp_path, "--json")

    assert outcome.code == 0
    report = json.loads(outcome.out)
    assert report["faults"] == 1
    assert report["image_auroc"] is None and report["reasons"]["image_auroc"]
    assert outcome.err.startswith("FAULT ") and "broken.png" in outcome.err


def test_that_evaluate_takes_templates_only_for_a_model_that_learns_from_one_picture(
    loupe: Loupe, model: Path, parts: Path, tmp_path: Path
) -> None:
    outcome = loupe("evaluate", model, parts, "--template-dir", tmp_path)

    assert outcome.code != 0
    assert "one template" in " ".join(outcome.err.split())
    outcome = loupe("evaluate", model, parts, "--template-dir", tmp_path / "nowhere")
    assert outcome.code != 0
    assert "nowhere" in "".join(outcome.err.split())


def test_that_evaluate_refuses_another_layout_in_one_line(loupe: Loupe, model: Path, tmp_path: Path) -> None:
    outcome = loupe("evaluate", model, tmp_path)

    assert outcome.code == 1
    assert outcome.err.count("\n") == 1 and "test" in outcome.err


def test_that_methods_lists_settings_presets_and_backbones(loupe: Loupe) -> None:
    document = json.loads(loupe("methods", "--json").out)

    assert [entry["name"] for entry in document["methods"]] == list(METHODS)
    for entry in document["methods"]:
        assert set(entry["presets"]) == {"fast", "balanced", "thorough"}
        assert set(entry["parameters"]["properties"]) == set(METHODS[entry["name"]].parameters.model_fields)
    assert [entry["name"] for entry in document["backbones"]] == list(BACKBONES)


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_that_methods_shows_every_setting_whole(loupe: Loupe, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    overview = loupe("methods").out

    for name, info in METHODS.items():
        assert f"--method {name}" in overview
        shown = loupe("methods", name).out
        for text in (overview, shown):
            assert max(map(len, text.splitlines())) <= int(columns)
            assert "…" not in text
        for key in info.parameters.model_fields:
            assert re.search(rf"^  {key}=", shown, re.MULTILINE)


def test_that_a_method_that_is_not_there_is_named_with_those_that_are(loupe: Loupe) -> None:
    outcome = loupe("methods", "patchcoer")
    assert outcome.code == 2
    assert "patchcore" in outcome.err


def test_that_a_terminal_without_umlauts_shows_the_rest(loupe_process: Callable[..., Any]) -> None:
    with loupe_process("methods", "patchcore", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C") as process:
        out, err = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "coreset_ratio=0.1" in out and err == ""


@pytest.mark.parametrize(
    "command", ["", "run", "train", "inspect", "evaluate", "compare", "recommend", "methods", "doctor", "demo"]
)
def test_that_help_fits_the_terminal_and_cuts_nothing(loupe: Loupe, command: str) -> None:
    outcome = loupe(*command.split(), "--help")

    assert outcome.code == 0
    assert "Usage: loupe" in outcome.out
    assert "…" not in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80


PROBED = {
    ThreadSetting("onnx", 1): 7.0,
    ThreadSetting("onnx", 2): 6.0,
    ThreadSetting("torch", 1): 5.0,
    ThreadSetting("torch", 2): 15.0,
    ThreadSetting("torch", 2, is_spinning=True): 3.0,
}


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Stands in for the measurement of threads, which takes a minute; lists its runs."""
    runs: list[str] = []

    def probe(progress: Progress) -> dict[ThreadSetting, float]:
        runs.append("run")
        return PROBED

    monkeypatch.setattr("ml.threads.probe", probe)
    yield runs


def test_that_doctor_finds_every_part_of_the_machine(loupe: Loupe, probes: list[str]) -> None:
    outcome = loupe("doctor", "--json")

    document = json.loads(outcome.out)
    assert set(document) == {"is_healthy", "findings", "thread_probe_ms"}
    assert {finding["topic"] for finding in document["findings"]} >= {
        *(
            "system",
            "loupe",
            "PySide6",
            "torch",
            "ONNX Runtime",
            "device",
            "weights",
            "screen",
            "home",
            "disk",
            "threads",
            "cameras",
        )
    }
    for finding in document["findings"]:
        assert set(finding) == {"topic", "state", "found", "advice"}
        assert finding["state"] in {"ok", "note", "fail"}
        assert finding["advice"] or finding["state"] == "ok"
    assert outcome.code == (0 if document["is_healthy"] else 1)


def test_that_doctor_measures_threads_once_and_keeps_what_is_fastest_for_onnx_runtime(
    loupe: Loupe, probes: list[str], home_of_its_own: Path
) -> None:
    first = json.loads(loupe("doctor", "--json").out)
    second = json.loads(loupe("doctor", "--json").out)

    assert first["thread_probe_ms"] == {setting.words: milliseconds for setting, milliseconds in PROBED.items()}
    assert second["thread_probe_ms"] == {}
    assert len(probes) == 1
    assert Settings.load(Home(home_of_its_own).settings).probed_threads == 2
    loupe("doctor", "--probe")
    assert len(probes) == 2


def test_that_doctor_keeps_the_fastest_passive_threads_of_torch_where_torch_is_set(
    loupe: Loupe, probes: list[str], home_of_its_own: Path
) -> None:
    Settings(runtime="torch").save(Home(home_of_its_own).settings)
    loupe("doctor", "--json")
    assert Settings.load(Home(home_of_its_own).settings).probed_threads == 1


def test_that_doctor_computes_with_onnx_runtime_and_says_where_that_fails(
    loupe: Loupe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> dict[str, Any]:
        items: list[dict[str, Any]] = json.loads(loupe("doctor", "--no-probe", "--json").out)["findings"]
        return next(item for item in items if item["topic"] == "ONNX Runtime")

    assert (found()["state"], found()["found"]) == ("ok", f"{version('onnxruntime')}, computes")
    monkeypatch.setattr("station.commands.doctor._small_graph", lambda: b"no graph")
    broken = found()
    assert broken["state"] == "fail" and "does not compute" in broken["found"] and broken["advice"]


def test_that_doctor_can_be_told_not_to_measure(loupe: Loupe, probes: list[str], home_of_its_own: Path) -> None:
    loupe("doctor", "--no-probe")

    assert not probes
    assert not home_of_its_own.exists()


def test_that_doctor_says_what_is_wrong_with_the_home_and_exits_1(
    loupe: Loupe, probes: list[str], tmp_path: Path
) -> None:
    (tmp_path / "home.txt").write_text("hello")

    outcome = loupe("doctor", "--home", tmp_path / "home.txt" / "deeper", "--json")

    assert outcome.code == 1
    assert not probes
    home = next(item for item in json.loads(outcome.out)["findings"] if item["topic"] == "home")
    assert home["state"] == "fail" and "--home" in home["advice"]


def test_that_doctor_reports_a_broken_settings_file_and_leaves_it(loupe: Loupe, probes: list[str]) -> None:
    home = Home.locate()
    home.folder.mkdir()
    home.settings.write_text('{"theme": "blue"}')

    outcome = loupe("doctor")

    assert outcome.code == 1
    assert "theme" in outcome.out
    assert home.settings.read_text() == '{"theme": "blue"}'


def test_that_the_demo_without_a_window_reports_parts_matrix_and_places(
    loupe: Loupe, monkeypatch: pytest.MonkeyPatch, home_of_its_own: Path
) -> None:
    monkeypatch.setattr(demo, "PARTS", 4)
    monkeypatch.setattr(demo_recipe, "DEMO_NORMALS", 4)

    first = loupe("demo", "--headless")
    second = loupe("demo", "--headless")

    assert first.code == second.code == 0
    assert "training" in first.err and second.err == ""
    heading, *rows = second.out.splitlines()
    assert heading.split() == ["part", "score", "threshold", "verdict", "truth", "ms"]
    assert [row.split()[0] for row in rows[:4]] == [f"D-{number:06d}" for number in range(1, 5)]
    assert all(row.split()[3] in {"OK", "UNSURE", "NG", "FAULT"} for row in rows[:4])
    assert max(map(len, rows[:10])) <= 80
    assert "Confusion matrix" in second.out and "F1" in second.out
    places = dict(line.split(maxsplit=1) for line in rows if line.startswith(("history", "pictures", "overlays")))
    assert Path(places["history"]) == home_of_its_own / "loupe.db" and Path(places["history"]).is_file()
    assert len(list(Path(places["overlays"]).glob("*.png"))) == 4
    assert all(path.is_file() for path in Path(places["pictures"]).glob("*/*/*"))
