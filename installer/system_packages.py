"""What the operating system must provide: Qt's shared libraries, a font, Python's venv module, Xvfb for the tests.

On Debian and Ubuntu, as root, what is missing is installed with apt; anywhere else the exact command is told.
"""

import ctypes
import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from installer.errors import SetUpError
from installer.processes import last_lines, run_logged

# What Qt 6's core, gui, widgets and xcb platform libraries ask of the loader (readelf -d over PySide6 6.11.3), less
# what every Linux with Python has.
QT_LIBRARIES: Mapping[str, str] = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
FONT_SUFFIXES = frozenset({".ttf", ".otf", ".ttc", ".pfb"})
FONT_PACKAGE = "fonts-dejavu-core"


@dataclass(frozen=True)
class Missing:
    """Something the system lacks, in words, and the Debian package that brings it."""

    what: str
    package: str


def missing_for_qt(
    can_load: Callable[[str], bool] | None = None, font_folders: Iterable[str] = FONT_FOLDERS
) -> list[Missing]:
    """What a Qt window on Linux lacks here; nothing elsewhere, where Qt's wheels bring all they need."""
    if not sys.platform.startswith("linux"):
        return []
    loads = can_load or _can_load
    missing = [Missing(soname, package) for soname, package in QT_LIBRARIES.items() if not loads(soname)]
    if not _has_font(font_folders):
        missing.append(Missing("a font", FONT_PACKAGE))
    return missing


def missing_for_venv() -> list[Missing]:
    """Debian keeps what a virtual environment needs in a package of its own."""
    importlib.invalidate_caches()
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return []
    return [
        Missing("Python's venv and ensurepip modules", f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
    ]


def missing_for_virtual_display() -> list[Missing]:
    """The tests' own X display, on Linux."""
    if not sys.platform.startswith("linux") or shutil.which("Xvfb"):
        return []
    return [Missing("Xvfb, the display that the tests open their windows on", "xvfb")]


def provide(missing: Sequence[Missing], log: Path) -> bool:
    """Install what is missing, or say what to do about it; True when nothing is missing in the end."""
    if not missing:
        return True
    packages = sorted({lack.package for lack in missing})
    print("The system lacks " + ", ".join(lack.what for lack in missing) + ".")
    if shutil.which("apt-get") is None:
        print(f"Install what brings it (on Debian: {' '.join(packages)}).")
        return False
    if not _is_root():
        print(f"Install it with:\n  {apt_command(packages)}")
        return False
    print(f"Installing with apt: {' '.join(packages)}")
    if _apt_install(packages, log):
        return True
    print(f"apt could not install it; the last lines of {log}:")
    print("\n".join(f"    {line}" for line in last_lines(log, 5)))
    return False


def require(missing: Sequence[Missing], log: Path) -> None:
    """Like `provide`, for what set-up cannot go on without; raises SetUpError."""
    if not provide(missing, log):
        raise SetUpError("Set-up cannot go on without it. Install it as said above and start again.")


def apt_command(packages: Sequence[str]) -> str:
    """The command that a person who may use sudo types."""
    return f"sudo apt-get update && sudo apt-get install {' '.join(packages)}"


def _apt_install(packages: Sequence[str], log: Path) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    # A fresh machine has no package lists, a long-lived one has lists that are good enough: fetched when needed only.
    for command in (install, ["apt-get", "update"], install):
        status = run_logged(command, log, environment, is_interruptible=False)
        if command is install and status == 0:
            return True
    return False


def _can_load(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def _has_font(folders: Iterable[str]) -> bool:
    return any(
        Path(name).suffix.lower() in FONT_SUFFIXES
        for folder in folders
        for _, _, names in os.walk(Path(folder).expanduser())
        for name in names
    )


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
