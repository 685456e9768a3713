"""Picture sources, each a `station.core.ports.Camera`; made from a text such as `folder:/parts` or `camera:0`.

Each source's module, and with it OpenCV, is imported only when such a source is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from station.capture.devices import CameraDevice, list_cameras
from station.core.errors import CameraError

if TYPE_CHECKING:  # the ports bring OpenCV with the map's type
    from station.core.ports import Camera

__all__ = ["CameraDevice", "list_cameras", "open_camera"]

_KNOWN = "demo, demo:SEED, demo:SEED?batch=2, folder:PATH, watch:PATH, camera:NUMBER, video:PATH, rtsp://ADDRESS"


def open_camera(spec: str) -> Camera:
    """The camera that `spec` names; `open` has yet to be called on it.

    `demo`, `demo:SEED`: the built-in line; `demo:SEED?batch=2`: the same line once the alloy of its parts and its light
    have changed. `folder:PATH`: its pictures in natural order, with their truth where it is of the MVTec layout.
    `watch:PATH`: pictures that are put into the folder from now on. `camera:NUMBER`: a USB camera. `video:PATH`: a
    video file. `rtsp://...`, `rtsps://...`: a network camera.
    Of a folder and of the demo line, the next picture is fetched while the one before is judged.
    Raises CameraError when `spec` is none of these.
    """
    kind, _, rest = spec.strip().partition(":")
    match kind.lower():
        case "demo":
            return _demo_line(spec, rest)
        case "folder":
            from station.capture.folder import FolderCamera

            return _fetched_ahead(FolderCamera(_path(spec, rest)))
        case "watch":
            from station.capture.watched_folder import WatchedFolderCamera

            return WatchedFolderCamera(_path(spec, rest))
        case "camera":
            from station.capture.opencv import usb_camera

            return usb_camera(_whole_number(spec, rest))
        case "video":
            from station.capture.video_file import VideoFileCamera

            return VideoFileCamera(_path(spec, rest))
        case "rtsp" | "rtsps":
            from station.capture.opencv import network_camera

            return network_camera(spec.strip())
    raise CameraError(f"'{kind}' is no picture source. Known are: {_KNOWN}.")


def _demo_line(spec: str, rest: str) -> Camera:
    from station.capture.simulated import SimulatedCamera

    seed, has_option, option = rest.partition("?")
    name, _, batch = option.partition("=")
    if has_option and name != "batch":
        raise CameraError(f"'{spec}': the demo line knows no '{name}', only a batch, as in demo:1?batch=2.")
    seed_number = _whole_number(spec, seed) if rest else 0
    return _fetched_ahead(SimulatedCamera(seed_number, batch=_whole_number(spec, batch) if has_option else 1))


def _fetched_ahead(source: Camera) -> Camera:
    from station.capture.ahead import AheadCamera

    return AheadCamera(source)


def _whole_number(spec: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise CameraError(f"'{spec}': after the colon there must be a whole number, as in camera:0 or demo:1.")
    return int(text)


def _path(spec: str, text: str) -> Path:
    if not text:
        raise CameraError(f"'{spec}': a path is missing after the colon, as in folder:/home/me/parts.")
    return Path(text).expanduser()
