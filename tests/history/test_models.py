"""The shelf of model files."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from sqlalchemy import Engine

from ml.artifact import Agreement, DataFingerprint, Graph, GraphRecord, Manifest, PictureReference, write_model
from ml.calibration import calibrate
from ml.errors import ModelFileError
from ml.preprocessing import Preprocessing
from station.core.errors import StorageError
from station.history import ModelShelf

GRAPH = b"an ONNX graph, as far as its hash is concerned"
READING = GraphRecord(
    sha256="0" * 64,
    offset_px=(0, 0),
    sigma_px=4,
    score_rule="max_raw",
    agreement=Agreement(pictures=8, largest_difference=2e-6, flips=0),
)


def write(path: Path, seed: int = 0, name: str = "ring", picture: str = "0" * 64, graph: bytes = b"") -> Manifest:
    scores = np.random.default_rng(seed).lognormal(0, 0.2, 30)
    return write_model(
        path,
        name=name,
        method="patchcore",
        parameters={"coreset": 0.1},
        preprocessing=Preprocessing(
            geometry="whole",
            input_height=64,
            input_width=64,
            window_low=0,
            window_high=255,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        ),
        calibration=calibrate(scores, scores, [f"{n}.png" for n in range(30)], alpha=0.1, source="5-fold"),
        backbone=None,
        reference=PictureReference(
            height_px=48,
            width_px=64,
            has_one_size=True,
            is_grey=True,
            bit_depth=8,
            brightness=(0, 1),
            contrast=(0, 1),
            focus=(0, 1),
        ),
        data=DataFingerprint(files=(("a.png", picture),)),
        seed=seed,
        tensors={"bank": np.full((4, 3), seed, np.float32)},
        graph=Graph(graph, READING, READING.agreement) if graph else None,
    )


def damage_graph(path: Path) -> None:
    """The graph's bytes change, the archive's own check sum with them: only the hash in the manifest tells."""
    with ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, GRAPH[::-1] if data == GRAPH else data)


@pytest.fixture
def shelf(engine: Engine, tmp_path: Path) -> ModelShelf:
    return ModelShelf(engine, tmp_path / "models")


def test_that_a_model_is_kept_under_its_hash(shelf: ModelShelf, tmp_path: Path) -> None:
    written = write(tmp_path / "ring.loupe")
    assert shelf.add(tmp_path / "ring.loupe") == written
    shelved = shelf.path(written.model_hash)
    assert shelved == tmp_path / "models" / f"{written.model_hash}.loupe"
    assert shelved.read_bytes() == (tmp_path / "ring.loupe").read_bytes()
    assert shelf.manifest(written.model_hash) == written
    (version,) = shelf.list()
    assert (version.hash, version.name, version.method) == (written.model_hash, "ring", "patchcore")


def test_that_the_last_added_comes_first_and_the_same_model_is_added_once(shelf: ModelShelf, tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.loupe", 0), write(tmp_path / "b.loupe", 1)
    write(tmp_path / "again.loupe", 0, "renamed")
    for name in ("a", "b", "again"):
        shelf.add(tmp_path / f"{name}.loupe")
    assert [(version.hash, version.name) for version in shelf.list()] == [
        (second.model_hash, "ring"),
        (first.model_hash, "ring"),
    ]
    assert shelf.manifest(first.model_hash).name == "ring"


def test_that_a_damaged_file_is_not_shelved(shelf: ModelShelf, tmp_path: Path) -> None:
    path = tmp_path / "ring.loupe"
    write(path)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ModelFileError, match=r"ring\.loupe"):
        shelf.add(path)
    assert shelf.list() == ()
    assert not list((tmp_path / "models").glob("*"))


def test_that_adding_again_mends_a_shelved_file(shelf: ModelShelf, tmp_path: Path) -> None:
    written = write(tmp_path / "ring.loupe")
    shelf.add(tmp_path / "ring.loupe")
    shelf.path(written.model_hash).write_bytes(b"damaged")
    shelf.add(tmp_path / "ring.loupe")
    assert shelf.manifest(written.model_hash) == written


def test_that_a_file_with_a_damaged_graph_is_not_shelved(shelf: ModelShelf, tmp_path: Path) -> None:
    path = tmp_path / "ring.loupe"
    write(path, graph=GRAPH)
    damage_graph(path)
    with pytest.raises(ModelFileError, match=r"ring\.loupe.*graph\.onnx"):
        shelf.add(path)
    assert shelf.list() == ()
    assert not list((tmp_path / "models").glob("*"))


@pytest.mark.parametrize("graph", [GRAPH, b""], ids=["the same", "one without a graph"])
def test_that_a_sound_file_replaces_one_whose_graph_is_damaged(shelf: ModelShelf, tmp_path: Path, graph: bytes) -> None:
    shelved = shelf.path(_added(shelf, tmp_path / "ring.loupe", GRAPH).model_hash)
    damage_graph(shelved)
    _added(shelf, tmp_path / "again.loupe", graph)
    assert shelved.read_bytes() == (tmp_path / "again.loupe").read_bytes()


def test_that_a_shelved_graph_is_kept_when_the_model_comes_without_one_and_taken_when_it_comes_with_one(
    shelf: ModelShelf, tmp_path: Path
) -> None:
    plain = _added(shelf, tmp_path / "plain.loupe", b"")
    assert shelf.manifest(plain.model_hash).graph is None
    for graph in (GRAPH, b""):
        _added(shelf, tmp_path / "again.loupe", graph)
        assert shelf.manifest(plain.model_hash).graph is not None


def _added(shelf: ModelShelf, path: Path, graph: bytes) -> Manifest:
    write(path, graph=graph)
    return shelf.add(path)


def test_that_an_unknown_or_lost_model_is_named(shelf: ModelShelf, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="not on this station"):
        shelf.path("0" * 64)
    written = write(tmp_path / "ring.loupe")
    shelf.add(tmp_path / "ring.loupe")
    shelf.path(written.model_hash).unlink()
    with pytest.raises(StorageError, match="is gone"):
        shelf.manifest(written.model_hash)
