"""What methods share that judge small patches, each by itself, and make the map out of their scores.

After the steel-sheet work that Patch-GANomaly, TL-GANomaly and their baselines come from: patches of 32 px every 8 px,
those outside of a window of grey left out, and the others' scores put together again.

Departures: patches are drawn at random while training lasts; the first and the last row and column are judged like the
others; a patch that is left out has no score, so it can neither lower nor raise what others found there (published: 0);
a picture of which everything would be left out is judged as a whole, since a missing part must never pass for
background. Scores of one input depend on no other in the batch.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.catalogue.patchwise import PatchwiseParameters
from ml.methods.base import Geometry, Scored
from ml.methods.trained import TrainedMethod
from ml.patch_batches import RandomPatches
from ml.patch_scores import GreyWindow, PatchLayout, otsu_window
from ml.progress import Cancelled, Progress, never, silent

PATCHES_AT_ONCE = 256
"""Bounds the memory: pictures have thousands of patches. Larger batches are no quicker per patch on a CPU."""

PATCHES_PER_PORTION = 512
"""The same in a graph, which holds the networks' operations once for each portion: fewer of them open sooner."""

MOST_PORTIONS = 64

SAME_SCORE = 1e-5
"""Relative: in a graph, scores that are so close to the threshold of the majority reach it. It is the score of a good
patch, and two runtimes round differently."""

MEASURED_PICTURES = 24
"""Held-out good parts whose patches scale scores and set the threshold of the majority."""

PATCH_QUANTILE = 0.95
"""Of the good patches' scores: from there on a patch speaks against its part (`recombination=majority`)."""


class PatchwiseMethod(TrainedMethod):
    """Knows no positions, so both geometries work alike. Inputs have values from -1 to 1.

    A subclass gives networks and lesson, which learns from `random_patches`, and `patch_scores`. Its own constructor
    calls this one first and `prepare_networks` last.

    layout: where the patches of an input lie.
    """

    parameters: PatchwiseParameters

    def __init__(
        self,
        parameters: PatchwiseParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, weights, state)
        self.layout = PatchLayout(*input_size, parameters.patch_px, parameters.stride_px)
        self.sigma_px = parameters.sigma_px
        self.score_rule = "max_smoothed" if parameters.picture_score == "max" else "top1_raw"
        self.statistics = {"grey_window": self._known_window().tensor(), "patch_threshold": torch.zeros(())}

    @abstractmethod
    def patch_scores(self, patches: Tensor) -> Tensor:
        """float32 (n,), higher = more anomalous, of patches (n, 3, patch, patch) in channels-last layout.

        Called with fitted networks in `eval()`, without gradients; no patch's score may depend on the others.
        """

    def random_patches(self, parts: Sequence[Tensor], count: int) -> RandomPatches:
        """What a lesson takes its batches of `count` from: all places, no background, augmented where that is set."""
        return RandomPatches(parts, self.layout, self._window, count, self.parameters.augment)

    def fixed_patches(self, parts: Sequence[Tensor], count: int) -> Tensor:
        """(count, 3, patch, patch) to measure networks with: the same each time, not augmented; none without parts."""
        if not len(parts):
            return torch.empty(0)
        return RandomPatches(parts, self.layout, self._window, count)(torch.Generator().manual_seed(0))

    def fit(
        self,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        window = self._known_window()
        if self.parameters.background == "otsu" and len(parts):
            window = otsu_window(some(parts, MEASURED_PICTURES))
        self.statistics["grey_window"] = window.tensor().to(self.device)
        super().fit(parts, seed, progress, cancelled, validation)

    def finish(self, parts: Sequence[Tensor], validation: Sequence[Tensor]) -> None:
        """A subclass that scales its scores sets its scales first."""
        if self.parameters.recombination == "majority":
            found = [
                scores[accepted] for scores, accepted in map(self._scored, some(validation or parts, MEASURED_PICTURES))
            ]
            scores = torch.cat(found).double().sort().values
            self.statistics["patch_threshold"] = scores[int(PATCH_QUANTILE * (len(scores) - 1))].float()

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        self.require_fitted()
        scores, accepted = self._scored(embedded)
        threshold = float(self.statistics["patch_threshold"])
        return Scored(self.layout.map_of(scores, accepted, self.parameters.recombination, threshold))

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        """Patches that do not count are judged too."""
        self.require_fitted()
        grid, covered = self.layout.grid, self.layout.covered(inputs)
        rows = max(PATCHES_PER_PORTION // grid.columns, math.ceil(grid.rows / MOST_PORTIONS), 1)
        found = []
        for first in range(0, grid.rows, rows):
            last = min(first + rows, grid.rows)
            patches = self.layout.in_rows(covered, first, last)
            found.append(self.patch_scores(patches).reshape(-1, (last - first) * grid.columns))
        scores = torch.cat(found, dim=1)
        threshold = float(self.statistics["patch_threshold"])
        threshold -= SAME_SCORE * abs(threshold)
        recombination = self.parameters.recombination
        return Scored(self.layout.map_of(scores, self._accepted(covered), recombination, threshold, torch.float32))

    @property
    def _window(self) -> GreyWindow:
        return GreyWindow.of(self.statistics["grey_window"])

    def _known_window(self) -> GreyWindow:
        """The window that the settings alone make."""
        if self.parameters.background != "window":
            return GreyWindow.everything()
        return GreyWindow(self.parameters.background_low * 2 / 255 - 1, self.parameters.background_high * 2 / 255 - 1)

    def _scored(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Scores float32 and whether they count, (n, count) both, of inputs (n, 3, height, width)."""
        covered = self.layout.covered(inputs.to(self.device))
        accepted = self._accepted(covered)
        chosen = accepted.flatten().nonzero()[:, 0]
        scores = torch.zeros(accepted.numel(), device=covered.device)
        for portion in torch.split(chosen, PATCHES_AT_ONCE):
            patches = self.layout.patches(covered, portion)
            scores[portion] = self.patch_scores(patches.contiguous(memory_format=torch.channels_last)).float()
        return scores.reshape(accepted.shape), accepted

    def _accepted(self, covered: Tensor) -> Tensor:
        """bool (n, count): everything where an input would have nothing left."""
        if self._window.accepts_everything:
            return torch.ones_like(covered[:, 0, 0, :1], dtype=torch.bool).expand(-1, self.layout.count)
        shown = self.layout.shown(covered, self._window)
        return shown | ~shown.any(1, keepdim=True)


def some(parts: Sequence[Tensor], count: int) -> list[Tensor]:
    """Up to `count` of the pictures, evenly spread over all of them."""
    chosen = torch.linspace(0, len(parts) - 1, min(count, len(parts))).round().long().tolist()
    return [parts[index] for index in chosen]
