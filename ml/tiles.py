"""Large tiles with what is around them, instead of many small patches. No torch.

A network of convolutions answers for a place by what lies around it. So tiles of any size give the same map, within a
tolerance (docs/adr/0016), once each sees MARGIN_PX more on every side than what counts of it; nothing is computed twice
but those margins.
"""

import math
from collections.abc import Mapping
from typing import Any

from ml.catalogue import METHODS, TIMM_PREFIX

MARGIN_PX = 96
"""On each side. A multiple of every backbone's deepest stride."""

LONGEST_PX = 512
"""Of what counts of a tile. Twice as much took 0.94 of the computing and 2.1 times the memory (docs/adr/0016)."""

_STEP_PX = 32


def tile_side(height: int, width: int) -> int:
    """Side in px, margins included, of the square tiles that cover so large a picture with the fewest pixels in all;
    of the largest ones where several do.
    """

    def pixels(side: int) -> tuple[int, int]:
        counting = side - 2 * MARGIN_PX
        return math.ceil(height / counting) * math.ceil(width / counting) * side**2, -side

    longest = math.ceil(min(max(height, width), LONGEST_PX) / _STEP_PX) * _STEP_PX
    return min(range(2 * MARGIN_PX + _STEP_PX, 2 * MARGIN_PX + longest + 1, _STEP_PX), key=pixels)


def has_tiles(method: str, settings: Mapping[str, Any]) -> bool:
    """Whether a method's scores can be computed in tiles; networks of timm may look at their whole input."""
    return METHODS[method].tiles and not str(settings.get("backbone", "")).startswith(TIMM_PREFIX)


def methods_with_tiles() -> tuple[str, ...]:
    return tuple(name for name, info in METHODS.items() if info.tiles)
