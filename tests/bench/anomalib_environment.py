"""An environment of its own for anomalib: made once and kept, never the one that Loupe runs in."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

SAME_AS_OURS = ("torch", "torchvision", "timm", "numpy", "openvino", "onnx", "opencv-python-headless")
"""Both programs compute with the same releases of these: the programs are compared, not their libraries."""

NEEDED_BYTES = 14 * 2**30
_OFFLINE = ("from versions: none", "NewConnectionError", "name resolution", "timed out", "No matching distribution")
_READY = "ready"


class NoEnvironmentError(Exception):
    """anomalib's environment cannot be made; the text says why and what to do."""


def anomalib_python(folder: Path, renew: bool) -> Path:
    """The interpreter of the environment in `folder`, which is made where there is none yet, or to `renew` it.

    Takes the newest anomalib that the package index has: minutes, and 7 GB of disk. Raises NoEnvironmentError.
    """
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / _READY
    if ready.is_file() and not renew:
        return python
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise NoEnvironmentError(
            f"{folder}: {free / 2**30:.0f} GB are free, and installing anomalib takes {NEEDED_BYTES / 2**30:.0f}. "
            "Free some, or name a folder on another disk with --environment."
        )
    print(f"making an environment for anomalib in {folder}: some minutes", file=sys.stderr, flush=True)
    _run("no environment can be made", sys.executable, "-m", "venv", "--clear", folder)
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version(name).partition('+')[0]}\n" for name in SAME_AS_OURS))
    wanted = ("anomalib[openvino]", "safetensors", "torchvision")
    _run("anomalib cannot be installed", python, "-m", "pip", "install", "--retries", "1", "-c", constraints, *wanted)
    ready.touch()
    return python


def _run(failure: str, *command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        reason = "no package index answers; connect this machine, or name an environment made elsewhere with "
        reason = reason + "--environment" if any(sign in said for sign in _OFFLINE) else "see above"
        raise NoEnvironmentError(f"{said[-1500:]}\n{failure}: {reason}.")
