"""Where scores can be computed. torch, which takes seconds to import, is asked only where there may be a GPU."""

import ctypes
import logging
import platform
import sys
from functools import cache
from pathlib import Path

from ml.errors import DetectorError, first_line

log = logging.getLogger(__name__)

_CUDA_DRIVER = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}
_AMD_DRIVER = Path("/dev/kfd")


def best_device() -> str:
    """`cuda` where there is one, else `mps`, else `cpu`."""
    return _best_of_torch() if _may_have_gpu() else "cpu"


def usable_device(wanted: str) -> str:
    """The device to compute on: `auto` is the best one. Raises DetectorError where `wanted` is not to be had."""
    if wanted in ("auto", "cpu"):
        return best_device() if wanted == "auto" else "cpu"
    best = best_device()
    if wanted != best:
        there = ", ".join(f"'{name}'" for name in dict.fromkeys(("auto", "cpu", best)))
        raise DetectorError(f"There is no device '{wanted}' on this machine. Choose one of {there}.")
    return wanted


def device_title(device: str) -> str:
    """The device's name for people."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return "Apple GPU" if device == "mps" else "processor"


@cache
def _best_of_torch() -> str:
    import torch

    if torch.cuda.is_available():
        try:
            torch.ones(1, device="cuda").add(1).item()
        except RuntimeError as error:  # too old a card for this torch, or one that others keep for themselves
            log.warning("The GPU cannot be used, the processor computes: %s", first_line(error))
            return "cpu"
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@cache
def _may_have_gpu() -> bool:
    """Whether a driver for one is there; it may still have no device, or torch may be built without it."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if _AMD_DRIVER.exists():
        return True
    try:
        driver = ctypes.CDLL(_CUDA_DRIVER.get(sys.platform, "libcuda.so.1"))
        return bool(driver.cuInit(0) == 0)
    except (OSError, AttributeError):
        return False
