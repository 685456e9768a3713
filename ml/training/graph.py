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
"""Slightly changed copies of good parts, evenly from all that a camera took: in a memory bank the very pictures that it
has learnt from are at distance 0, where float32 is at its worst and a line never is."""


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
    pictures = (next(perturbed(survey.read(index).pixels, 1, index)) for index in captured[::step])
    try:
        return checked_graph(method, preprocessing, calibration, reference, pictures, map_filter, progress), ""
    except ExportError as error:
        return None, str(error)
