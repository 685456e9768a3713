"""How many steps of a generator's training fit into its minutes on this machine."""

from collections.abc import Callable
from typing import Any

import torch
from pydantic import BaseModel

from ml.training.loop import Lesson, seconds_per_step
from ml.training.plan import rounded_down
from ml.training.speed import settled


def steps_within(minutes: float, make: Callable[[], Lesson], parameters: BaseModel, device: torch.device) -> int:
    """As many steps of the lesson that `make` makes as fit into `minutes`, at least 1.

    The speed is remembered, so that the same settings give the same number each time.
    """
    settings: dict[str, Any] = parameters.model_dump(mode="json", exclude={"steps", "minutes"})
    work = f"{type(parameters).__name__}|{sorted(settings.items())}"
    return rounded_down(minutes * 60 / settled(work, device.type, seconds_per_step(make)))
