"""`loupe doctor`: what this machine has, what is wrong with it, and what to do."""

import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from ml.errors import LoupeError
from station.home import Home
from station.settings import Settings

PACKAGES = ("loupe", "PySide6", "torch", "torchvision", "timm", "opencv-python-headless", "numpy", "SQLAlchemy")
STATE_STYLE = {"ok": "green", "note": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `note` works but could be better; `fail` keeps Loupe from working."""

    topic: str
    state: Literal["ok", "note", "fail"]
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    items: tuple[Finding, ...]
    thread_probe_ms: dict[str, float]

    @property
    def has_failures(self) -> bool:
        return any(item.state == "fail" for item in self.items)

    def to_json(self) -> dict[str, Any]:
        return {
            "is_healthy": not self.has_failures,
            "findings": [asdict(item) for item in self.items],
            "thread_probe_ms": self.thread_probe_ms,
        }


def examine(home: Path | None) -> Findings:
    """Look at everything; nothing raises, what fails becomes a finding. Stores the fastest thread setting."""
    place = Home.locate(home)
    probe = _probe_threads()
    items = [
        Finding("system", "ok", f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"),
        *(_package(name) for name in PACKAGES),
        _device(),
        _weights(),
        _screen(),
        *_home(place),
        _threads(place, probe),
        _cameras(),
    ]
    return Findings(tuple(items), probe)


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(name, "fail", "not installed", "Run python3 installer/start.py again.")


def _device() -> Finding:
    from ml.detector import best_device, device_title

    device = best_device()
    return Finding("device", "ok", f"{device}: {device_title(device)}")


def _weights() -> Finding:
    from ml.backbones import build_backbone

    try:
        extractor = build_backbone("efficientnet_lite0", (8, 16))
    except LoupeError as error:
        return Finding("weights", "fail", "EfficientNet-Lite0 cannot be loaded", str(error))
    return Finding("weights", "ok", f"EfficientNet-Lite0, {extractor.weights_hash[:12]}; others: file or download")


def _screen() -> Finding:
    named = os.environ.get("QT_QPA_PLATFORM", "")
    if named:
        return Finding("screen", "ok", f"Qt platform '{named}' (QT_QPA_PLATFORM)")
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return Finding("screen", "note", "no display", "Start from a desktop, or use loupe demo --headless.")
    return Finding("screen", "ok", os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or sys.platform)


def _home(place: Home) -> list[Finding]:
    folder = place.folder
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK):
        return [Finding("home", "fail", f"{folder} cannot be written", "Choose another with --home or LOUPE_HOME.")]
    free_gb = shutil.disk_usage(existing).free / 1e9
    settings = _settings(place)
    state: Literal["ok", "note", "fail"] = "ok"
    advice = ""
    if free_gb < settings.disk_stop_gb:
        state, advice = "fail", "Inspection would stop with FAULT. Free some space or move the home folder."
    elif free_gb < settings.disk_warn_gb:
        state, advice = "note", "Free some space soon."
    return [Finding("home", "ok", str(folder)), Finding("disk", state, f"{free_gb:.1f} GB free", advice)]


def _settings(place: Home) -> Settings:
    try:
        return Settings.load(place.settings)
    except LoupeError:
        return Settings()


def _probe_threads() -> dict[str, float]:
    from ml.threads import probe

    return probe()


def _threads(place: Home, probe: dict[str, float]) -> Finding:
    """Keep the fastest number of threads in the settings, unless the user chose one. Threads wait passively here."""
    passive = {setting: ms for setting, ms in probe.items() if "spinning" not in setting}
    if not passive:
        return Finding("threads", "note", "could not be measured", "Run loupe doctor again when the machine is idle.")
    best = min(passive, key=lambda setting: passive[setting])
    shown = ", ".join(f"{setting}: {ms:.0f} ms" for setting, ms in probe.items())
    try:
        settings = Settings.load(place.settings)
        if settings.torch_threads is None and place.folder.is_dir():
            settings.model_copy(update={"probed_threads": int(best.split()[0])}).save(place.settings)
    except LoupeError as error:
        return Finding("settings", "fail", str(place.settings), str(error))
    return Finding("threads", "ok", f"{best} ({shown})")


def _cameras() -> Finding:
    if find_spec("cv2") is None:
        return Finding("cameras", "fail", "OpenCV is not installed", "Run python3 installer/start.py again.")
    from station.capture import list_cameras

    cameras = list_cameras()
    if not cameras:
        return Finding(
            "cameras", "note", "none found", "Demo, folders, videos and network cameras work."
        )
    return Finding("cameras", "ok", ", ".join(f"camera:{camera.index} {camera.name}" for camera in cameras))


def print_findings(findings: Findings, console: Console) -> None:
    table = Table("", "topic", "found", "what to do", box=None, padding=(0, 2, 0, 0))
    for item in findings.items:
        table.add_row(f"[{STATE_STYLE[item.state]}]{item.state}[/]", item.topic, item.found, item.advice)
    console.print(table)
