"""Complete ways of inspecting one kind of part, by name: what to start from on the command line and the page. No torch.

A pipeline is some fields of a training job. Whoever starts from it may overrule every one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml.catalogue import did_you_mean
from ml.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`fields` are those of `ml.job.TrainingJob`, as its file holds them."""

    name: str
    title: str
    summary: str
    fields: Mapping[str, Any]


PIPELINES: Mapping[str, Pipeline] = {
    each.name: each
    for each in (
        Pipeline(
            name="valve_seat",
            title="Valve seat: the ring around a bore",
            summary="Finds the round part, looks at a ring around it in evened-out light, and compares it with what "
            "GANomaly makes of it. A part that is not found is a FAULT.",
            fields={"method": "ganomaly", "clahe": {}, "ring": {}},
        ),
    )
}
"""In the order in which they are offered."""


def pipeline(name: str) -> Pipeline:
    """The pipeline called `name`. Raises ParameterError that lists the known ones."""
    try:
        return PIPELINES[name]
    except KeyError:
        raise ParameterError(
            f"unknown pipeline '{name}'{did_you_mean(name, PIPELINES)}; known: {', '.join(PIPELINES)}"
        ) from None
