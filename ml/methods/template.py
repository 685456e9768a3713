"""Golden template: what leaves the tolerance around a good picture, after the picture was brought to lie upon it.

No single paper: the comparison of industrial practice, in the form in which one good picture suffices. Registration is
`ml.registration`'s, the comparison `ml.golden_template`'s. A part that cannot be registered is never passed: it is
compared where it lies, and UNREGISTERED is added to all of its map, which no difference of a registered part reaches.

The gallery of the template under small shifts is not stored: its lowest and highest value per pixel is an erosion and a
dilation by `edge_px`. A difference is what a pixel has outside of that range, and, in return, what a pixel of the
template has outside of the range of the picture around it: a thin line that is broken is missed by the former alone.
Near edges a share of the contrast there is tolerated beyond that (`edge_contrast`). Where else the template varies is
learnt: copies of it under small turns, scales and changes of appearance, and further good pictures where there are
some, are registered, and the root mean square of their differences becomes part of the unit in which a pixel's
difference is told:

    cell = difference / (noise + variation)

With several good pictures the template is their median, after registration to the one most like the others. Where
most of them cannot be registered (a texture, parts that lie any way, a plain surface), registration is off for good:
all pictures are compared where they lie, which tells little. Where a few cannot be, training says so and stops: their
scores would lift the threshold over that of every part that is not registered.

What a picture shows beyond the template is not compared and scores 0.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.catalogue.template import TemplateParameters
from ml.errors import CancelledError, ExportError, ModelFileError, ParameterError, TrainingError
from ml.golden_template import UNREGISTERED, GoldenTemplate, Planes, grey, in_channels, to_planes
from ml.methods.base import Geometry, Method, Past, Scored, Tensors
from ml.methods.features import required
from ml.progress import Cancelled, Progress, never, silent
from ml.registration import Plane, Registrar, Registration, seen_of_picture, to_template
from ml.training.perturbations import Perturbation

LIKENESS_SIDE_PX = 32
GALLERY_STREAM = 1
"""Keeps the gallery's copies apart from those of the same seed that the threshold is made from."""


