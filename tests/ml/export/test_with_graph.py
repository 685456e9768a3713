"""A model file gains a graph and stays the model that it was, whichever version wrote it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml import artifact
from ml.artifact import GRAPH, MANIFEST, TENSORS, THUMBNAIL, Graph, model_hash, read_manifest
from ml.detector import Detector
from ml.errors import ModelFileError, ParameterError
from ml.export.with_graph import write_with_graph
from ml.runtime.onnx_runtime import OnnxRuntime
from tests.ml.small_models import part
from tests.ml.test_artifact import parts_of, repack

LATER_FIELDS = {
    "preprocessing": ("region", "clahe", "ring", "area", "parts"),
    "data": ("defects", "defect_masks", "generated", "augmentation", "held_out", "tests"),
}
"""Optional ones, which the first version did not know."""


def document_of(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(parts_of(path)[MANIFEST])
    return document


@pytest.fixture
def old(model_file: Callable[[str, str], Path], tmp_path: Path) -> Path:
    """As an earlier version wrote it: fewer fields, and the hash of these."""
    parts = parts_of(model_file("padim", "whole"))
    document = json.loads(parts[MANIFEST])
    for record, names in LATER_FIELDS.items():
        for name in names:
            assert not document[record].pop(name, None)
    del document["graph"], parts[GRAPH]
    document |= {"schema_version": 1, "created_utc": "2025-02-03T04:05:06+00:00", "versions": {"loupe": "0.1"}}
    document |= {"notes": "from the first week", "graph_refused": "not tried"}
    document["model_hash"] = model_hash(document)
    path = tmp_path / "old.loupe"
    repack(path, parts | {MANIFEST: json.dumps(document).encode()})
    return path


def test_that_all_but_the_graph_is_carried_over_as_it_is_stored(old: Path, tmp_path: Path) -> None:
    before, stored = document_of(old), parts_of(old)
    target, manifest = write_with_graph(old)
    after = document_of(target)
    assert target == tmp_path / "old-graph.loupe"
    assert after.pop("graph") == manifest.model_dump(mode="json")["graph"]
    assert after.pop("schema_version") == artifact.SCHEMA_VERSION
    assert after == {key: value for key, value in before.items() if key not in ("schema_version", "graph_refused")}
    assert manifest == read_manifest(target)
    assert manifest.model_hash == before["model_hash"]
    carried = parts_of(target)
    assert carried.keys() == {MANIFEST, TENSORS, THUMBNAIL, GRAPH}
    assert all(carried[part] == stored[part] for part in (TENSORS, THUMBNAIL))


def test_that_the_detector_computes_with_the_graph_and_says_the_same(old: Path) -> None:
    detector = Detector.load(write_with_graph(old)[0], "cpu", "onnx")
    assert isinstance(detector.runtime, OnnxRuntime)
    by_torch = Detector.load(old, "cpu", "torch").score(part(3))
    assert detector.score(part(3)).score == pytest.approx(by_torch.score, rel=1e-3)


def test_that_nothing_is_written_that_would_be_another_model(
    old: Path, model_file: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = read_manifest(model_file("padim", "whole")).graph
    assert record is not None
    graph = Graph(b"a graph", record, record.agreement)
    hashed = iter([document_of(old)["model_hash"], "0" * 64])
    monkeypatch.setattr(artifact, "model_hash", lambda document: next(hashed))
    with pytest.raises(ModelFileError, match="model hash"):
        artifact.with_graph(old, tmp_path / "other.loupe", graph)
    assert not (tmp_path / "other.loupe").exists()


def test_that_a_model_file_is_not_changed_in_place(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(ModelFileError, match="never changed"):
        write_with_graph(old, old, force=True)
    assert old.read_bytes() == before


def test_that_only_a_name_of_a_model_file_is_taken(old: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"\*\.loupe"):
        write_with_graph(old, tmp_path / "model.txt")
    assert list(tmp_path.iterdir()) == [old]
