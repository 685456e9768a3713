"""All that a lesson keeps from one step to the next, as tensors and JSON, and back again.

    network.KEY                   parameters and buffers of the lesson's networks
    optimiser.I.P.NAME            what optimiser I keeps of its parameter P
    memory.NAME                   what the lesson keeps beside (`Lesson.memory`)
    random, torch, cuda           states of the lesson's generator and of torch's own

Settings of optimisers and schedules, which are numbers, are the JSON.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

if TYPE_CHECKING:
    from ml.training.loop import Lesson

Tensors = dict[str, Tensor]
Values = dict[str, Any]


class SnapshotError(ValueError):
    """A snapshot that does not belong to the lesson; the text says in what."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Tensors, contiguous copies in the main memory, and what JSON holds exactly."""

    tensors: Tensors
    values: Values


def capture(lesson: "Lesson") -> Snapshot:
    """The lesson between two steps. TypeError where an optimiser or schedule keeps what JSON cannot hold."""
    tensors = _prefixed("network", lesson.networks.state_dict())
    tensors |= _prefixed("memory", lesson.memory())
    tensors |= {name: generator.get_state() for name, generator in _generators(lesson).items()}
    optimisers = []
    for number, optimiser in enumerate(lesson.optimisers):
        state = optimiser.state_dict()
        kept: Values = {}
        for parameter, entries in state["state"].items():
            held = {name: value for name, value in entries.items() if isinstance(value, Tensor)}
            tensors |= _prefixed(f"optimiser.{number}.{parameter}", held)
            kept[str(parameter)] = {name: value for name, value in entries.items() if name not in held}
        optimisers.append({"groups": state["param_groups"], "state": kept})
    schedules = [schedule.state_dict() for schedule in lesson.schedules]
    values = _exact_json({"optimisers": optimisers, "schedules": schedules})
    return Snapshot({name: stored(tensor) for name, tensor in tensors.items()}, values)


def restore(lesson: "Lesson", snapshot: Snapshot) -> None:
    """Continue with a lesson made anew for the same run. Raises SnapshotError; the lesson is of no use then."""
    tensors = snapshot.tensors
    lesson.remember(part_of(tensors, "memory"))  # first: it may change which networks learn, and by what
    load_networks(lesson.networks.state_dict(), part_of(tensors, "network"))
    values = snapshot.values
    if values.keys() != {"optimisers", "schedules"}:
        raise SnapshotError("its optimisers or schedules are missing")
    for kind, have in (("optimisers", lesson.optimisers), ("schedules", lesson.schedules)):
        if not isinstance(values[kind], list) or len(values[kind]) != len(have):
            raise SnapshotError(f"it has not the {len(have)} {kind} of this method")
    for number, optimiser in enumerate(lesson.optimisers):
        _load_optimiser(optimiser, part_of(tensors, f"optimiser.{number}"), values["optimisers"][number])
    for schedule, state in zip(lesson.schedules, values["schedules"], strict=True):
        schedule.load_state_dict(_like(schedule.state_dict(), state, "a schedule"))
    for name, generator in _generators(lesson).items():
        restore_random(generator, tensors.get(name))


def load_networks(into: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors into those of a state dict, in place. Raises SnapshotError where they are not the same kind."""
    if into.keys() != tensors.keys():
        raise SnapshotError(f"its networks are others ({sorted(into.keys() ^ tensors.keys())[0]})")
    for name, tensor in tensors.items():
        if tensor.shape != into[name].shape or tensor.dtype != into[name].dtype:
            raise SnapshotError(f"its network's tensor {name} has another shape or type")
    with torch.no_grad():
        for name, tensor in tensors.items():
            into[name].copy_(tensor)


def restore_random(generator: torch.Generator, state: Tensor | None) -> None:
    """Raises SnapshotError where the state is not one of such a generator."""
    fresh = generator.get_state()
    if state is None or state.shape != fresh.shape or state.dtype != fresh.dtype:
        raise SnapshotError("the state of its random numbers is missing or damaged")
    generator.set_state(state)


def stored(tensor: Tensor) -> Tensor:
    """A copy of its own memory: files of tensors refuse any that share theirs."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def _generators(lesson: "Lesson") -> dict[str, torch.Generator]:
    """By the names of their states: the lesson's own, torch's, and that of the device where the networks are."""
    found = {"random": lesson.random, "torch": torch.default_generator}
    device = next((parameter.device for parameter in lesson.networks.parameters()), torch.device("cpu"))
    if device.type == "cuda":
        found["cuda"] = torch.cuda.default_generators[device.index or 0]
    return found


def _load_optimiser(optimiser: Optimizer, tensors: Tensors, values: Any) -> None:
    fresh = optimiser.state_dict()
    if not isinstance(values, dict) or values.keys() != {"groups", "state"} or not isinstance(values["state"], dict):
        raise SnapshotError("an optimiser's entries are damaged")
    groups = _like(fresh["param_groups"], values["groups"], "an optimiser")
    if [group["params"] for group in groups] != [group["params"] for group in fresh["param_groups"]]:
        raise SnapshotError("an optimiser has other parameters")
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, Values] = {}
    for number, kept in values["state"].items():
        if not str(number).isdecimal() or int(number) >= len(parameters) or not isinstance(kept, dict):
            raise SnapshotError(f"an optimiser has no parameter {number}")
        state[int(number)] = dict(kept)
    for name, tensor in tensors.items():
        number, _, entry = name.partition(".")
        if not number.isdecimal() or int(number) not in state:
            raise SnapshotError(f"an optimiser keeps the unknown tensor {name}")
        state[int(number)][entry] = _laid_out(tensor, parameters[int(number)], name)
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _laid_out(tensor: Tensor, parameter: Tensor, name: str) -> Tensor:
    """In the memory layout of its parameter, as the optimiser made it: another one may round otherwise."""
    if tensor.ndim == 0:
        return tensor
    if tensor.shape != parameter.shape:
        raise SnapshotError(f"what an optimiser keeps as {name} has another shape")
    return torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False).copy_(tensor)


def _like(fresh: Any, given: Any, what: str) -> Any:
    """`given` with the tuples that JSON has made lists; SnapshotError where it is not built as `fresh`."""
    if isinstance(fresh, dict) and isinstance(given, dict) and fresh.keys() == given.keys():
        return {key: _like(fresh[key], given[key], what) for key in fresh}
    if isinstance(fresh, list | tuple) and isinstance(given, list) and len(fresh) == len(given):
        return type(fresh)(_like(have, want, what) for have, want in zip(fresh, given, strict=True))
    is_number = isinstance(fresh, int | float) and isinstance(given, int | float)
    if is_number or (type(fresh) is type(given) and isinstance(given, str)) or (fresh is None and given is None):
        return given
    raise SnapshotError(f"{what} has other settings")


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    """Those named `prefix.NAME`, by NAME."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _exact_json(values: Values) -> Values:
    """As it comes back from JSON; TypeError where it does not come back the same."""
    loaded: Values = json.loads(json.dumps(values, allow_nan=False))
    if loaded != _with_lists(values):
        raise TypeError("an optimiser or schedule keeps what JSON cannot hold, so that it could not be continued")
    return loaded


def _with_lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_lists(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_with_lists(item) for item in value]
    return value
