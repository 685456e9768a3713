"""`loupe doctor`: what this machine has, what is wrong with it, and what to do."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml.errors import LoupeError
from ml.threads import ThreadSetting
from station.commands.ending import one_line
from station.commands.models import SHORT_HASH, models_without_graph, opened
from station.commands.terminal import progress_bar
from station.home import Home
from station.settings import Settings

PACKAGES = ("loupe", "PySide6", "torch", "torchvision", "timm", "onnx", "opencv-python-headless", "numpy", "SQLAlchemy")
STATE_STYLE = {"ok": "green", "note": "yellow", "fail": "red"}
SET_UP_AGAIN = "Run python3 installer/start.py again."
QT_TIMEOUT_S = 20.0
OPEN_A_DISPLAY = "from PySide6.QtGui import QGuiApplication; print(QGuiApplication([]).platformName())"

State = Literal["ok", "note", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `note` works but could be better; `fail` keeps Loupe from working."""

    topic: str
    state: State
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    items: tuple[Finding, ...]
    thread_probe_ms: dict[str, float]
    """Milliseconds by thread setting; empty where they were not measured this time."""

    @property
    def has_failures(self) -> bool:
        return any(item.state == "fail" for item in self.items)

    def to_json(self) -> dict[str, Any]:
        return {
            "is_healthy": not self.has_failures,
            "findings": [asdict(item) for item in self.items],
            "thread_probe_ms": self.thread_probe_ms,
        }


def examine(home: Path | None, wants_probe: bool | None, console: Console) -> Findings:
    """Look at everything; nothing raises, what fails becomes a finding.

    With `wants_probe`, or where it is None and no earlier result is kept, the fastest number of threads is measured
    and stored in the settings: about a minute, with a bar on `console`.
    """
    place = Home.locate(home)
    settings, problem = _settings(place)
    home_findings = _home(place, settings)
    can_store = not problem and all(item.state != "fail" for item in home_findings)
    probe: dict[ThreadSetting, float] = {}
    with progress_bar(console) as progress:
        if wants_probe or (wants_probe is None and can_store and settings.probed_threads is None):
            from ml.threads import probe as probe_threads

            probe = probe_threads(progress)
        progress("Looking at this machine", 0, 1)
        items = [
            Finding("system", "ok", f"{platform.platform()}, Python {platform.python_version()}"),
            Finding("cores", "ok", str(os.cpu_count())),
            *(_package(name) for name in PACKAGES),
            _onnx_runtime(),
            _device(),
            _weights(),
            _screen(),
            *home_findings,
            *problem,
            _threads(place, settings, probe, can_store),
            *_models(place),
            _cameras(),
        ]
    return Findings(tuple(items), {setting.words: milliseconds for setting, milliseconds in probe.items()})


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(name, "fail", "not installed", SET_UP_AGAIN)


def _onnx_runtime() -> Finding:
    """A graph is computed: a library that is installed may still lack what it needs of the system."""
    if find_spec("onnxruntime") is None or find_spec("onnx") is None:
        return Finding("ONNX Runtime", "fail", "not installed", SET_UP_AGAIN)
    try:
        from ml.runtime.onnx_runtime import OnnxRuntime

        runtime = OnnxRuntime(_small_graph(), 1)
        cells = runtime.score(np.zeros((1, 3, 2, 2), np.float32)).cells
    except (ImportError, LoupeError) as error:
        return Finding("ONNX Runtime", "fail", f"does not compute: {error}", SET_UP_AGAIN)
    version_found = version("onnxruntime")
    if cells.shape != (1, 2, 2):
        return Finding("ONNX Runtime", "fail", f"{version_found} computes something else", SET_UP_AGAIN)
    return Finding("ONNX Runtime", "ok", f"{version_found}, computes")


def _small_graph() -> bytes:
    """The mean over the channels."""
    from onnx import TensorProto, helper

    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["inputs"], ["cells"], axes=[1], keepdims=0)],
        "mean",
        [helper.make_tensor_value_info("inputs", floats, ["n", 3, 2, 2])],
        [helper.make_tensor_value_info("cells", floats, ["n", 2, 2])],
    )
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


def _device() -> Finding:
    if find_spec("torch") is None:
        return Finding("device", "fail", "torch is not installed", SET_UP_AGAIN)
    from ml.runtime.devices import best_device, device_title

    device = best_device()
    found = "the processor; no graphics card was found" if device == "cpu" else f"{device}: {device_title(device)}"
    return Finding("device", "ok", found)


def _weights() -> Finding:
    if find_spec("torch") is None:
        return Finding("weights", "fail", "cannot be loaded without torch", SET_UP_AGAIN)
    from ml.backbones import build_backbone

    try:
        extractor = build_backbone("efficientnet_lite0", (8, 16))
    except LoupeError as error:
        return Finding("weights", "fail", "EfficientNet-Lite0 cannot be loaded", str(error))
    return Finding(
        "weights", "ok", f"EfficientNet-Lite0 {extractor.weights_hash[:12]}; other backbones: see loupe methods"
    )


