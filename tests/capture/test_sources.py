"""From a text to a camera."""

import subprocess
import sys
from pathlib import Path

import pytest

from station.capture import open_camera
from station.core.errors import CameraError


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("demo", "demo"),
        ("demo:7", "demo:7"),
        ("demo:7?batch=2", "demo:7?batch=2"),
        ("demo:0?batch=1", "demo"),
        ("camera:2", "camera:2"),
        ("folder:/some/parts", "folder:parts"),
        ("watch:/some/parts", "watch:parts"),
        ("video:/some/line one.avi", "video:line one.avi"),
        ("rtsp://10.0.0.5/stream", "rtsp://10.0.0.5/stream"),
        ("rtsps://10.0.0.5:8554/a/b", "rtsps://10.0.0.5:8554/a/b"),
        (" demo ", "demo"),
    ],
)
def test_that_each_kind_of_source_is_made_without_opening_it(spec: str, name: str) -> None:
    assert open_camera(spec).name == name


@pytest.mark.parametrize(
    "spec",
    ["", "gige:1", "camera:", "camera:-1", "camera:one", "demo:x", "demo:-3", "demo:²", "demo:?batch=2",
     "demo:1?batch=9", "demo:1?light=2", "demo:1?", "folder:", "watch:", "video:",
     "rtsp://", "rtsp:///stream", "rtsp://[::1", "rtsp://host:port/x", "rtsp:"],
)  # fmt: skip
def test_that_a_text_that_is_no_source_is_refused(spec: str) -> None:
    with pytest.raises(CameraError):
        open_camera(spec)


def test_that_an_unknown_source_is_told_which_there_are() -> None:
    with pytest.raises(CameraError, match="folder:PATH"):
        open_camera("gige:1")


@pytest.mark.parametrize(
    "spec", ["rtsp://boss:s3cret@127.0.0.1:9/live?token=s3cret", "rtsps://:s3cret@127.0.0.1:9/live"]
)
def test_that_a_password_shows_neither_in_the_name_nor_in_errors(spec: str, capfd: pytest.CaptureFixture[str]) -> None:
    camera = open_camera(spec)
    with pytest.raises(CameraError) as failure:
        camera.open()
    written = capfd.readouterr()
    for text in (camera.name, str(failure.value), repr(failure.value.__cause__), written.out, written.err):
        assert "s3cret" not in text
        assert "boss" not in text
    assert "127.0.0.1:9/live" in camera.name


def test_that_an_address_with_a_bad_port_is_refused_without_its_password() -> None:
    with pytest.raises(CameraError) as failure:
        open_camera("rtsp://boss:s3cret@host:port/x")
    assert "s3cret" not in str(failure.value)


def test_that_a_home_folder_may_be_written_short() -> None:
    camera = open_camera("folder:~")
    assert camera.name == f"folder:{Path.home().name}"


def test_that_importing_the_sources_loads_neither_opencv_nor_torch() -> None:
    code = "import sys, station.capture; assert not {'cv2', 'torch'} & sys.modules.keys(), 'loaded'"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
