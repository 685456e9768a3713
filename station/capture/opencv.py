"""USB cameras and network streams through OpenCV, opened so that no wait of its own is long."""

import os
import sys
from typing import Final
from urllib.parse import urlsplit

import cv2

from station.capture.live import Capture, LiveCamera
from station.core.errors import CameraError

_OPEN_TIMEOUT_MS: Final = 5000
_READ_TIMEOUT_MS: Final = 1000


def usb_camera(index: int) -> LiveCamera:
    """The camera that the system counts as `index`, from 0."""

    def connect() -> Capture:
        # OpenCV waits 10 s, three times over, for a picture before it tells that none came. It reads these settings
        # when it takes its first picture.
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_READ_ATTEMPTS", "1")
        capture: Capture = cv2.VideoCapture(index, _usb_backend(), [cv2.CAP_PROP_BUFFERSIZE, 1] if _is_linux() else [])
        return capture

    return LiveCamera(f"camera:{index}", connect)


def network_camera(address: str) -> LiveCamera:
    """The stream at an `rtsp://` or `rtsps://` address. User, password and query stay out of its name.

    Raises CameraError when the address has no host.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise CameraError(
            "The address of the network camera is not complete. It looks like rtsp://192.168.0.10/stream."
        )
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = f":{port}" if port is not None else ""

    def connect() -> Capture:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_TIMEOUT_MS]
        capture: Capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
        return capture

    return LiveCamera(f"{parts.scheme.lower()}://{shown_host}{shown_port}{parts.path}", connect)


def _is_linux() -> bool:
    return sys.platform.startswith("linux")


def _usb_backend() -> int:
    """Windows' own default, Media Foundation, takes up to half a minute to open a camera."""
    if _is_linux():
        return int(cv2.CAP_V4L2)
    return int(cv2.CAP_DSHOW) if sys.platform == "win32" else int(cv2.CAP_ANY)
