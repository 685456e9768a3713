"""The one interface of all generators: fit on pictures of good parts, then sample new ones with what was changed."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ml.errors import CancelledError, TrainingError
from ml.generation.catalogue import generator as generator_info
from ml.pictures import Pixels
from ml.progress import Cancelled, Progress, never, silent

_ORDER = 1  # apart from what chance decides within a sample


@dataclass(frozen=True, slots=True, eq=False)
class GeneratedPicture:
    """A picture that no camera took, with the ground truth of what was changed.

    pixels: shape and dtype of the picture it was made from. mask: bool (height, width), true where a defect was made;
    all False for one that shows a good part. kind: what was made. source: index of the fitted picture that it was made
    from. changes: how it differs from that one, in figures that JSON holds.
    """

    pixels: NDArray[Any]
    mask: NDArray[np.bool_]
    kind: str
    source: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


class Generator(ABC):
    """Fitted by `fit`, which the constructor's frozen `parameters` steer. `name` is the one of the catalogue.

    note: what `fit` has to tell a person of what it did, in one line; empty where there is nothing to tell.
    """

    name: ClassVar[str]
    note: str = ""

    def __init__(self, parameters: BaseModel) -> None:
        self.parameters = parameters

    @abstractmethod
    def fit(
        self, pictures: Sequence[Pixels], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        """Learn from good parts: (height, width) grey or (height, width, 3) RGB each, uint8 or uint16.

        Items may be decoded anew at each access; keep few. What an earlier call learnt is forgotten. The same pictures
        and seed on the same machine give the same samples. Raises TrainingError when nothing can be learnt from them,
        CancelledError soon after `cancelled()` is true.
        """

    @abstractmethod
    def sample(self, count: int, seed: int) -> Iterator[GeneratedPicture]:
        """`count` pictures, one after the other; the n-th is the same for the same seed, however many are asked for.

        They are made as they are asked for. Call after `fit`.
        """


def check_enough(name: str, pictures: Sequence[Pixels]) -> None:
    """Raises TrainingError where the generator `name` cannot be fitted on so few pictures."""
    info = generator_info(name)
    if len(pictures) < info.min_pictures:
        raise TrainingError(
            f"{info.title} makes pictures of good ones: {len(pictures)} are given, at least {info.min_pictures} needed."
        )


def check_wanted(cancelled: Cancelled) -> None:
    """Raises CancelledError once the user has asked to stop."""
    if cancelled():
        raise CancelledError("Generating was cancelled.")


def sources(fitted: int, seed: int) -> Iterator[int]:
    """From which of the `fitted` pictures each sample is made, without end: all in random order, then all again."""
    for turn in count():
        yield from random_of(seed, turn, _ORDER).permutation(fitted).tolist()


def random_of(seed: int, number: int, purpose: int = 0) -> np.random.Generator:
    """What chance decides for sample `number`, whatever was decided for the others."""
    return np.random.default_rng((seed, number, purpose))