def _screen() -> Finding:
    """Qt is tried in a process of its own: where a system library is missing it does not raise but abort."""
    names = ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY")
    named = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    if sys.platform.startswith("linux") and not named:
        return Finding("screen", "note", "no display", "Start from a desktop, or use loupe demo --headless.")
    shown = f" ({', '.join(named)})" if named else ""
    command = [sys.executable, "-c", OPEN_A_DISPLAY]
    try:
        opened = subprocess.run(command, capture_output=True, text=True, timeout=QT_TIMEOUT_S, check=True)
    except subprocess.CalledProcessError as error:
        reason = next((line for line in error.stderr.splitlines() if line.strip()), "Qt gave no reason")
        return Finding("screen", "fail", f"Qt cannot open a window{shown}: {reason}", SET_UP_AGAIN)
    except (OSError, subprocess.TimeoutExpired):
        return Finding("screen", "fail", f"Qt does not answer{shown}", "Check the display, or log in again.")
    return Finding("screen", "ok", f"Qt platform {opened.stdout.strip()}{shown}")


def _home(place: Home, settings: Settings) -> list[Finding]:
    existing = next(parent for parent in (place.folder, *place.folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free_gb = shutil.disk_usage(existing).free / 1e9
    except OSError as error:
        found = f"{place.folder} cannot be used ({error.strerror})"
        return [Finding("home", "fail", found, "Choose another with --home or LOUPE_HOME.")]
    state: State = "ok"
    advice = ""
    if free_gb < settings.disk_stop_gb:
        state, advice = "fail", "Inspection would stop with FAULT. Free some space or move the home folder."
    elif free_gb < settings.disk_warn_gb:
        state, advice = "note", "Free some space soon."
    found = str(place.folder) + ("" if place.folder.is_dir() else " (made at the first start)")
    return [Finding("home", "ok", found), Finding("disk", state, f"{free_gb:.1f} GB free", advice)]


def _settings(place: Home) -> tuple[Settings, list[Finding]]:
    """The settings, or the defaults and the finding that says what is wrong with the file."""
    try:
        return Settings.load(place.settings), []
    except LoupeError as error:
        return Settings(), [Finding("settings", "fail", "the settings file cannot be used", str(error))]


def _threads(place: Home, settings: Settings, probe: dict[ThreadSetting, float], can_store: bool) -> Finding:
    """Keep the fastest number of threads in the settings: that of ONNX Runtime, which computes on a processor, unless
    it was not measured or PyTorch is set. In the station torch's threads always wait passively.
    """
    usual = "torch" if settings.runtime == "torch" else "onnx"
    passive = [setting for setting in probe if not setting.is_spinning]
    if not passive:
        return _threads_as_kept(settings)
    best = min(passive, key=lambda setting: (setting.library != usual, probe[setting]))
    shown = f"{best.words} ({'; '.join(f'{setting.words}: {ms:.0f} ms' for setting, ms in probe.items())})"
    if not can_store:
        return Finding("threads", "note", shown, "Could not be kept: mend what is said of the home folder first.")
    try:
        settings.model_copy(update={"probed_threads": best.threads}).save(place.settings)
    except LoupeError as error:
        return Finding("threads", "fail", shown, str(error))
    if settings.torch_threads:
        return Finding("threads", "ok", f"{settings.torch_threads}, as set; fastest measured: {shown}")
    return Finding("threads", "ok", f"{shown}, kept")


def _threads_as_kept(settings: Settings) -> Finding:
    if settings.torch_threads:
        return Finding("threads", "ok", f"{settings.torch_threads}, as set")
    if settings.probed_threads:
        return Finding("threads", "ok", f"{settings.probed_threads}, measured as the fastest before")
    return Finding("threads", "note", "not measured", "loupe doctor --probe finds the fastest number.")


def _models(place: Home) -> list[Finding]:
    """The models in use that could be computed faster. Nothing where there is no station yet."""
    if not place.database.is_file():
        return []
    try:
        with opened(place.folder) as archive:
            slow = models_without_graph(archive)
    except LoupeError as error:
        return [Finding("models", "fail", "the models in use cannot be read", str(error))]
    return [
        Finding(
            "models",
            "note",
            f"{model[:SHORT_HASH]}, which judges {recipes}, has no graph for ONNX Runtime",
            f"loupe models graph {model[:SHORT_HASH]} adds one: faster on a processor.",
        )
        for model, recipes in slow.items()
    ]


def _cameras() -> Finding:
    if find_spec("cv2") is None:
        return Finding("cameras", "fail", "OpenCV is not installed", SET_UP_AGAIN)
    from station.capture import list_cameras

    cameras = list_cameras()
    if not cameras:
        return Finding("cameras", "note", "none found", "The demo line, folders, videos and network cameras work.")
    return Finding("cameras", "ok", ", ".join(f"camera:{camera.index} {camera.name}" for camera in cameras))


def print_findings(findings: Findings, console: Console) -> None:
    """A line per finding; under those that are not well, what to do."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for item in findings.items:
        found = Text(one_line(item.found))
        if item.advice:
            found.append(f"\n{one_line(item.advice)}", STATE_STYLE[item.state])
        table.add_row(Text(item.state, STATE_STYLE[item.state]), item.topic, found)
    console.print(table)
    failures = sum(item.state == "fail" for item in findings.items)
    console.print(f"\n{failures} to mend before Loupe works." if failures else "\nLoupe works on this machine.")