class Template(Method):
    """One template for the whole picture; any number of good pictures from one on."""

    name = "template"
    parameters: TemplateParameters
    score_rule = "max_smoothed"
    only_lowers = True
    failed_score = UNREGISTERED / 2  # smoothing at the border of what was compared may take some of it
    min_parts = 1

    def __init__(
        self,
        parameters: TemplateParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        if geometry != "whole":
            raise ParameterError(
                "template compares whole pictures with a whole template; a patch could lie anywhere on it. "
                "Leave 'patch' out."
            )
        super().__init__(parameters, geometry, input_size, weights, state)
        self.sigma_px = parameters.sigma_px
        self._golden: GoldenTemplate | None = None

    def fit_seconds(self, sample: Tensor, pictures: int, inputs_per_picture: int) -> float:
        """Registering copies and pictures, one after the other."""
        try:
            self.fit([sample], seed=0)
            began = time.perf_counter()
            self.score(sample)
        except TrainingError:  # what is wrong with the picture is told when it is learnt from
            return 0.0
        return (time.perf_counter() - began) * (self.parameters.gallery + 2 * pictures)

    def fit(
        self,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        if not len(parts):
            raise TrainingError("The golden template needs a good picture.")
        pictures = _evenly_drawn(parts, self.parameters.pictures)
        anchor = _most_like_the_others(pictures)
        copies = _gallery(anchor, self.parameters.gallery, seed)
        registrar = Registrar(grey(anchor), self.parameters.min_correlation)
        samples = [*pictures, *copies]
        places = []
        for done, sample in enumerate(samples):
            if cancelled():
                raise CancelledError("cancelled while learning the tolerance")
            progress("Learning the tolerance", done, len(samples))
            places.append(registrar.register(grey(sample)))
        registers = _is_worth_registering(places)
        matrices = [place.matrix if registers else np.eye(3) for place in places]
        template = _median(pictures, matrices[: len(pictures)], anchor)
        golden = GoldenTemplate(template, np.zeros(template.shape[1:], np.float32), registers, self.parameters)
        differences = [golden.differences(sample, matrix) for sample, matrix in zip(samples, matrices, strict=True)]
        variation = np.zeros_like(golden.variation)
        for group in (differences[: len(pictures)], differences[len(pictures) :]):
            if group:
                variation = np.maximum(variation, np.sqrt(np.mean(np.square(group), axis=0)))
        self._golden = GoldenTemplate(template, self._reaching(variation), registers, self.parameters)
        progress("Learning the tolerance", len(samples), len(samples))

    def update(
        self,
        past: Past,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        """The template stays, and with it where each picture lies on it; the tolerance grows to the root mean square of
        the new pictures' differences where that is more. So no good part scores higher than before.

        A new batch that looks altogether different makes the tolerance wide everywhere: a template of its own is then
        better.
        """
        self.load_tensors(past.tensors)
        golden = self._fitted()
        pictures = _evenly_drawn(parts, self.parameters.pictures)
        squares = np.zeros_like(golden.variation)
        for done, picture in enumerate(pictures):
            if cancelled():
                raise CancelledError("cancelled while learning the tolerance")
            progress("Learning the tolerance", done, len(pictures))
            squares += np.square(golden.differences(picture, _matrix_on(golden, picture)))
        variation = np.maximum(golden.variation, self._reaching(np.sqrt(squares / len(pictures))))
        self._golden = GoldenTemplate(golden.planes, variation, golden.registers, self.parameters)
        progress("Learning the tolerance", len(pictures), len(pictures))

    def _reaching(self, variation: Plane) -> Plane:
        """Each pixel's largest value within the tolerated shift of edges."""
        reach = np.ones((2 * self.parameters.edge_px + 1,) * 2, np.uint8)
        widened: Plane = cv2.dilate(variation, reach)
        return widened

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        golden = self._fitted()
        cells = [golden.cells(_planes_of(item)) for item in embedded]
        return Scored(torch.from_numpy(np.stack(cells)).to(embedded.device))

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        """There is no such graph: registration searches until it has found, and OpenCV does it without torch anyway."""
        raise ExportError(
            "The golden template has no ONNX graph: it brings each picture to lie upon the template by a search of "
            "OpenCV, which a graph cannot express. It computes in OpenCV on any machine."
        )

    def tensors(self) -> Tensors:
        golden = self._fitted()
        return {
            "template": golden.planes,
            "variation": golden.variation,
            "registers": np.array([golden.registers], np.uint8),
        }

    def load_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        planes = required(tensors, "template", (None, *self.input_size)).numpy()
        variation = required(tensors, "variation", self.input_size).numpy()
        registers = bool(required(tensors, "registers", (1,), torch.uint8).item())
        if len(planes) not in (1, 3):
            raise ModelFileError(f"the model's template has {len(planes)} channels, not 1 or 3; train it again")
        self._golden = GoldenTemplate(planes, variation, registers, self.parameters)

    def _fitted(self) -> GoldenTemplate:
        if self._golden is None:
            raise RuntimeError("the golden template was asked to work before it was fitted")
        return self._golden


def _matrix_on(golden: GoldenTemplate, picture: Planes) -> NDArray[np.float64]:
    """Where the picture lies on the template. Raises TrainingError where it cannot be registered."""
    if not golden.registers:
        return np.eye(3)
    place = golden.register(picture)
    if not place.is_found:
        raise TrainingError(
            "The part was not found in a new picture of it: it does not lie upon the template. Leave out pictures that "
            "show it turned or show something else, or train a template of its own on them."
        )
    return place.matrix


def _planes_of(inputs: Tensor) -> Planes:
    """A standardised input `(3, height, width)` as values between 0 and 1."""
    return to_planes(inputs.cpu().numpy() * np.float32(0.5) + np.float32(0.5))


def _evenly_drawn(parts: Sequence[Tensor], most: int) -> list[Planes]:
    """At most so many pictures, from the first to the last, all in one channel or all in three."""
    indices = np.unique(np.linspace(0, len(parts) - 1, min(len(parts), most)).round().astype(int))
    pictures = [_planes_of(parts[int(index)][0]) for index in indices]
    channels = max(len(picture) for picture in pictures)
    return [in_channels(picture, channels) for picture in pictures]


def _most_like_the_others(pictures: Sequence[Planes]) -> Planes:
    """The picture whose thumbnail is nearest to the median of all thumbnails."""
    side = LIKENESS_SIDE_PX, LIKENESS_SIDE_PX
    small = np.stack([cv2.resize(grey(picture), side, interpolation=cv2.INTER_AREA) for picture in pictures])
    distances = np.abs(small - np.median(small, axis=0)).mean(axis=(1, 2))
    return pictures[int(np.argmin(distances))]


def _gallery(picture: Planes, count: int, seed: int) -> Iterator[Planes]:
    random = np.random.default_rng((seed, GALLERY_STREAM))
    values = np.ascontiguousarray(picture.transpose(1, 2, 0))
    for _ in range(count):
        copy = Perturbation.drawn(random).of(values)
        yield np.atleast_3d(copy).transpose(2, 0, 1)


def _is_worth_registering(places: Sequence[Registration]) -> bool:
    """Whether most were found. Raises TrainingError where most were and some were not."""
    lost = sum(not place.is_found for place in places)
    if 2 * lost >= len(places):
        return False
    if lost:
        raise TrainingError(
            f"The part was not found in {lost} of {len(places)} pictures of it (slightly changed copies counted): "
            "it cannot be registered reliably. Leave out pictures that show the part turned or something else, or use "
            "PatchCore, which does not ask where the part lies."
        )
    return True


def _median(pictures: Sequence[Planes], matrices: Sequence[NDArray[np.float64]], anchor: Planes) -> Planes:
    """Per pixel, in the anchor's frame; where a picture does not show it the anchor's own value stands in."""
    if len(pictures) == 1:
        return anchor
    shape = anchor.shape[1:]
    brought = []
    for picture, matrix in zip(pictures, matrices, strict=True):
        seen = seen_of_picture(shape, shape, matrix)
        moved = np.stack([to_template(plane, shape, matrix) for plane in picture])
        brought.append(np.where(seen, moved, anchor))
    median: Planes = np.median(np.stack(brought), axis=0).astype(np.float32)
    return median
