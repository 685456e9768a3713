"""`loupe bench`: what it measures, what it says about it, and what it leaves behind. Never how fast it is."""

import json
import platform
from pathlib import Path
from typing import Any

import pytest

from ml.artifact import read_manifest, read_model, write_model
from tests.cli.conftest import Loupe

STAGES = {"decode", "picture_check", "preprocessing", "network", "postprocessing", "whole", "storing"}
REASON = "Its graph differs from torch."


@pytest.fixture(scope="module")
def picture(parts: Path) -> Path:
    return min((parts / "test/good").glob("*.png"))


@pytest.fixture(scope="module")
def without_graph(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    manifest, tensors = read_model(model)
    kept = ("name", "method", "parameters", "preprocessing", "calibration", "backbone", "reference", "data", "seed")
    file = tmp_path_factory.mktemp("bench") / "old.loupe"
    write_model(file, tensors=tensors, graph_refused=REASON, **{key: getattr(manifest, key) for key in kept})
    return file


def document(loupe: Loupe, *arguments: object) -> dict[str, Any]:
    done = loupe("bench", *arguments, "--json", "--repeats", 1, "--threads", 1)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_that_every_stage_and_the_floor_are_told(loupe: Loupe, model: Path, parts: Path) -> None:
    found = document(loupe, model, parts / "test/good")
    assert found["stages_ms"].keys() == STAGES
    assert all(
        0 < spread["least_ms"] <= spread["median_ms"] <= spread["p95_ms"] for spread in found["stages_ms"].values()
    )
    assert (found["pictures"], found["inputs_per_picture"], found["repeats"], found["threads"]) == (2, 1, 1, 1)
    assert found["runtime"]["name"] == "onnx"
    assert found["model"]["hash"] == read_manifest(model).model_hash
    assert found["peak_memory_bytes"] > 2**20
    assert {one["library"] for one in found["bare_ms"]} == {"torch", "onnx"}
    assert {one["what"] for one in found["bare_ms"]} == {"forward", "product"}
    assert found["notes"] == []


def test_that_the_ratios_are_those_of_the_figures_told(loupe: Loupe, model: Path, picture: Path) -> None:
    found = document(loupe, model, picture)
    whole_ms = found["stages_ms"]["whole"]["median_ms"]
    forward_ms, product_ms = (
        min(one["median_ms"] for one in found["bare_ms"] if one["what"] == what) for what in ("forward", "product")
    )
    assert found["ratio"] == pytest.approx(whole_ms / forward_ms)
    assert found["floor_ratio"] == pytest.approx(whole_ms / (forward_ms + product_ms))
    network_ms = found["stages_ms"]["network"]["median_ms"]
    assert found["scoring_ms"] == pytest.approx(network_ms - found["backbone_ms"]["median_ms"])


def test_that_the_machine_is_told_and_not_its_name(loupe: Loupe, model: Path, picture: Path) -> None:
    found = document(loupe, model, picture)
    assert found["machine"]["cpu"]
    assert {"onnxruntime", "torch", "python"} <= found["machine"]["versions"].keys()
    values = [*found["machine"].values(), *found["machine"]["versions"].values()]
    assert platform.node() not in map(str, values)


def test_that_the_table_fits_into_a_terminal(loupe: Loupe, model: Path, picture: Path) -> None:
    done = loupe("bench", model, picture, "--repeats", 1, "--threads", 1)
    assert done.code == 0
    rows = [line for line in done.out.splitlines() if line.startswith(("  ", "pre", "net", "post", "ratio", "floor"))]
    assert len(rows) == 7
    assert all(len(line) <= 80 for line in rows)


def test_that_a_model_without_a_graph_runs_in_torch_and_says_why(
    loupe: Loupe, without_graph: Path, picture: Path
) -> None:
    found = document(loupe, without_graph, picture)
    assert found["runtime"]["name"] == "torch"
    assert found["runtime"]["graph_refused"] == REASON
    assert REASON in found["notes"][0]
    assert {one["library"] for one in found["bare_ms"]} == {"torch", "onnx"}
    refused = loupe("bench", without_graph, picture, "--runtime", "onnx")
    assert (refused.code, refused.out) == (1, "")
    assert REASON in refused.err


def test_that_without_a_backbone_there_is_no_ratio(loupe: Loupe, parts: Path, picture: Path, tmp_path: Path) -> None:
    file = tmp_path / "template.loupe"
    assert loupe("train", parts, "--out", file, "--method", "template", "--size", 64).code == 0
    found = document(loupe, file, picture)
    assert (found["ratio"], found["floor_ratio"], found["scoring_ms"], found["bare_ms"]) == (None, None, None, [])
    assert "backbone" in found["notes"][-1]
    assert "ratio  " not in loupe("bench", file, picture, "--repeats", 1, "--threads", 1).out


def test_that_nothing_is_left_in_the_home(loupe: Loupe, model: Path, picture: Path, tmp_path: Path) -> None:
    document(loupe, model, picture, "--home", tmp_path / "not there yet")
    assert list(tmp_path.iterdir()) == []


def test_that_what_cannot_be_measured_is_named(loupe: Loupe, model: Path, picture: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"none")
    for arguments in ((model, broken), (model, tmp_path / "nowhere.png"), (tmp_path / "none.loupe", picture)):
        failed = loupe("bench", *arguments, "--json")
        assert (failed.code, failed.out) == (1, "")
        assert failed.err.count("\n") == 1
        assert any(path.name in failed.err for path in arguments)


def test_that_wrong_usage_is_told_apart_from_failure(loupe: Loupe, model: Path, picture: Path) -> None:
    assert loupe("bench", model).code == 2
    assert loupe("bench", model, picture, "--repeats", 0).code == 2
    assert loupe("bench", model, picture, "--runtime", "fast").code == 2
