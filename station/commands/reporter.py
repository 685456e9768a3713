"""What a program is told while a command works: JSON lines, a few per second. Each is an object with its `event`."""

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from ml.training.monitor import Monitor, Reconstructions
from station.commands.sample_sheet import sample_sheet

REPORT_INTERVAL_S = 0.2

PrintJson = Callable[..., None]


class JsonReporter(Monitor):
    """Progress with the seconds left in the current stage; losses; samples; warnings; and whatever a command says."""

    def __init__(self, print_json: PrintJson) -> None:
        self._print = print_json
        self._stage: tuple[str, int] | None = None
        self._stage_began = self._reported = 0.0

    def line(self, **document: Any) -> None:
        self._print(document, is_line=True)

    def warn(self, message: str) -> None:
        """What the user should know, and what keeps nothing from going on."""
        self.line(event="warning", message=message)

    def progress(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if (stage, total) != self._stage:
            self._stage, self._stage_began = (stage, total), now
        elif now - self._reported < REPORT_INTERVAL_S and done < total:
            return
        self._reported = now
        eta_s = (now - self._stage_began) / done * (total - done) if done else None
        self.line(event="progress", stage=stage, done=done, total=total, eta_s=eta_s)

    def losses(self, step: int, steps: int, losses: Mapping[str, float], validation: float | None) -> None:
        self.line(event="losses", step=step, steps=steps, losses=dict(losses), validation=validation)

    def samples(self, step: int, pictures: Reconstructions) -> None:
        self.line(event="samples", step=step, png=b64encode(sample_sheet(pictures)).decode())
