"""Which graphs come into a model file, and what is done with damaged ones."""

import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.artifact import GRAPH, MANIFEST, read_graph, read_manifest, revised
from ml.detector import Detector
from ml.errors import DetectorError, ExportError, ModelFileError, PartNotFoundError
from ml.methods.padim import Padim
from ml.preprocessing import Preprocessing
from ml.runtime import agreement
from ml.runtime.agreement import share_of_range
from ml.runtime.onnx_runtime import OnnxRuntime
from ml.training.pipeline import run
from tests.ml.small_models import part, quick_job

ModelFile = Callable[[str, str], Path]


@pytest.fixture
def model(model_file: ModelFile) -> Path:
    return model_file("padim", "whole")


def with_graph(model: Path, target: Path, graph: bytes | None) -> Path:
    """The same file with another graph, its hash in the manifest being the first one's; None: without any."""
    with zipfile.ZipFile(model) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            data = graph if name == GRAPH else source.read(name)
            if data is not None:
                archive.writestr(zipfile.ZipInfo(name), data)
    return target


def test_that_a_graph_is_stored_with_how_far_it_is_from_torch(model: Path) -> None:
    found = read_manifest(model).graph
    assert found is not None
    assert found.agreement.pictures == 10  # three of six good parts, their copies, four made ones
    assert 0 <= found.agreement.largest_difference <= agreement.LARGEST_DIFFERENCE
    assert found.agreement.flips == 0


def test_that_a_graph_that_differs_is_refused_and_the_model_runs_in_torch(
    parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced = Padim.scored_in_graph
    monkeypatch.setattr(Padim, "scored_in_graph", lambda self, inputs: traced(self, inputs * 1.01))
    job = quick_job(parts_folder, tmp_path / "m.loupe", "padim")
    manifest = run(job).manifest
    assert manifest.graph is None
    assert "differs from torch" in manifest.graph_refused
    assert Detector.load(job.out, "cpu").runtime.name == "torch"
    with pytest.raises(DetectorError, match="differs from torch"):
        Detector.load(job.out, "cpu", "onnx")


def test_that_a_method_without_a_graph_says_so_in_its_file(
    parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Padim, inputs: object) -> None:
        raise ExportError("no graph has this.")

    monkeypatch.setattr(Padim, "scored_in_graph", refuse)
    manifest = run(quick_job(parts_folder, tmp_path / "m.loupe", "padim")).manifest
    assert (manifest.graph, manifest.graph_refused) == (None, "no graph has this.")


def test_that_scores_that_are_no_numbers_cost_the_graph_and_not_the_training(
    parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement, "_detected", _failing)
    manifest = run(quick_job(parts_folder, tmp_path / "m.loupe", "padim")).manifest
    assert manifest.graph is None
    assert "cannot be compared with torch: no numbers" in manifest.graph_refused


def _failing(*given: object) -> None:
    raise DetectorError("no numbers")


def test_that_a_copy_that_has_lost_its_part_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(pixels: NDArray[np.uint8], preprocessing: Preprocessing) -> str:
        if pixels.max() == 0:
            raise PartNotFoundError("no circle")
        return "found"

    monkeypatch.setattr(agreement, "prepare", lost)
    pictures = [np.full((32, 32), value, np.uint8) for value in (1, 0, 2)]
    assert list(agreement._with_part(pictures, cast(Preprocessing, None))) == ["found", "found"]


@pytest.mark.parametrize("changed", [{"offset_px": [1e9, 0]}, {"sigma_px": 1e6}])
def test_that_a_record_that_cannot_be_the_models_is_refused(
    changed: dict[str, Any], model: Path, tmp_path: Path
) -> None:
    altered = tmp_path / "altered.loupe"
    with zipfile.ZipFile(model) as source, zipfile.ZipFile(altered, "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            if name == MANIFEST:
                document = json.loads(data)
                document["graph"] |= changed
                data = json.dumps(document).encode()
            archive.writestr(zipfile.ZipInfo(name), data)
    with pytest.raises(ModelFileError, match="not that of this model"):
        Detector.load(altered, "cpu")


def test_that_the_environments_number_of_threads_is_kept(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert Detector.load(model, "cpu").runtime.threads == 3
    assert Detector.load(model, "cpu", threads=1).runtime.threads == 1


def test_that_a_graph_does_not_change_the_hash(model: Path, parts_folder: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "LARGEST_DIFFERENCE", -1.0)
        without = run(quick_job(parts_folder, tmp_path / "m.loupe", "padim")).manifest
    assert without.graph is None
    assert without.model_hash == read_manifest(model).model_hash


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing", "another's"])
def test_that_a_damaged_graph_is_refused(damage: str, model: Path, model_file: ModelFile, tmp_path: Path) -> None:
    data = read_graph(model)[2]
    assert data is not None
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    graphs = {"cut": data[:-100], "flipped": bytes(flipped), "missing": None}
    graphs["another's"] = read_graph(model_file("patchcore", "whole"))[2]
    damaged = with_graph(model, tmp_path / "damaged.loupe", graphs[damage])
    with pytest.raises(ModelFileError, match=r"damaged\.loupe.*graph\.onnx"):
        Detector.load(damaged, "cpu")


def test_that_what_is_no_graph_is_told_in_words() -> None:
    with pytest.raises(ModelFileError, match="does not suit ONNX Runtime"):
        OnnxRuntime(b"no graph at all")


def test_that_a_new_threshold_keeps_the_graph(model: Path, tmp_path: Path) -> None:
    manifest = read_manifest(model)
    calibration = manifest.calibration.model_copy(update={"threshold": manifest.calibration.threshold * 2})
    new = revised(model, tmp_path / "new.loupe", calibration, None)
    assert new.graph == manifest.graph
    assert Detector.load(tmp_path / "new.loupe", "cpu").score(part(60)).score == pytest.approx(
        Detector.load(model, "cpu").score(part(60)).score
    )


def test_that_a_file_from_before_there_were_graphs_runs_in_torch(model: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.loupe"
    with zipfile.ZipFile(model) as source, zipfile.ZipFile(old, "w") as archive:
        for name in set(source.namelist()) - {GRAPH}:
            data = source.read(name)
            if name == MANIFEST:
                document = json.loads(data)
                del document["graph"]
                data = json.dumps(document | {"schema_version": 1}).encode()
            archive.writestr(zipfile.ZipInfo(name), data)
    assert Detector.load(old, "cpu").runtime.name == "torch"


def test_that_onnx_runtime_is_not_computed_with_on_a_gpu(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.detector.usable_device", lambda wanted: "cuda")
    with pytest.raises(DetectorError, match="ONNX Runtime computes on the device 'cpu'"):
        Detector.load(model, "cuda", "onnx")


def test_that_differences_are_shares_of_the_score_range() -> None:
    assert share_of_range([0.0, 0.5], [0.0, 0.6]) == pytest.approx(0.1)
    assert share_of_range([10.0], [11.0]) == pytest.approx(0.1)  # far beyond the threshold, of the value itself
    assert share_of_range([-5.0], [-3.0]) == 0  # neither shown nor deciding
    assert math.isnan(share_of_range([1.0, math.nan], [1.0, 1.0]))
