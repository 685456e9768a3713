"""Weights of several losses that adapt so that all of them train at a like pace.

"GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks", Chen, Badrinarayanan, Lee and
Rabinovich, ICML 2018, arXiv 1711.02257, algorithm 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

ALPHA = 0.15
"""How strongly losses that lag behind are favoured."""

_LEAST = 1e-12  # a loss or gradient that has vanished must not be divided by
_LEAST_WEIGHT = 1e-3  # a weight at or below zero would reward the loss it belongs to


class GradNorm(nn.Module):
    """The weights (n,) of `count` losses, float32, of sum `count`; the losses at the beginning are kept beside them.

    Departure: `balance` keeps every weight above 0.001, since the published step may take one below zero.
    """

    weights: nn.Parameter
    first: Tensor
    is_begun: Tensor

    def __init__(self, count: int, alpha: float = ALPHA) -> None:
        super().__init__()
        self.alpha = alpha
        self.weights = nn.Parameter(torch.ones(count))
        self.register_buffer("first", torch.ones(count))
        self.register_buffer("is_begun", torch.zeros((), dtype=torch.bool))

    def forward(self, losses: Tensor) -> Tensor:
        """The weighted sum of losses (n,); no gradient reaches the weights through it."""
        return (self.weights.detach() * losses).sum()

    def balance(self, losses: Tensor, shared: Sequence[Tensor]) -> Tensor:
        """The loss of the weights, equation 2: how far the length of each weighted loss's gradient with respect to the
        `shared` weights is from where it should be. The graph of `losses` (n,) is kept; its gradients go to `weights`
        alone.
        """
        now = losses.detach().float()
        if not self.is_begun:
            self.first.copy_(now.clamp(min=_LEAST))
            self.is_begun.fill_(True)
        lengths = torch.stack([_gradient_length(loss, shared) for loss in losses])
        weighted = self.weights * lengths
        pace = now / self.first
        target = weighted.detach().mean() * (pace / pace.mean().clamp(min=_LEAST)) ** self.alpha
        return (weighted - target).abs().sum()

    @torch.no_grad()
    def renormalise(self) -> None:
        """After each step of the weights: their sum is their number again."""
        self.weights.clamp_(min=_LEAST_WEIGHT)
        self.weights.mul_(len(self.weights) / self.weights.sum())


def _gradient_length(loss: Tensor, shared: Sequence[Tensor]) -> Tensor:
    gradients = torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)
    lengths = [gradient.float().norm() for gradient in gradients if gradient is not None]
    whole: Tensor = torch.stack([*lengths, torch.zeros((), device=loss.device)]).norm()
    return whole
