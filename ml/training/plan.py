"""What a training will take on this machine, and how much training its preset's minutes allow.

A short probe times the method on a few of the pictures. Methods that train in steps then take as many as
fit, rounded down to a coarse scale; a method with a `ladder` first takes the costliest rung that leaves enough steps.
Settings that the user or the preset gives are never changed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor

from ml.catalogue import MethodInfo
from ml.methods.base import Method
from ml.methods.trained import TrainedMethod
from ml.training.loop import seconds_per_step
from ml.training.speed import settled

TRAINING_SHARE = 0.85
"""Of the preset's minutes; the rest is for reading, features, validation and calibration."""

PROBED_PICTURES = 3
"""What the probe of a method's steps looks at."""

_SCALE = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)

Build = Callable[[BaseModel], Method]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to be done: complete parameters, the seconds it will take about, and words for people.

    `done` says what is trained here, `published` what the paper trains; both empty where nothing trains in steps.
    """

    parameters: BaseModel
    seconds: float
    done: str
    published: str


def make_plan(
    info: MethodInfo,
    parameters: BaseModel,
    build: Build,
    *,
    samples: Sequence[Tensor],
    pictures: int,
    inputs_per_picture: int,
    minutes: float,
    fits: int,
    device: str,
) -> Plan:
    """Complete `parameters` and estimate the time.

    `build` makes the method from complete parameters, `samples` are a few inputs (1, 3, height, width). `pictures` by
    `inputs_per_picture` inputs are learnt from; `fits` is how often the method will be fitted, and `minutes` are shared
    among them.
    """
    budget_s = minutes * 60 * TRAINING_SHARE / fits
    work_s = 0.0
    if hasattr(parameters, "steps"):
        parameters, work_s = _stepped(info, parameters, build, samples, budget_s, device)
    method = build(parameters).to(torch.device(device))
    inputs = pictures * inputs_per_picture
    one = torch.zeros(1, 3, *method.input_size, device=device)
    embed_s = _seconds(lambda: method.embed(one)) * inputs
    if not isinstance(method, TrainedMethod):
        with torch.inference_mode():
            work_s = method.fit_seconds(method.embed(samples[0].to(device)), pictures, inputs_per_picture)
    done = "" if not hasattr(parameters, "steps") else _words(info, parameters, method)
    seconds = method.embedding_seconds() + embed_s + work_s * fits
    return Plan(parameters, seconds, done, info.published)


def _stepped(
    info: MethodInfo, parameters: BaseModel, build: Build, samples: Sequence[Tensor], budget_s: float, device: str
) -> tuple[BaseModel, float]:
    rungs = [_open(parameters, rung) for rung in info.ladder] or [{}]
    fixed_steps = int(getattr(parameters, "steps"))  # noqa: B009  # every method with steps has its own class
    for number, rung in enumerate(rungs):
        complete = _with(parameters, {**rung, "steps": fixed_steps or 1000})
        if fixed_steps and not any(rung.values()):
            return complete, _step_seconds(complete, build, samples, device) * fixed_steps
        step_s = _step_seconds(complete, build, samples, device)
        steps = fixed_steps or rounded_down(budget_s / step_s)
        if step_s * (fixed_steps or info.enough_steps) <= budget_s or number == len(rungs) - 1:
            return _with(parameters, {**rung, "steps": steps}), step_s * steps
    raise AssertionError("the last rung is always taken")


def _open(parameters: BaseModel, rung: Mapping[str, Any]) -> dict[str, Any]:
    """What of a rung is left to the time budget: settings that are 0."""
    return {key: value for key, value in rung.items() if not getattr(parameters, key)}


def _with(parameters: BaseModel, changes: Mapping[str, Any]) -> BaseModel:
    return type(parameters).model_validate({**parameters.model_dump(), **changes})


def rounded_down(steps: float) -> int:
    """On a coarse scale, so that noise in the measurement seldom shows; at least 1."""
    if steps < 10:
        return max(1, int(steps))
    power = 10.0 ** (len(str(int(steps))) - 1)
    return int(max(factor for factor in _SCALE if factor * power <= steps) * power)


def _step_seconds(parameters: BaseModel, build: Build, samples: Sequence[Tensor], device: str) -> float:
    method = build(parameters).to(torch.device(device))
    if not isinstance(method, TrainedMethod):
        raise TypeError(f"{type(method).__name__} has a setting 'steps' and does not train in steps")
    with torch.inference_mode():
        embedded = [method.embed(sample.to(device)).cpu() for sample in samples]
    parts = [part.clone() for part in embedded]  # out here they are tensors that can be learnt from
    measured_s = seconds_per_step(lambda: _first_lesson(method, parts))
    return settled(_work(method), device, measured_s)


def _first_lesson(method: TrainedMethod, parts: list[Tensor]) -> Any:
    method.prepare_networks()
    method.labelled_defects = parts if method.needs_defects else ()
    everywhere = [torch.ones(len(part), *method.input_size, dtype=torch.bool) for part in parts]
    method.labelled_masks = everywhere if method.needs_masks else ()
    with torch.inference_mode(False), torch.enable_grad():
        return method.lesson(parts, (), 0, method.parameters.steps)


def _work(method: TrainedMethod) -> str:
    settings = method.parameters.model_dump(mode="json", exclude={"steps"})
    size = sum(weight.numel() for weight in method.networks.parameters())  # may depend on the pictures
    return f"{type(method).__name__}|{method.geometry}|{method.input_size}|{size}|{sorted(settings.items())}"


def _seconds(work: Callable[[], object]) -> float:
    with torch.inference_mode():
        work()
        began = time.perf_counter()
        work()
        return time.perf_counter() - began


def _words(info: MethodInfo, parameters: BaseModel, method: Method) -> str:
    settings = parameters.model_dump()
    height, width = method.input_size
    chosen = dict.fromkeys(key for rung in info.ladder for key in rung)
    parts = [f"{settings['steps']:,} steps", *(_setting(key, settings[key]) for key in chosen)]
    return ", ".join([*parts, f"input {width} x {height} px"])


def _setting(name: str, value: object) -> str:
    words = name.replace("_", " ")
    return f"{words.removesuffix(' px')} {value} px" if words.endswith(" px") else f"{words} {value}"
