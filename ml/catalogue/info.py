"""What the catalogue says of a method: how a person chooses it, and what it needs. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel

Settings = Mapping[str, Any]

USUAL_MIN_PICTURES = 3
"""With fewer good parts none can be held out to find the threshold."""


class Configurable(Protocol):
    """Whatever has a name and settings: a method or a generator."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> type[BaseModel]: ...


WIDTHS: tuple[Settings, ...] = ({"width": 64}, {"width": 32}, {"width": 16}, {"width": 8})
"""The `ladder` of methods whose networks are as wide as the time at hand allows, 64 channels as published."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A starting point: the input's side in pixels and the settings that differ from the defaults.

    `minutes` is the time that training may take on the machine at hand. Methods that train in steps take as many as
    fit into it; the others take what their one pass takes, and the estimate says so.
    """

    size_px: int
    settings: Settings
    minutes: float


@dataclass(frozen=True, slots=True)
class Mebibytes:
    """The most that was measured with the presets `balanced` and `thorough`, and a little more (docs/performance.md);
    `fast` takes no more than `balanced`."""

    balanced: int
    thorough: int

    def of(self, preset: str) -> int:
        return self.thorough if preset == "thorough" else self.balanced


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """A method as a person chooses it. `presets` holds `fast`, `balanced` and `thorough`.

    positions: `aligned` methods learn what belongs where and want the part in the same place in every picture.
    published: what the paper trains, in one line; it stands beside what was done here.
    ladder: settings from the costliest to the cheapest; the first that leaves `enough_steps` within the preset's
        minutes is taken. A setting named there is 0 by default: chosen by the time at hand.
    native_up_to_size: the input is as large as the pictures, scaled down only where its area exceeds the size squared.
    tiles: its scores look at features alone, so that it can be computed in tiles of any size (`TrainingJob.tiles`).
    memory: what training holds beside the process, the pictures' features and the picture at hand.
    model: the model file.
    """

    name: str
    title: str
    summary: str
    paper: str
    needs_weights: bool
    parameters: type[BaseModel]
    presets: Mapping[str, Preset]
    published: str = ""
    positions: Literal["aligned", "free"] = "free"
    ladder: tuple[Settings, ...] = field(default=())
    enough_steps: int = 0
    native_up_to_size: bool = False
    tiles: bool = False
    memory: Mebibytes = Mebibytes(1024, 4096)
    model: Mebibytes = Mebibytes(64, 256)
