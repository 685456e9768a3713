"""Wrong usage exits 2, other failures 1: always one line on stderr that names the cause, and nothing on stdout."""

import json
import os
import sys
import zipfile
from pathlib import Path

import pytest

from station.home import Home
from tests.cli.conftest import Loupe, Outcome


def one_line(outcome: Outcome) -> str:
    assert outcome.out == ""
    assert outcome.err.endswith("\n")
    assert outcome.err.count("\n") == 1, outcome.err
    return outcome.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["bogus"], "bogus"),
        (["inspect"], "FILE.loupe"),
        (["inspect", "a.loupe", "a.png", "--device", "gpu"], "--device"),
        (["inspect", "a.loupe", "a.png", "--bogus"], "--bogus"),
        (["evaluate", "a.loupe"], "DATA"),
        (["train"], "--out"),
        (["train", "PARTS"], "--out"),
        (["train", "PARTS", "--job", "job.json"], "--job"),
        (["train", "--job", "nowhere.json"], "nowhere.json"),
        (["train", "PARTS", "--out", "model.zip"], "--out"),
        (["train", "PARTS", "--out", "a.loupe", "--size", "big"], "--size"),
        (["train", "PARTS", "--out", "a.loupe", "--size", "8"], "--size"),
        (["train", "PARTS", "--out", "a.loupe", "--size", "250"], "250"),
        (["train", "PARTS", "--out", "a.loupe", "--patch", "100", "--stride", "8"], "100"),
        (["train", "PARTS", "--out", "a.loupe", "--patch", "64", "--stride", "80"], "stride"),
        (["train", "PARTS", "--out", "a.loupe", "--stride", "32"], "patch"),
        (["train", "PARTS", "--out", "a.loupe", "--window", "200", "10"], "window"),
        (["train", "PARTS", "--out", "a.loupe", "--alpha", "3"], "--alpha"),
        (["train", "PARTS", "--out", "a.loupe", "--seed", "-1"], "--seed"),
        (["train", "PARTS", "--out", "a.loupe", "--preset", "best"], "--preset"),
        (["train", "PARTS", "--out", "a.loupe", "--aspect", "odd"], "--aspect"),
        (["train", "PARTS", "--out", "a.loupe", "--method", "patchcoer"], "did you mean patchcore"),
        (["train", "PARTS", "--out", "a.loupe", "--backbone", "resnet19"], "resnet19"),
        (["train", "PARTS", "--out", "a.loupe", "--set", "coreset_ratio"], "key=value"),
        (["train", "PARTS", "--out", "a.loupe", "--set", "coreset_rato=0.1"], "did you mean coreset_ratio"),
        (["train", "PARTS", "--out", "a.loupe", "--set", "coreset_ratio=7"], "coreset_ratio=7"),
        (["train", "PARTS", "--out", "a.loupe", "--group-by", "("], "'('"),
        (["train", "PARTS", "--out", "a.loupe", "--group-by", "seat-[0-9]+"], "seat-[0-9]+"),
    ],
)
def test_that_wrong_usage_exits_2_with_one_line(
    loupe: Loupe, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = loupe(*[str(parts) if argument == "PARTS" else argument for argument in arguments])

    assert outcome.code == 2
    assert named in one_line(outcome)
    assert not list(tmp_path.iterdir())


def remade(model: Path, target: Path, manifest: dict[str, object]) -> Path:
    """A copy of a model file with other entries in its manifest."""
    with zipfile.ZipFile(model) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            data = source.read(name)
            copy.writestr(name, json.dumps({**json.loads(data), **manifest}) if name == "manifest.json" else data)
    return target


def missing(model: Path, folder: Path) -> Path:
    return folder / "no\nsuch.loupe"


def a_folder(model: Path, folder: Path) -> Path:
    return folder


def text(model: Path, folder: Path) -> Path:
    file = folder / "text.loupe"
    file.write_text("hello")
    return file


def truncated(model: Path, folder: Path) -> Path:
    file = folder / "cut.loupe"
    file.write_bytes(model.read_bytes()[:-1000])
    return file


def tampered(model: Path, folder: Path) -> Path:
    return remade(model, folder / "tampered.loupe", {"method": "patchcore"})


def newer(model: Path, folder: Path) -> Path:
    return remade(model, folder / "newer.loupe", {"schema_version": 99})


@pytest.mark.parametrize("command", ["inspect", "evaluate"])
@pytest.mark.parametrize("make", [missing, a_folder, text, truncated, tampered, newer])
def test_that_a_bad_model_file_is_told_in_one_line(
    loupe: Loupe,
    model: Path,
    parts: Path,
    tmp_path: Path,
    command: str,
    make: object,
) -> None:
    file = make(model, tmp_path)  # type: ignore[operator]

    outcome = loupe(command, file, parts / "test" / "good" if command == "inspect" else parts)

    assert outcome.code == 1
    assert file.name.split("\n")[-1] in one_line(outcome)


def test_that_flipped_tensor_bytes_are_told_in_one_line(loupe: Loupe, model: Path, parts: Path, tmp_path: Path) -> None:
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    file = tmp_path / "flipped.loupe"
    file.write_bytes(data)

    outcome = loupe("inspect", file, parts / "test" / "good")

    assert outcome.code == 1
    assert "flipped.loupe" in one_line(outcome)


@pytest.mark.parametrize(
    ("data", "named"), [("nowhere", "nowhere"), ("empty", "no pictures"), ("file.txt", "is a file")]
)
def test_that_a_data_folder_that_cannot_be_used_is_told_in_one_line(
    loupe: Loupe, tmp_path: Path, data: str, named: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("hello")

    outcome = loupe("train", tmp_path / data, "--out", tmp_path / "a.loupe")

    assert outcome.code == 1
    assert named in one_line(outcome)


@pytest.mark.parametrize("out", ["nowhere/a.loupe", "folder.loupe"])
def test_that_a_place_where_no_model_can_be_written_is_told_before_training(
    loupe: Loupe, parts: Path, tmp_path: Path, out: str
) -> None:
    (tmp_path / "folder.loupe").mkdir()

    outcome = loupe("train", parts, "--out", tmp_path / out)

    assert outcome.code == 1
    assert str(tmp_path) in one_line(outcome)


@pytest.mark.parametrize("content", [None, b"hello", b"import os\n", b"\x80\x02K", b""])
def test_that_weights_that_are_none_are_told_in_one_line(
    loupe: Loupe, parts: Path, tmp_path: Path, content: bytes | None
) -> None:
    weights = tmp_path / "weights.pth"
    if content is not None:
        weights.write_bytes(content)

    outcome = loupe("train", parts, "--out", tmp_path / "a.loupe", "--size", "64", "--weights", weights)

    assert outcome.code == 1
    assert "weights.pth" in one_line(outcome)


def test_that_cuda_on_a_machine_without_is_told_in_one_line(loupe: Loupe, model: Path, parts: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    outcome = loupe("inspect", model, parts / "test" / "good", "--device", "cuda")

    assert outcome.code == 1
    assert "cuda" in one_line(outcome)


def test_that_a_home_that_is_a_file_is_told_in_one_line(
    loupe: Loupe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    home = tmp_path / "home.txt"
    home.write_text("hello")

    outcome = loupe("demo", "--headless", "--home", home)

    assert outcome.code == 1
    assert "home.txt" in one_line(outcome)


def test_that_a_home_in_use_is_told_with_the_process_that_has_it(loupe: Loupe, tmp_path: Path) -> None:
    with Home(tmp_path / "home").lock():
        outcome = loupe("demo", "--headless", "--home", tmp_path / "home")

    assert outcome.code == 1
    assert f"process {os.getpid()}" in one_line(outcome)


def test_that_a_broken_settings_file_is_told_in_one_line(loupe: Loupe, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"theme": "blue"}')

    outcome = loupe("demo", "--headless", "--home", tmp_path)

    assert outcome.code == 1
    assert "theme" in one_line(outcome)


@pytest.mark.parametrize("source", ["bogus", "camera:front", "folder:"])
def test_that_an_unknown_source_is_told_before_a_window_opens(
    loupe: Loupe, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")

    outcome = loupe("run", "--source", source)

    assert outcome.code == 1
    assert source.split(":", maxsplit=1)[0] in one_line(outcome)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a window system")
def test_that_without_a_display_the_station_says_so_and_names_a_way(
    loupe: Loupe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    outcome = loupe()

    assert outcome.code == 1
    assert "loupe demo --headless" in one_line(outcome)
