"""How fast this machine trains, remembered: the same job then takes the same number of steps each time.

One small JSON file per user. The fastest time seen counts: a machine that was busy at the first probe does not train
too short for ever after.
"""

import json
import platform
from hashlib import sha256
from pathlib import Path

import torch

from ml.feature_cache import cache_folder
from ml.files import write_atomically

FASTER = 0.8
"""Only a clearly faster measurement replaces the remembered one: noise must not change what a job trains."""


def settled(work: str, device: str, measured_s: float) -> float:
    """Seconds that one step of `work` counts as: what is remembered of this machine, or the measurement, now kept."""
    path = cache_folder() / "speed.json"
    known = _read(path)
    key = _key(work, device)
    before = known.get(key)
    if before is not None and measured_s > before * FASTER:
        return before
    known[key] = measured_s
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(known, indent=1).encode())
    except OSError:  # a cache: without it the next job measures again
        return measured_s
    return measured_s


def _key(work: str, device: str) -> str:
    machine = f"{platform.node()}|{platform.processor()}|{device}|{torch.get_num_threads()}|{torch.__version__}"
    return sha256(f"{machine}|{work}".encode()).hexdigest()[:24]


def _read(path: Path) -> dict[str, float]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {key: value for key, value in document.items() if isinstance(value, float) and value > 0}
