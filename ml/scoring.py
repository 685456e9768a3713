"""From the cells that a method gives per network input to one map and one score per picture. No torch.

Calibration and inspection both go through `assemble`, so that a threshold means the same in both.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from ml.errors import DetectorError
from ml.images import PreparedPicture
from ml.map_filter import Kernel, filtered
from ml.maps import Detection, ScoreMap
from ml.runtime.scores import CellScores, Reading, ScoreRule

TOP_SHARE = 0.01
"""Share of cells whose mean is the score under the rule `top1_raw`."""

MOST_PARTIALS = 50
"""Maps offered while one picture is scored: each is made anew, and a picture of 100 megapixels has 2,700 batches."""


def assemble(
    reading: Reading,
    prepared: PreparedPicture,
    batches: Iterable[tuple[int, CellScores]],
    on_partial: Callable[[ScoreMap], None] | None = None,
    map_filter: Kernel | None = None,
) -> Detection:
    """Join scored inputs, given as (index of the first input, scores), into one detection.

    The raw map first passes the learned `map_filter`, where there is one: the score that is taken from the map is taken
    from the filtered one, and a score that a method gives itself stays as it is. Then the map is smoothed on its own
    cells with `sigma_px` of the `reading`, which is meant at the network input's scale.
    `on_partial` receives the smoothed map so far after each batch, the last included, but no more than about
    MOST_PARTIALS of them; nothing where the picture is one input. Raises DetectorError for scores that are no numbers.
    """
    joiner = prepared.joiner(reading.offset_px)
    sigma_px = reading.sigma_px * prepared.px_per_input_px
    own_scores: list[NDArray[np.float32]] = []
    done = offered = 0
    for start, scored in batches:
        cells = finite(scored.cells)
        joiner.add(start, cells)
        if scored.scores is not None:
            own_scores.append(finite(scored.scores))
        done += len(cells)
        if on_partial is not None and done < prepared.count and (done - offered) * MOST_PARTIALS >= prepared.count:
            on_partial(filtered(joiner.score_map(), map_filter).smoothed(sigma_px))
            offered = done
    raw = filtered(joiner.score_map(), map_filter)
    smooth = raw.smoothed(sigma_px)
    if on_partial is not None and prepared.count > 1:
        on_partial(smooth)
    score = float(max(part.max() for part in own_scores)) if own_scores else _reduce(reading.score_rule, raw, smooth)
    return Detection(score=score, score_map=smooth)


def finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values themselves. Raises DetectorError where any is no number."""
    if not np.isfinite(values).all():  # half precision ends at 65,504, which the features of some networks exceed
        raise DetectorError(
            "The model gives scores that are no numbers for this picture. "
            "Run it on the processor (device 'cpu'), or train with another backbone."
        )
    return values


def _reduce(rule: ScoreRule, raw: ScoreMap, smooth: ScoreMap) -> float:
    if rule == "max_smoothed":
        return smooth.maximum
    if rule == "max_raw":
        return raw.maximum
    values = np.sort(raw.scored)
    return float(values[-max(1, round(TOP_SHARE * values.size)) :].mean())
