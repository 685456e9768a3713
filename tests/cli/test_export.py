"""`loupe export`: the files, what they say about themselves, and the example beside them."""

import errno
import getpass
import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from ml.artifact import read_manifest, read_model, revised, write_model
from ml.region_rules import RegionRules, Section
from tests.cli.conftest import Loupe
from tests.ml.other_programs.environment import python_with, run_there

PINS = {
    "onnx": ("numpy==2.4.6", "pillow==13.0.0", "onnxruntime==1.31.1"),
    "openvino": ("numpy==2.4.6", "pillow==13.0.0", "openvino==2026.4.1"),
}


@pytest.fixture(scope="module")
def copy(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model in a folder of its own."""
    return Path(shutil.copy(model, tmp_path_factory.mktemp("export") / "seat no. 1.loupe"))


def inspected(loupe: Loupe, model: Path, picture: Path) -> tuple[float, str]:
    (line,) = loupe("inspect", model, picture, "--json", "--device", "cpu").json_lines
    return line["normalised_score"], line["verdict"]


def said(output: str) -> tuple[float, str]:
    """What the example prints."""
    _, score, verdict = output.split()
    return float(score), verdict


def pictures(parts: Path) -> list[Path]:
    good, bad = sorted((parts / "test/good").glob("*.png")), sorted((parts / "test").glob("[!g]*/*.png"))
    return [good[0], bad[0]]


def test_that_the_example_says_what_inspect_says(loupe: Loupe, copy: Path, parts: Path, tmp_path: Path) -> None:
    done = loupe("export", copy, "--format", "onnx", "--out", tmp_path)
    assert done.code == 0
    assert "the same verdict on all" in done.out
    example = tmp_path / "seat no. 1.example.py"
    assert len(example.read_text().splitlines()) <= 25
    for picture in pictures(parts):
        ran = subprocess.run(
            [sys.executable, "-I", example, picture], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        expected, verdict = inspected(loupe, copy, picture)
        assert said(ran.stdout) == (pytest.approx(expected, abs=1e-3), verdict)
        assert (tmp_path / f"{picture.stem}.heat.png").is_file()


@pytest.mark.real_packages
@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_that_the_example_runs_where_nothing_of_ours_is(
    loupe: Loupe, copy: Path, parts: Path, tmp_path: Path, form: str
) -> None:
    python = python_with(*PINS[form])
    assert loupe("export", copy, "--format", form, "--out", tmp_path).code == 0
    for picture in pictures(parts):
        ran = run_there(python, tmp_path / "seat no. 1.example.py", picture, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        expected, verdict = inspected(loupe, copy, picture)
        assert said(ran.stdout) == (pytest.approx(expected, abs=1e-3), verdict)


def test_that_the_file_tells_the_model_and_nothing_of_the_machine(loupe: Loupe, copy: Path, tmp_path: Path) -> None:
    document = loupe("export", copy, "--format", "onnx", "--out", tmp_path / "out.onnx", "--json").json_lines[-1]
    assert document["event"] == "exported"
    assert document["files"] == [str(tmp_path / "out.onnx"), str(tmp_path / "out.example.py")]
    assert document["model_hash"] == read_manifest(copy).model_hash
    assert max(document["agreement"]["score"], document["agreement"]["map"]) < 1e-3
    graph = onnx.load(tmp_path / "out.onnx")
    told = {one.key: one.value for one in graph.metadata_props}
    assert told["model_hash"] == document["model_hash"]
    assert json.loads(told["agreement"]) == document["agreement"]
    everything = graph.SerializeToString() + (tmp_path / "out.example.py").read_bytes()
    for folder in (str(Path.home()), str(tmp_path), str(copy.parent), f"/{getpass.getuser()}/"):
        assert folder.encode() not in everything
    assert platform.node() not in re.findall(r"[\w.-]+", " ".join(told.values()))


def test_that_a_file_that_is_there_is_overwritten_only_on_demand(loupe: Loupe, copy: Path, tmp_path: Path) -> None:
    target = tmp_path / "seat no. 1.onnx"
    target.write_bytes(b"another")
    refused = loupe("export", copy, "--format", "onnx", "--out", tmp_path)
    assert refused.code == 1
    assert "--force" in refused.err
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"another"]
    assert loupe("export", copy, "--format", "onnx", "--out", tmp_path, "--force").code == 0
    assert target.stat().st_size > 1000


def test_that_an_overwriting_export_that_fails_leaves_the_former_one(
    loupe: Loupe, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = {f"seat no. 1{suffix}": suffix.encode() for suffix in (".example.py", ".onnx")}
    for name, data in former.items():
        (tmp_path / name).write_bytes(data)
    replace = Path.replace

    def refused(path: Path, target: Path) -> Path:
        if target.suffix == ".onnx" and path.read_bytes() != former[target.name]:
            raise PermissionError(errno.EACCES, "in use by another program")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refused)
    failed = loupe("export", copy, "--format", "onnx", "--out", tmp_path, "--force")
    assert failed.code == 1
    assert "in use by another program" in failed.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == former


def test_that_what_cannot_be_exported_leaves_nothing_behind(loupe: Loupe, copy: Path, tmp_path: Path) -> None:
    with_rules = tmp_path / "rules.loupe"
    revised(copy, with_rules, read_manifest(copy).calibration, RegionRules(sections=(Section(reach=1),)))
    refused = loupe("export", with_rules, "--format", "onnx")
    assert refused.code == 1
    assert "region rules" in refused.err
    assert list(tmp_path.iterdir()) == [with_rules]


def test_that_a_model_without_a_graph_gets_one_and_keeps_its_hash(loupe: Loupe, copy: Path, tmp_path: Path) -> None:
    manifest, tensors = read_model(copy)
    kept = ("name", "method", "parameters", "preprocessing", "calibration", "backbone", "reference", "data", "seed")
    without = tmp_path / "old.loupe"
    write_model(without, tensors=tensors, **{key: getattr(manifest, key) for key in kept})
    refused = loupe("export", without, "--format", "loupe", "--out", without, "--force")
    assert (refused.code, read_manifest(without).graph) == (1, None)
    document = loupe("export", without, "--format", "loupe", "--json").json_lines[-1]
    written = read_manifest(tmp_path / "old-graph.loupe")
    assert document["files"] == [str(tmp_path / "old-graph.loupe")]
    assert written.graph is not None
    assert written.model_hash == read_manifest(without).model_hash == document["model_hash"]


def test_that_wrong_usage_is_told_apart_from_failure(loupe: Loupe, copy: Path, tmp_path: Path) -> None:
    without = loupe("export", copy)
    assert without.code == 2
    assert "'--format'. Choose from: onnx, openvino, loupe. See loupe export --help." in without.err
    for form, name in (("onnx", "model.xml"), ("loupe", "model.txt")):
        refused = loupe("export", copy, "--format", form, "--out", tmp_path / name)
        assert (refused.code, f"*.{form}" in refused.err) == (2, True)
    missing = loupe("export", copy, "--format", "onnx", "--out", tmp_path / "nowhere" / "model.onnx")
    assert missing.code == 1
    assert "nowhere" in missing.err
    assert loupe("export", tmp_path / "none.loupe", "--format", "onnx").code == 1
