"""The last step of every training: the graph that a station without a GPU computes the model with."""

import torch

from ml.artifact import Graph, PictureReference
from ml.calibration import Calibration
from ml.errors import ExportError
from ml.map_filter import Kernel
from ml.methods.base import Method
from ml.preprocessing import Preprocessing
from ml.progress import Progress
from ml.runtime.agreement import checked_graph
from ml.training.perturbations import perturbed
from ml.training.survey import Survey

CHECKED_PICTURES = 4
"""Of good parts, evenly from all that a camera took; and as many slightly changed copies."""


def graph_of(
    method: Method,
    preprocessing: Preprocessing,
    calibration: Calibration,
    reference: PictureReference,
    survey: Survey,
    map_filter: Kernel | None,
    progress: Progress,
) -> tuple[Graph | None, str]:
    """The checked graph, or None and why there is none. Moves `method` to the CPU."""
    method.to(torch.device("cpu"))
    captured = survey.captured
    step = -(-len(captured) // CHECKED_PICTURES)
    good = [survey.read(index).pixels for index in captured[::step]]
    changed = [next(perturbed(pixels, 1, index)) for index, pixels in enumerate(good)]
    try:
        graph = checked_graph(method, preprocessing, calibration, reference, good, changed, map_filter, progress)
    except ExportError as error:
        return None, str(error)
    return graph, ""
