"""What the catalogue says of a generator: how a person chooses it, and what it makes. No torch."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

Makes = Literal["good", "defects"]


@dataclass(frozen=True, slots=True)
class GeneratorInfo:
    """A generator as a person chooses it.

    makes: `good` parts, which a method may learn from, or parts with `defects`, which none may.
    minutes: about how long `fit` takes on two cores where the parameters have no setting `minutes` of their own; 0
        where it is of no weight.
    min_pictures: pictures of good parts that it can be fitted on at least.
    strength: the setting that says how far its pictures may differ from what they were made of; it is a float.
    published: what the paper trains, in one line; it stands beside what is done here.
    """

    name: str
    title: str
    summary: str
    paper: str
    makes: Makes
    parameters: type[BaseModel]
    strength: str = ""
    minutes: float = 0.0
    min_pictures: int = 1
    published: str = ""

    def minutes_of(self, parameters: BaseModel) -> float:
        """About how long `fit` takes with these settings."""
        return float(getattr(parameters, "minutes", self.minutes))
