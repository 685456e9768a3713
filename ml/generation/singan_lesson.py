"""How one scale of SinGAN learns: section 2.2 and supplementary B of arXiv 1905.01164."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.lr_scheduler import MultiStepLR

from ml.generation.catalogue.singan import SinganParameters
from ml.networks.singan import Scale, enlarged
from ml.training.loop import Lesson, Losses

RECONSTRUCTION = 10.0
"""Weight of the mean squared error of the picture itself."""

GRADIENT_PENALTY = 0.1
NOISE_SHARE = 0.1
"""Of what the coarser scales cannot show of the picture: the amplitude of a scale's noise."""

BETAS = (0.5, 0.999)
_SLOWER_FROM = 0.8
_SLOWER = 0.1


class ScaleLesson(Lesson):
    """Learns `scale` above the trained `coarser` ones, from the coarsest on.

    picture: (1, 3, height, width) within -1 to 1, what is learnt at the size of this scale.
    """

    def __init__(
        self,
        scale: Scale,
        coarser: Sequence[Scale],
        picture: Tensor,
        parameters: SinganParameters,
        seed: int,
        steps: int,
    ) -> None:
        self.networks: Scale = scale
        self.random = torch.Generator().manual_seed(seed)
        self._coarser = coarser
        self._picture = picture
        self._updates = parameters.updates
        self._remembered = remembered(coarser)
        self._set_noise()
        rate = parameters.learning_rate
        self._critics = torch.optim.Adam(scale.critic.parameters(), lr=rate, betas=BETAS)
        self._makers = torch.optim.Adam(scale.generator.parameters(), lr=rate, betas=BETAS)
        self.optimisers = [self._critics, self._makers]
        slower_at = [max(1, round(_SLOWER_FROM * steps))]
        self.schedules = [MultiStepLR(optimiser, slower_at, _SLOWER) for optimiser in self.optimisers]

    def step(self, number: int) -> Losses:
        for _ in range(self._updates):
            of_critic = self._judge()
        for _ in range(self._updates):
            adversarial, reconstruction = self._make()
        for schedule in self.schedules:
            schedule.step()
        total = adversarial + reconstruction
        return {"total": total, "adversarial": adversarial, "reconstruction": reconstruction, "critic": of_critic}

    def _set_noise(self) -> None:
        scale = self.networks
        if self._remembered is None:
            scale.anchor.copy_(self._noise(scale)[0])
            return
        missing = self._picture - enlarged(self._remembered, scale.size)
        scale.amplitude.copy_(NOISE_SHARE * missing.square().mean().sqrt())

    def _judge(self) -> Tensor:
        with torch.no_grad():
            made = self._variant()
        critic = self.networks.critic
        share = torch.rand((), generator=self.random).to(made.device)
        between = (share * self._picture + (1 - share) * made).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        # As published, the slope counts pixel by pixel: the critic has an output for each place.
        penalty = (slope.norm(dim=1) - 1).square().mean()
        loss = critic(made).mean() - critic(self._picture).mean() + GRADIENT_PENALTY * penalty
        self._critics.zero_grad()
        loss.backward()
        self._critics.step()
        judged: Tensor = loss.detach()
        return judged

    def _make(self) -> tuple[Tensor, Tensor]:
        adversarial = -self.networks.critic(self._variant()).mean()
        again = self.networks.again(self._remembered)
        reconstruction = RECONSTRUCTION * functional.mse_loss(again, self._picture)
        self._makers.zero_grad()
        (adversarial + reconstruction).backward()
        self._makers.step()
        return adversarial.detach(), reconstruction.detach()

    def _variant(self) -> Tensor:
        """A picture of this scale above random ones of the coarser scales; gradients reach this scale alone."""
        before = None
        with torch.no_grad():
            for scale in self._coarser:
                before = scale(before, self._noise(scale))
        made: Tensor = self.networks(before, self._noise(self.networks))
        return made

    def _noise(self, scale: Scale) -> Tensor:
        return torch.randn(1, *scale.anchor.shape, generator=self.random).to(scale.anchor.device)


@torch.no_grad()
def remembered(scales: Sequence[Scale]) -> Tensor | None:
    """The picture that was learnt as the finest of `scales` remembers it, (1, 3, height, width); None without any."""
    picture = None
    for scale in scales:
        picture = scale.again(picture)
    return picture
