"""A program under comparison in a process of its own: JSON lines over its standard input and output.

Both ends: `Side` for the comparing parent, `serve` for the child. Standard library only, since the other program's
environment has nothing of ours. A request is `{"act": NAME, ...arguments}`, an answer any JSON object.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
_STOP_S = 20.0

Answer = dict[str, Any]


class SideError(Exception):
    """The child died; the text has its last words and the name of its log."""


class Side:
    """One child. Its log (standard error, and whatever it prints) is `folder/NAME.log`."""

    def __init__(self, name: str, python: Path, module: str, folder: Path, variables: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.folder = folder
        self._log = folder / f"{name}.log"
        self.began = time.perf_counter()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [python, "-m", module],
                cwd=folder,  # programs leave caches and results in the folder where they run
                env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def ask(self, act: str, **given: object) -> Answer:
        """Let the child do `act`, and wait for what it answers. Raises SideError where it died of it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = ""
        try:
            self._process.stdin.write(json.dumps({"act": act, **given}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            pass  # it is dead, as an empty line says too
        if not line:
            raise SideError(f"{self.name} died of '{act}': {self._last_words()} (log: {self._log})")
        answer: Answer = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the child end."""
        try:
            self._process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _last_words(self) -> str:
        self._process.wait(_STOP_S)
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:400] if lines else f"exit status {self._process.returncode}"


def serve(acts: Mapping[str, Callable[..., Answer]]) -> None:
    """The child's loop, until its input ends. An act that raises ends the process: the parent reads the trace."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print; only answers may reach the parent
    for line in sys.stdin:
        given = json.loads(line)
        answers.write(json.dumps(acts[given.pop("act")](**given)) + "\n")
        answers.flush()


@dataclass(frozen=True, slots=True)
class Watch:
    """Wall-clock and processor seconds of this process since it was made."""

    wall: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)

    def read(self) -> Answer:
        return {"seconds": time.perf_counter() - self.wall, "cpu_s": time.process_time() - self.cpu}


def timed(call: Callable[[], float]) -> Answer:
    """The score that `call` gives, and what it took."""
    watch = Watch()
    score = call()
    return {**watch.read(), "score": score}


def peak() -> Answer:
    """The most main memory that this process has ever held, in bytes."""
    if sys.platform == "linux":  # ru_maxrss begins there with what the parent held
        words = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
        return {"bytes": int(words.split()[1]) * 1024}
    import resource

    return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)}
