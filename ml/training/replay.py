"""New pictures mixed with replayed old ones, so that both count the same however many there are of each."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


class Balanced(Sequence[Tensor]):
    """As many items of `old` as of `new`: those of the shorter come again, in turn.

    In an order that the seed decides: the first few and evenly spread ones, which methods look at, hold both kinds.
    Empty where one of them is.
    """

    def __init__(self, old: Sequence[Tensor], new: Sequence[Tensor], seed: int) -> None:
        count = max(len(old), len(new)) if len(old) and len(new) else 0
        sides = [(side, index % len(side)) for index in range(count) for side in (old, new)]
        random = torch.Generator().manual_seed(seed)
        self._items = [sides[place] for place in torch.randperm(len(sides), generator=random).tolist()]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]  # no slices
        side, place = self._items[index]
        item: Tensor = side[place]
        return item

    def __iter__(self) -> Iterator[Tensor]:
        return (side[place] for side, place in self._items)
