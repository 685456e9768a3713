"""How many steps of a generator's training fit into its minutes on this machine."""

from typing import Any

import torch
from pydantic import BaseModel

from ml.training.plan import rounded_down
from ml.training.speed import settled


def steps_within(minutes: float, step_s: float, parameters: BaseModel, size: object, device: torch.device) -> int:
    """As many steps of `step_s` seconds as fit into `minutes`, at least 1.

    The speed is remembered by `parameters` and `size` (whatever else the time of a step hangs on), so that the same
    pictures and settings get the same number of steps each time.
    """
    settings: dict[str, Any] = parameters.model_dump(mode="json", exclude={"steps", "minutes"})
    work = f"{type(parameters).__name__}|{size}|{sorted(settings.items())}"
    return rounded_down(minutes * 60 / settled(work, device.type, step_s))
