"""Slightly changed copies of a good picture."""

from collections.abc import Iterator

from ml.pictures import Pixels


def perturbed(pixels: Pixels, count: int, seed: int) -> Iterator[Pixels]:
    for _ in range(count):
        yield pixels
