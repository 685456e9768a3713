"""Training of the backbone `self_trained`: Patch SVDD's encoder, taught by the good pictures themselves.

It stands in where there are no pretrained weights. The published method uses the encoder with a distance map of its
own; inside PatchCore or PaDiM it takes the place of a network trained on ImageNet.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ml.networks.patch_svdd import PatchEncoder
from ml.networks.self_trained import PATCH_PX, SelfTrainedNetwork
from ml.position_lesson import PositionLesson
from ml.progress import Cancelled, Progress, never, silent
from ml.training.loop import Watch, run_lesson

LEAST_SIDE_PX = 2 * PATCH_PX
"""Inputs must hold a patch and its neighbours."""

KEPT_BYTES = 2**30
"""Pictures beyond this are not learnt from: decoding them anew for every step would take longer than the step."""

# Patch SVDD's own defaults.
_WINDOWS = 4
_LEARNING_RATE = 5e-4
_SVDD_WEIGHT = 1e-3


def train_network(
    network: SelfTrainedNetwork,
    inputs: Sequence[Tensor],
    seed: int,
    steps: int,
    progress: Progress = silent,
    cancelled: Cancelled = never,
    watch: Watch | None = None,
) -> None:
    """Give `network` new weights, learnt in `steps` steps from pictures (n, 3, height, width), RGB in [0, 1].

    The same seed and pictures give the same weights. Raises CancelledError, and TrainingError where nothing is learnt.
    """
    random = torch.Generator().manual_seed(seed)
    kept: list[Tensor] = []
    room = KEPT_BYTES
    for index in torch.randperm(len(inputs), generator=random).tolist():
        pixels = inputs[index]
        room -= pixels.numel() * pixels.element_size()
        if kept and room < 0:
            break
        kept.append(pixels)
    with torch.inference_mode(False), torch.enable_grad():
        lesson = new_lesson(network.encoder.mean.device, kept, seed, steps)
        run_lesson(lesson, steps, progress, cancelled, watch)
    network.encoder.load_state_dict(lesson.encoder.state_dict())


def new_lesson(device: torch.device, parts: Sequence[Tensor], seed: int, steps: int) -> PositionLesson:
    """A run on an encoder of its own, with weights from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = PatchEncoder(PATCH_PX).to(device)
    return PositionLesson(
        encoder,
        parts,
        (),
        seed,
        steps=steps,
        windows=_WINDOWS,
        svdd_weight=_SVDD_WEIGHT,
        learning_rate=_LEARNING_RATE,
    )
