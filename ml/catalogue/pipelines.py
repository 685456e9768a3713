"""Complete ways of inspecting one kind of part, by name: what to start from on the command line and the page. No torch.

A pipeline is some fields of a training job. Whoever starts from it may overrule every one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml.catalogue import named


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`fields` are those of `ml.job.TrainingJob`, as its file holds them; `source` tells where they come from."""

    name: str
    title: str
    summary: str
    fields: Mapping[str, Any]
    source: str = ""


_SQUARE_PX = 2 * (100 + 204)
"""Side of the published system's square: a bore of about 100 px radius and 204 px of the ring around it."""

_SEAT_NETWORK = {
    "method": "ganomaly",
    "size": 128,
    "preset": "thorough",
    "parameters": {
        "latent": 500,
        "extra_layers": 1,
        "contextual_weight": 120.0,
        "latent_weight": 1.5,
        "batch": 8,
    },
    "clahe": {"clip": 3.0, "tiles": 8},
}
"""As published, but for the width (196 channels: 390 million numbers) and 1,700 epochs at a rate of 1e-5: both follow
the time at hand, as for every GANomaly."""

_SEAT_RULES = {
    "verdict": "rules",
    "areas_at_px": _SQUARE_PX,
    "sections": [
        {"reach": round((100 + 150) / (100 + 204), 3), "min_area_px": 10, "min_strength": 0.62},
        {"reach": 1.0, "min_area_px": 10, "min_strength": 0.62},
    ],
}
"""Published are a boundary 150 px outside the bore's edge, areas from 10 to 700 px within it and to 100 px beyond, and
a mean brightness from 30 to 100 of differences that count from 48.02 on: on the scale whose 1 is the threshold that is
30 / 48.02, which a region that begins at the threshold always reaches, there as here: the limit is for those who raise
it. The upper ends are left out: they pass what is larger or stronger than any defect that was thought of."""

PIPELINES: Mapping[str, Pipeline] = {
    each.name: each
    for each in (
        Pipeline(
            name="valve_seat",
            title="Valve seat: the ring around a bore",
            summary="Finds the round part by its bore, looks at a ring of two more radii around it in evened-out "
            "light, compares it with what GANomaly makes of it, and judges the regions that differ by their place and "
            "size. A part that is not found is a FAULT.",
            source="GANomaly on valve seats: github.com/ark10806/GANomaly-Anomaly-Detection",
            fields={**_SEAT_NETWORK, "ring": {}, "rules": _SEAT_RULES},
        ),
        Pipeline(
            name="demo_seat",
            title="Valve seat of the demo line: the ring around its ground edge",
            summary="For the parts of the demo line: finds them by their most striking circle, the ground seat's outer "
            "edge, and inspects the ring from their bore to their rim as for other valve seats. A part that is not "
            "found is a FAULT.",
            source="As valve_seat; the ring's ends are those of the drawn part, a little beyond its bore and its rim.",
            fields={**_SEAT_NETWORK, "ring": {"inner": 0.85, "outer": 1.68}, "rules": _SEAT_RULES},
        ),
    )
}
"""In the order in which they are offered."""


def pipeline(name: str) -> Pipeline:
    """The pipeline called `name`. Raises ParameterError that lists the known ones."""
    return named("pipeline", name, PIPELINES)
