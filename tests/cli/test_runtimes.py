"""What computes: chosen with `--runtime`, told by `loupe train` and `loupe models`, given to models without a graph."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml.artifact import read_graph, read_manifest, read_model, write_model
from ml.detector import Detector
from ml.runtime.scores import RuntimeName
from station.core.recipe_rules import recipe_for
from station.history.archive import Archive
from station.home import Home
from station.model_loading import load_model
from station.settings import Settings
from tests.cli.conftest import Loupe

KEPT = ("name", "method", "parameters", "preprocessing", "calibration", "backbone", "reference", "data", "seed")


def without_graph(model: Path, file: Path, reason: str = "") -> Path:
    """The same model as an earlier version of Loupe wrote it, or as one whose graph was refused."""
    manifest, tensors = read_model(model)
    write_model(file, tensors=tensors, graph_refused=reason, **{key: getattr(manifest, key) for key in KEPT})
    return file


@pytest.fixture(scope="module")
def old_model(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return without_graph(model, tmp_path_factory.mktemp("runtimes") / "old.loupe")


@pytest.fixture
def station(old_model: Path, tmp_path: Path) -> Path:
    """A home whose recipe Ring judges with a model from before there were graphs."""
    folder = tmp_path / "home"
    folder.mkdir()
    with Archive.open(Home(folder)) as archive:
        archive.recipes.save(recipe_for(archive.models.add(old_model), "Ring", "demo"))
    return folder


def doctored(loupe: Loupe, home: Path) -> list[dict[str, Any]]:
    """What the doctor says of the models in use."""
    findings = json.loads(loupe("doctor", "--no-probe", "--home", home, "--json").out)["findings"]
    return [finding for finding in findings if finding["topic"] == "models"]


def test_that_both_runtimes_judge_alike_and_are_named(loupe: Loupe, model: Path, parts: Path) -> None:
    ran = {
        name: loupe("inspect", model, parts / "test/good", "--runtime", name, "--json") for name in ("onnx", "torch")
    }
    assert "computed by ONNX Runtime" in ran["onnx"].err and "computed by PyTorch" in ran["torch"].err
    scores = {name: [line["normalised_score"] for line in done.json_lines] for name, done in ran.items()}
    assert scores["onnx"] == pytest.approx(scores["torch"], abs=1e-3)


def test_that_a_runtime_without_a_graph_is_refused_with_the_way_out(
    loupe: Loupe, old_model: Path, parts: Path, tmp_path: Path
) -> None:
    commands = {
        "inspect": (parts / "test/good",),
        "evaluate": (parts,),
        "judge": (parts, "--out", tmp_path / "scores"),
    }
    for command, arguments in commands.items():
        refused = loupe(command, old_model, *arguments, "--runtime", "onnx")
        words = " ".join(refused.err.split())
        assert refused.code == 1, command
        assert "has no graph for ONNX Runtime" in words and "loupe export" in words, command


@pytest.mark.parametrize("command", ["evaluate", "judge"])
def test_that_evaluate_and_judge_compute_with_what_is_asked_for(
    loupe: Loupe, model: Path, parts: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    load = Detector.load

    def noting(path: Path, device: str, runtime: RuntimeName) -> Detector:
        asked.append(runtime)
        return load(path, device, runtime)

    monkeypatch.setattr(Detector, "load", noting)
    where = ("--out", tmp_path / "scores") if command == "judge" else ()
    assert loupe(command, model, parts, *where, "--runtime", "torch", "--json").code == 0
    assert asked == ["torch"]


def test_that_a_graph_that_the_library_does_not_take_is_refused_with_the_way_out(
    loupe: Loupe, model: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.detector.read_graph", lambda *given: (*read_graph(*given)[:2], b"no graph"))
    refused = loupe("inspect", model, parts / "test/good", "--device", "cpu")
    assert refused.code == 1
    assert "does not suit ONNX Runtime" in refused.err and "--runtime torch" in refused.err
    assert loupe("inspect", model, parts / "test/good", "--device", "cpu", "--runtime", "torch").code == 0


def test_that_templates_are_not_learnt_in_a_runtime_that_cannot(loupe: Loupe, model: Path, parts: Path) -> None:
    refused = loupe("evaluate", model, parts, "--template-dir", parts / "train/good", "--runtime", "onnx")
    assert refused.code == 1
    assert "learnt by torch alone" in refused.err


def test_that_training_tells_what_the_graph_is_worth(loupe: Loupe, parts: Path, tmp_path: Path) -> None:
    quick = ("--method", "padim", "--size", "64")
    told = loupe("train", parts, "--out", tmp_path / "a.loupe", *quick)
    assert "graph for ONNX Runtime: checked on" in " ".join(told.err.split())
    document = loupe("train", parts, "--out", tmp_path / "b.loupe", *quick, "--json").json_lines[-1]["graph"]
    graph = read_manifest(tmp_path / "b.loupe").graph
    assert graph is not None
    assert document == {"agreement": graph.agreement.model_dump(), "refused": None}


def test_that_a_model_shows_its_agreement_or_why_it_has_no_graph(loupe: Loupe, model: Path, tmp_path: Path) -> None:
    refused = without_graph(model, tmp_path / "refused.loupe", "SPADE cannot be traced.")
    for file, words in ((model, "the same verdict on all"), (refused, "PyTorch computes it: SPADE cannot be traced.")):
        home = tmp_path / file.stem
        home.mkdir()
        with Archive.open(Home(home)) as archive:
            model_hash = archive.models.add(file).model_hash
        shown = " ".join(loupe("models", "show", model_hash[:8], "--home", home).out.split())
        assert words in shown
        assert "models graph" not in shown


def test_that_a_model_from_before_is_given_a_graph_and_keeps_its_hash(
    loupe: Loupe, old_model: Path, station: Path
) -> None:
    model_hash = read_manifest(old_model).model_hash
    shown = " ".join(loupe("models", "show", model_hash[:8], "--home", station).out.split())
    assert "made before models had one" in shown and f"loupe models graph {model_hash[:12]}" in shown
    advised = doctored(loupe, station)
    assert "Ring" in advised[0]["found"] and f"loupe models graph {model_hash[:12]}" in advised[0]["advice"]
    given = loupe("models", "graph", model_hash[:8], "--home", station)
    assert given.code == 0 and "checked on" in given.out
    document = json.loads(loupe("models", "show", model_hash[:8], "--home", station, "--json").out)
    assert doctored(loupe, station) == []
    assert document["hash"] == model_hash and document["graph"]["agreement"]["flips"] == 0
    assert document["graph"] == json.loads(loupe("models", "graph", model_hash[:8], "--home", station, "--json").out)


def test_that_the_station_takes_torch_where_the_runtime_it_wants_has_no_graph(model: Path, old_model: Path) -> None:
    wanted = Settings(runtime="onnx", torch_threads=1)
    assert load_model(model, wanted).runtime.name == "onnx"
    assert load_model(old_model, wanted).runtime.name == "torch"
    assert load_model(model, Settings(runtime="torch", torch_threads=1)).runtime.name == "torch"
