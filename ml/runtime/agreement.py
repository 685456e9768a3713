"""A graph held against torch, and made only where it agrees: what is in a model file was checked on this machine.

Both compute the same pictures through the same preprocessing. The pictures are fixed: good ones of the training, where
it is at hand, and made ones, blank, smooth and noisy, in the size and depth of the training pictures. Differences are
shares of the score range, which is what lies between the typical good part and the threshold; of values beyond the
threshold, shares of their own distance from the typical good part. What lies more than one range below that is neither
shown nor decides anything, and counts as being there. A picture flips whose verdict by its score is another one.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import ArrayLike

from ml.artifact import Agreement, Graph, PictureReference
from ml.calibration import Calibration
from ml.errors import DetectorError, ExportError, ModelFileError, PartNotFoundError
from ml.images import PreparedPicture, prepare
from ml.map_filter import Kernel
from ml.maps import Detection
from ml.methods.base import Method
from ml.pictures import Pixels
from ml.preprocessing import Preprocessing
from ml.progress import Progress, silent
from ml.runtime.batches import Batches
from ml.runtime.export import export_graph
from ml.runtime.made_pictures import captured, made
from ml.runtime.onnx_runtime import OnnxRuntime
from ml.runtime.scores import Runtime
from ml.runtime.torch_runtime import TorchRuntime
from ml.scoring import assemble

LARGEST_DIFFERENCE = 1e-3
"""Of the score range: a graph that differs more is refused."""

LONGEST_SIDE_PX = 512
"""Of a made picture."""

MOST_INPUTS = 64
"""Of the training pictures: one of a hundred megapixels has thousands of patches."""


def checked_graph(
    method: Method,
    preprocessing: Preprocessing,
    calibration: Calibration,
    reference: PictureReference,
    good: Iterable[Pixels] = (),
    changed: Iterable[Pixels] = (),
    map_filter: Kernel | None = None,
    progress: Progress = silent,
) -> Graph:
    """The graph of a fitted method on the CPU, with how far it agrees.

    good: pictures as captured that the threshold must lie above, however near: their scores are compared. Their maps
    are not, since a memory bank that has learnt from them gives distances of 0 there, where float32 is at its worst and
    a line never is. changed: slightly changed copies of such pictures; scores and maps are compared, as of made ones.
    Raises ExportError where the method has no graph, where ONNX Runtime cannot compute it, and where it differs by more
    than LARGEST_DIFFERENCE.
    """
    progress("Writing the graph", 0, 1)
    data = export_graph(method)
    try:
        both = TorchRuntime(method, "cpu"), OnnxRuntime(data)
    except ModelFileError as error:
        raise ExportError(f"{method.name}: {error}") from error
    looks = list(_within(MOST_INPUTS, _with_part(good, preprocessing.of_part)))
    only_scores = len(looks)
    looks += _within(MOST_INPUTS, _with_part(changed, preprocessing.of_part))
    # A made picture has no part that could be found, and the network sees the same wherever it lies.
    looks += [prepare(pixels, preprocessing.anywhere) for pixels in _made(reference, preprocessing)]
    try:
        found = [tuple(_detected(runtime, method, look, map_filter) for runtime in both) for look in looks]
    except DetectorError as error:  # scores that are no numbers among them, torch's too: made pictures are odd ones
        raise ExportError(f"The graph of {method.name} cannot be compared with torch: {error}") from error
    judge, normalise = calibration.judge, calibration.normalise
    flips = sum(judge(by_torch.score) != judge(by_graph.score) for by_torch, by_graph in found)
    scores = [share_of_range(*(normalise(one.score) for one in pair)) for pair in found]
    cells = [[calibration.normalise_map(one.score_map.cells) for one in pair] for pair in found[only_scores:]]
    largest = float(np.max([*scores, *(share_of_range(*pair) for pair in cells)]))  # nan stays nan
    progress("Writing the graph", 1, 1)
    if not largest <= LARGEST_DIFFERENCE:
        raise ExportError(
            f"The graph of {method.name} differs from torch by {largest:.2g} of the score range, and in the verdict on "
            f"{flips} of {len(looks)} pictures; at most {LARGEST_DIFFERENCE:g} of the range is allowed."
        )
    return Graph(data, method, Agreement(pictures=len(looks), largest_difference=largest, flips=flips))


def _with_part(pictures: Iterable[Pixels], preprocessing: Preprocessing) -> Iterator[PreparedPicture]:
    """Those on which the part is found: a changed copy may have lost it."""
    for pixels in pictures:
        with suppress(PartNotFoundError):
            yield prepare(pixels, preprocessing)


def _within(most: int, prepared: Iterable[PreparedPicture]) -> Iterator[PreparedPicture]:
    """Those pictures that together make no more than so many inputs."""
    for one in prepared:
        if one.count <= most:
            most -= one.count
            yield one


def _detected(runtime: Runtime, method: Method, prepared: PreparedPicture, map_filter: Kernel | None) -> Detection:
    scored = Batches(1, runtime.release).run(prepared, runtime.score)
    return assemble(method, prepared, scored, map_filter=map_filter)


def share_of_range(reference: ArrayLike, other: ArrayLike) -> float:
    """The largest difference of normalised values, as the module says; nan where any is no number."""
    values, others = (np.maximum(np.asarray(one, np.float64), -1.0) for one in (reference, other))
    return float(np.max(np.abs(values - others) / np.maximum(values, 1.0)))


def _made(reference: PictureReference, preprocessing: Preprocessing) -> Iterator[Pixels]:
    """Four pictures as large and deep as the training's, the same for the same model."""
    height, width = (min(side, LONGEST_SIDE_PX) for side in (reference.height_px, reference.width_px))
    if preprocessing.stride is not None:  # two patches by two
        height = min(reference.height_px, preprocessing.input_height + preprocessing.stride)
        width = min(reference.width_px, preprocessing.input_width + preprocessing.stride)
    for values in made(height, width):
        yield captured(values, preprocessing, reference)
