"""The supervised network that Patch-GANomaly was compared with on steel sheets: D. Moltisanti's master thesis,
Politecnico di Milano, whose picture of the network is followed, not its code (`ml.networks.patch_cnn`).

Good and defective patches, half of each batch, under binary cross-entropy; a patch is defective where its centre pixel
is marked. A patch scores by the network's probability p that it is defective.

Departures: defects may be painted on good parts, so that the method works without labels, and painted ones may be mixed
with a few labelled ones. Good patches come from good parts alone: beside a marked pixel a patch counts neither as good
nor as defective, since a defect seldom meets a patch's very centre where patches lie several pixels apart. The score is
-log(1 - p), which orders patches as p does and yet tells those apart of which it is all but certain. The epoch is
chosen by held-out good patches and by defects painted on held-out good parts; with labelled ones, by these.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ml.catalogue.patch_cnn import PatchCnnParameters
from ml.defect_patches import PICTURES_AT_ONCE, Batches, LabelledPatches, PaintedPatches
from ml.methods.base import Geometry
from ml.methods.patchwise import PatchwiseMethod
from ml.networks.patch_cnn import PatchCnn as Network
from ml.patch_batches import RandomPatches, augmented
from ml.training.loop import Lesson, Losses

VALIDATED_PATCHES = 128
"""Of either kind."""

VALIDATED_PICTURES = 32
"""With painted defects."""


class PatchCnn(PatchwiseMethod):
    """Needs no pretrained weights; with `defects=labelled` it learns from `labelled_defects` and `labelled_masks`."""

    name = "patch_cnn"
    parameters: PatchCnnParameters

    def __init__(
        self,
        parameters: PatchCnnParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, weights, state)
        self.prepare_networks()

    def build_networks(self) -> nn.Module:
        # 0 is not decided yet: such a network is looked at, but neither trained nor stored.
        width = max(self.parameters.width, 1)
        return Network(self.parameters.patch_px, width).to(memory_format=torch.channels_last)

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> Lesson:
        batch, painted_share = self.parameters.batch, self.parameters.synthetic_share
        held_out = torch.empty(0), torch.empty(0)
        if len(validation):
            (defective,) = self._defective(validation, VALIDATED_PATCHES, 0.0, seed=0, pictures=VALIDATED_PICTURES)
            random = torch.Generator().manual_seed(0)
            held_out = self.fixed_patches(validation, VALIDATED_PATCHES), defective(0, random)
        return ExamplesLesson(
            self.networks,
            self.random_patches(parts, batch - batch // 2),
            self._defective(parts, batch // 2, painted_share, seed, PICTURES_AT_ONCE),
            held_out,
            self.parameters,
            seed,
            steps,
        )

    def patch_scores(self, patches: Tensor) -> Tensor:
        return functional.softplus(self.networks(patches))  # -log(1 - sigmoid)

    def _defective(
        self, parts: Sequence[Tensor], count: int, painted_share: float, seed: int, pictures: int
    ) -> tuple[Batches, ...]:
        """Where `count` defective patches come from: one source, or two."""
        side = self.parameters.patch_px
        if self.parameters.defects == "synthetic":
            return (PaintedPatches(parts, side, count, seed, pictures),)
        painted = round(painted_share * count)
        labelled = LabelledPatches(self.labelled_defects, self.labelled_masks, side, count - painted)
        return (labelled, PaintedPatches(parts, side, painted, seed, pictures)) if painted else (labelled,)


class ExamplesLesson(Lesson):
    """Binary cross-entropy over batches of good and defective patches; measured on the same `held_out` each time.

    held_out: good and defective patches, none where there are no held-out parts.
    """

    def __init__(
        self,
        network: nn.Module,
        good: RandomPatches,
        defective: Sequence[Batches],
        held_out: tuple[Tensor, Tensor],
        parameters: PatchCnnParameters,
        seed: int,
        steps: int,
    ) -> None:
        self.networks = network
        self.random = torch.Generator().manual_seed(seed)
        self._good = good
        self._defective = defective
        self._held_out = held_out
        self._is_augmented = parameters.augment
        self._device = next(network.parameters()).device
        optimiser = torch.optim.Adam(network.parameters(), lr=parameters.learning_rate)
        self.optimisers = (optimiser,)
        self.schedules = (torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps),)

    def step(self, number: int) -> Losses:
        defective = torch.cat([draw(number, self.random) for draw in self._defective])
        if self._is_augmented:  # the good ones already are
            defective = augmented(defective, self.random)
        loss = self._loss(self._good(self.random), defective)
        self.optimisers[0].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[0].step()
        self.schedules[0].step()
        return {"cross-entropy": loss.detach()}

    def validate(self) -> float | None:
        return float(self._loss(*self._held_out)) if len(self._held_out[0]) else None

    def _loss(self, good: Tensor, defective: Tensor) -> Tensor:
        patches = torch.cat([good, defective]).to(self._device, memory_format=torch.channels_last)
        truth = torch.cat([torch.zeros(len(good)), torch.ones(len(defective))]).to(self._device)
        return functional.binary_cross_entropy_with_logits(self.networks(patches), truth)
