"""HistAuGAN: "Structure-Preserving Multi-Domain Stain Color Augmentation using Style-Transfer with Disentangled
Representations", Wagner et al., MICCAI 2021, arXiv 2107.12357.

A content encoder reads what a picture shows, an attribute encoder how it looks, and a generator paints what one picture
shows as another looks (`ml.networks.histaugan`, `ml.generation.histaugan_lesson`). For a new picture a domain is drawn
and attributes from the normal distribution that its pictures have (section 2.2).

Departures. Domains are hospitals there; here they are sorted by colours, or the good pictures and a template. The
learning rate is five times the published one by default and there are hundreds of steps instead of 500,000. A network
trained for minutes blurs, and one of any size makes up edges. So the painted picture is not shown itself: how its
colours differ from those that the network gives the picture in its own look is carried over to the picture along its
own structure (`ml.generation.colour_transfer`), which thereby stays sharp, whatever its size. That change is bounded by
what good pictures differ by (`ml.generation.colours`) and weakened until the gradients correlate with the source's as
`least_correlation` says. As published, a picture's colours would reach as far as the network pleases.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ml.detector import best_device
from ml.errors import TrainingError
from ml.generation.catalogue.histaugan import CROP_MULTIPLE_PX, HistauganParameters
from ml.generation.colour_transfer import carried_over
from ml.generation.colours import ColourSpan, figures
from ml.generation.domains import Domains, clustered, good_and_template
from ml.generation.generator import GeneratedPicture, Generator
from ml.generation.histaugan_lesson import HistauganLesson, attribute_statistics
from ml.generation.structure import gradient_correlation
from ml.generation.training_time import steps_within
from ml.generation.value_window import Look, Values, ValueWindow, shrunk
from ml.networks.histaugan import HistauganNetworks
from ml.pictures import Pixels, read_picture
from ml.progress import Cancelled, Progress, never, silent
from ml.training.loop import run_lesson

PICTURES_KEPT = 500
"""How many pictures are learnt from, at most, scaled down: they are held in memory."""

_SIDE_PER_CROP = 256 / 216
_NEIGHBOURHOOD = 1 / 12  # radius of the transfer, of a picture's shorter side
_WEAKER = 0.8
_WEAKENINGS = 16


class Histaugan(Generator):
    """Generates good parts in the looks of other good parts. Keeps hold of the pictures that it was fitted on."""

    name = "histaugan"
    parameters: HistauganParameters

    def __init__(self, parameters: HistauganParameters) -> None:
        super().__init__(parameters)
        self._fitted: _Fitted | None = None

    def fit(
        self, pictures: Sequence[Pixels], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        """As `Generator.fit`; of more than 500 pictures, 500 drawn ones are learnt from."""
        self._fitted = None
        random = np.random.default_rng(seed)
        chosen = np.sort(random.permutation(len(pictures))[:PICTURES_KEPT])
        looks: list[_Looked] = []
        for number, index in enumerate(chosen):
            if cancelled():
                raise CancelledError("Training was cancelled; nothing was written.")
            progress("Reading pictures", number, len(chosen))
            looks.append(_Looked.at(pictures[index], self._side_px))
        window = ValueWindow.of([looked.look for looked in looks])
        own = [looked.figures / window.highest for looked in looks]
        smalls = [_tensor(looked.small / np.float32(window.highest)) for looked in looks]
        if self.parameters.template:
            smalls.append(_tensor(shrunk(window.values(self._template(looks[0])), *self._small(...))))
