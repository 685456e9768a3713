"""Which USB cameras this computer has."""

import platform
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROBED_INDICES: Final = 4
_PROBE_TIMEOUT_S: Final = 4.0
_DEVICE: Final = re.compile(r"video(\d+)")


@dataclass(frozen=True, slots=True)
class CameraDevice:
    """A USB camera as `camera:INDEX` opens it; `name` is the maker's, empty where the system does not tell it."""

    index: int
    name: str


def list_cameras(
    device_folder: Path = Path("/dev"), class_folder: Path = Path("/sys/class/video4linux")
) -> tuple[CameraDevice, ...]:
    """The cameras by rising index, within a few seconds. Linux tells them without opening one; elsewhere a few
    indices are tried, which may switch a camera's lamp on. The folders are for tests.
    """
    if platform.system() == "Linux":
        return _video4linux(device_folder, class_folder)
    return _probed()


def _video4linux(device_folder: Path, class_folder: Path) -> tuple[CameraDevice, ...]:
    found = (_DEVICE.fullmatch(path.name) for path in device_folder.glob("video*"))
    indices = sorted(int(match[1]) for match in found if match)
    devices = (CameraDevice(index, _text(class_folder / f"video{index}" / "name")) for index in indices)
    # A camera has a second node for its metadata; it says so by an index other than 0 and gives no pictures.
    return tuple(device for device in devices if _text(class_folder / f"video{device.index}" / "index") in {"", "0"})


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _probed() -> tuple[CameraDevice, ...]:
    """Tried in a thread of its own, because a driver may hang; what it has found until the time-out counts."""
    found: list[CameraDevice] = []

    def probe() -> None:
        import cv2

        for index in range(_PROBED_INDICES):
            capture = cv2.VideoCapture(index)
            if capture.isOpened():
                found.append(CameraDevice(index, ""))
            capture.release()

    prober = threading.Thread(target=probe, name="camera-probe", daemon=True)
    prober.start()
    prober.join(_PROBE_TIMEOUT_S)
    return tuple(found)
