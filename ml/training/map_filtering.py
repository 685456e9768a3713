"""The learned map filter of a job: from its labelled defects, or from defects painted on held-out good parts.

The filter must see maps as the model makes them of parts that are new to it: of a good picture that was learnt from, a
memory bank gives nothing but low scores. So the defects are painted on the parts that are held out of the fit but play
no part in the threshold, and a job with a filter is held out once, by `ml.training.splits.must_hold_out`.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from ml.dataset import LabelledPicture
from ml.errors import PictureError, TrainingError
from ml.generation.synthetic_defects import SyntheticDefects
from ml.map_filter import Kernel, MarkedMap, learn_filter
from ml.progress import Cancelled, Progress
from ml.training.embedded import EmbeddedPictures
from ml.training.labels import read_all
from ml.training.survey import Survey, check_cancelled

PAINTED = 128
"""Pictures with a painted defect, shared by the held-out parts.

By the source fewer than 50 labelled ones suffice; painted ones are of every kind and size. On painted ground tiles the
kernels of 32 still fitted these very defects (pixel AUROC 0.85 on them, 0.76 on others; of 160, 0.76 on both).
"""

_SEEDS_PER_JOB = 1000


def learn_map_filter(
    side: int,
    pictures: EmbeddedPictures,
    survey: Survey,
    held_out: Sequence[int],
    listed: Sequence[LabelledPicture],
    seed: int,
    progress: Progress,
    cancelled: Cancelled,
) -> Kernel:
    """Learn the filter after the method of `pictures` has been fitted without `held_out`.

    listed: pictures of defective parts with masks, new to the method; without any, defects are painted on `held_out`.
    Raises TrainingError where nothing can be learnt or a file cannot be used, CancelledError when told so.
    """
    count = len(listed) or max(PAINTED, len(held_out))
    maps: list[MarkedMap] = []
    for found in _labelled(pictures, listed) if listed else _painted(pictures, survey, held_out, count, seed):
        check_cancelled(cancelled)
        progress("Learning the map filter", len(maps), count)
        maps.append(found)
    return learn_filter(maps, side, is_directed=bool(listed))  # painted defects come in all directions


def _labelled(pictures: EmbeddedPictures, listed: Sequence[LabelledPicture]) -> Iterator[MarkedMap]:
    for one in read_all(listed, pictures.parts):
        if one.mask is None:
            raise ValueError(f"{one.file[0]} has no mask")
        try:
            yield pictures.marked_map(one.pixels, one.mask)
        except PictureError as error:
            raise TrainingError(f"The picture of a defective part {one.file[0]} cannot be used: {error}") from error


def _painted(
    pictures: EmbeddedPictures, survey: Survey, held_out: Sequence[int], count: int, seed: int
) -> Iterator[MarkedMap]:
    painter = SyntheticDefects()
    for number in range(count):
        index = held_out[number % len(held_out)]
        pixels = survey.read(index).pixels.copy()
        place = pictures.looked_at(index, pixels)
        painted = painter.sample(pixels[place], seed * _SEEDS_PER_JOB + number)
        pixels[place] = painted.pixels
        mask = np.zeros(pixels.shape[:2], bool)
        mask[place] = painted.mask
        yield pictures.marked_map(pixels, mask, index)
