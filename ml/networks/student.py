"""The two networks that a student-teacher pair needs beside its teacher."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.backbones import build_untrained

HIDDEN = 128
DROPOUT = 0.2


class Student(nn.Module):
    """The teacher's architecture with random weights and with its batch normalisation, cut after the deepest stride."""

    def __init__(self, backbone: str, strides: tuple[int, ...]) -> None:
        super().__init__()
        network, self._indices = build_untrained(backbone, strides)
        self.network: Any = network.to(memory_format=torch.channels_last)

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Standardised RGB (n, 3, height, width) -> per stride (n, channels, height / stride, width / stride)."""
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        maps: list[Tensor] = self.network.forward_intermediates(inputs, indices=self._indices, intermediates_only=True)
        return maps


class DefectHead(nn.Module):
    """Mean over the picture -> 128, ReLU, dropout -> the logit of "shows a defect"."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, HIDDEN)
        self.answer = nn.Linear(HIDDEN, 1)

    def forward(self, features: Tensor, random: torch.Generator) -> Tensor:
        """Maps (n, channels, rows, columns) -> logits (n,); `random`, on the CPU, draws what is dropped in training."""
        hidden = functional.relu(self.hidden(features.mean((2, 3))))
        if self.training:
            kept = torch.rand(hidden.shape, generator=random).to(hidden.device) >= DROPOUT
            hidden = hidden * kept / (1 - DROPOUT)
        logits: Tensor = self.answer(hidden)[:, 0]
        return logits
