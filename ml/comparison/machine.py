"""The machine that figures of time and memory belong to. No torch."""

import os
import platform
import sys
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from ml.artifact import library_versions


class Machine(BaseModel):
    """`threads` are those that torch computed with when latency was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    device: str
    threads: int
    versions: dict[str, str]


def this_machine(device: str, threads: int) -> Machine:
    return Machine(
        cpu=cpu_name(),
        cores=psutil.cpu_count(logical=False) or os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        system=platform.platform(aliased=True, terse=True),
        device=device,
        threads=threads,
        versions={"python": platform.python_version(), **library_versions()},
    )


def cpu_name() -> str:
    """The processor as its maker calls it, where the system tells."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_memory_bytes() -> int:
    """The most main memory that this process has ever held at once.

    On Linux from VmHWM: `ru_maxrss` there begins with what the process that started this one held.
    """
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
