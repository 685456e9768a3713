"""How GANomaly and Skip-GANomaly learn: a generator against a discriminator.

GANomaly: Akcay et al., ACCV 2018, arXiv 1805.06725, section 3.2. Skip-GANomaly: Akcay et al., IJCNN 2019,
arXiv 1901.08954, section 3.3. Losses, weights, Adam (0.5, 0.999) and the discriminator's new start as in the authors'
code; both networks are stepped from the same forward pass.

The state that is kept at the end is the one whose reconstructions of held-out good pictures differ least from them, in
mean absolute value: that loss is comparable from one step to the next. The adversarial loss is not, since it depends on
the opponent, nor is the latent distance, which is smallest for encoders that say nothing. (The authors keep the epoch
with the best AUC on the test set.)

Batches are drawn with replacement instead of in epochs, so that nothing but the random generator is to be remembered
between two steps.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ml.catalogue.adversarial import AdversarialParameters
from ml.drawing import below
from ml.gradnorm import GradNorm
from ml.networks.ganomaly import Discriminator, Generator, Reconstruction, Verdict, initialise
from ml.networks.skip_ganomaly import SkipDiscriminator, SkipGenerator
from ml.training.loop import Lesson, Losses
from ml.training.monitor import Reconstructions

Batches = Callable[[torch.Generator], Tensor]
"""Draws the pictures of one step (n, channels, size, size) within [-1, 1], by that generator alone."""

BETA2 = 0.999
WON_BELOW = 1e-5
"""Loss of the discriminator below which it is drawn anew: it has won, and the generator learns nothing from it."""

SHOWN = 4
BALANCE_LEARNING_RATE = 0.025  # of GradNorm's weights, as published
VALIDATED_AT_A_TIME = 64


class Opposed(NamedTuple):
    """The losses of one step, scalars, before their weights; the first three are the generator's."""

    adversarial: Tensor
    contextual: Tensor
    latent: Tensor
    discriminator: Tensor


class AdversarialLesson(Lesson):
    """One run of a generator against a discriminator.

    held_out: good pictures (n, channels, size, size) that are not learnt from, to choose the state by; none: the last
    state is kept. The discriminator is drawn anew before the first step, unless it has learnt before
    (`keeps_discriminator`). Where a generator holds frozen weights they stay as they are. `shared` are the weights by
    which GradNorm compares the losses.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        shared: Sequence[Tensor],
        batches: Batches,
        held_out: Tensor,
        parameters: AdversarialParameters,
        seed: int,
        steps: int,
        device: torch.device,
        *,
        keeps_discriminator: bool = False,
    ) -> None:
        self.random = torch.Generator().manual_seed(seed)
        self.patience = parameters.patience or None
        self._generator, self._discriminator, self._shared = generator, discriminator.to(device), shared
        self._batches = batches
        self._parameters = parameters
        self._device = device
        if not keeps_discriminator:
            initialise(discriminator, self.random)
        self._balance = GradNorm(3).to(device) if parameters.gradnorm else None
        self.networks = nn.ModuleDict({"generator": generator, "discriminator": discriminator})
        rates = [(generator, parameters.learning_rate), (discriminator, parameters.discriminator_learning_rate)]
        optimisers: list[Optimizer] = [
            Adam(_learning(network), lr=rate, betas=(parameters.beta1, BETA2)) for network, rate in rates
        ]
        if parameters.decay == "linear":
            self.schedules = [
                LambdaLR(optimiser, lambda step: min(1.0, max(0.0, 2 - 2 * step / steps))) for optimiser in optimisers
            ]
        if self._balance is not None:
            self.networks["balance"] = self._balance
            optimisers.append(Adam(self._balance.parameters(), lr=BALANCE_LEARNING_RATE))
        self.optimisers = optimisers
        self._held_out = held_out
        self._shown = (held_out if len(held_out) else batches(torch.Generator().manual_seed(seed)))[:SHOWN]

    @abstractmethod
    def losses(self, pictures: Tensor) -> Opposed:
        """The losses of a batch. The generator's graph may run through the discriminator, whose weights it does not
        train; the discriminator's may run through the generator likewise."""

    @abstractmethod
    def reconstructed(self, pictures: Tensor) -> Tensor:
        """What the generator makes of pictures (n, channels, size, size), in `eval()`."""

    def step(self, number: int) -> Losses:
        pictures = self._batches(self.random).to(self._device)
        with self._autocast():
            opposed = self.losses(pictures)
        parts = torch.stack(opposed[:3])
        total = self._total(parts)
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        if self._balance is not None:
            self._balance.balance(parts, self._shared).backward()  # type: ignore[no-untyped-call]
        for loss, network in ((total, self._generator), (opposed.discriminator, self._discriminator)):
            learning = _learning(network)
            loss.backward(inputs=learning, retain_graph=loss is total)  # type: ignore[no-untyped-call]
            if self._parameters.clip_norm:
                nn.utils.clip_grad_norm_(learning, self._parameters.clip_norm)
        for optimiser in self.optimisers:
            optimiser.step()
        for schedule in self.schedules:
            schedule.step()
        if self._balance is not None:
            self._balance.renormalise()
        if float(opposed.discriminator.detach()) < WON_BELOW:
            initialise(self._discriminator, self.random)
        return {"total": total.detach(), **{name: loss.detach() for name, loss in opposed._asdict().items()}}

    @torch.no_grad()
    def validate(self) -> float | None:
        if not len(self._held_out):
            return None
        differences = [
            (self.reconstructed(pictures) - pictures).abs().mean((1, 2, 3))
            for pictures in torch.split(self._held_out.to(self._device), VALIDATED_AT_A_TIME)
        ]
        return float(torch.cat(differences).mean())

    @torch.no_grad()
    def samples(self) -> Reconstructions:
        pictures = self._shown.to(self._device)
        return Reconstructions(as_pixels(pictures), as_pixels(self.reconstructed(pictures)))

    def _total(self, parts: Tensor) -> Tensor:
        if self._balance is not None:
            weighted: Tensor = self._balance(parts)
            return weighted
        settings = self._parameters
        weights = [settings.adversarial_weight, settings.contextual_weight, settings.latent_weight]
        return (parts * parts.new_tensor(weights)).sum()

    def _autocast(self) -> torch.autocast:
        is_mixed = self._device.type == "cuda" and self._parameters.mixed_precision
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=is_mixed)


class GanomalyLesson(AdversarialLesson):
    """The adversarial loss compares the discriminator's features, the latent loss the two latent codes."""

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        batches: Batches,
        held_out: Tensor,
        parameters: AdversarialParameters,
        seed: int,
        steps: int,
        device: torch.device,
    ) -> None:
        shared = [generator.decoder.last.weight]
        super().__init__(generator, discriminator, shared, batches, held_out, parameters, seed, steps, device)

    def losses(self, pictures: Tensor) -> Opposed:
        made: Reconstruction = self._generator(pictures)
        real: Verdict = self._discriminator(pictures)
        fake: Verdict = self._discriminator(made.pictures)
        return Opposed(
            adversarial=_squared(fake.features, real.features.detach()),
            contextual=(made.pictures.float() - pictures).abs().mean(),
            latent=_squared(made.latent_again, made.latent),
            discriminator=(_towards(real.logits, 1.0) + _towards(fake.logits, 0.0)) / 2,
        )

    def reconstructed(self, pictures: Tensor) -> Tensor:
        made: Reconstruction = self._generator(pictures)
        return made.pictures


class SkipGanomalyLesson(AdversarialLesson):
    """The adversarial loss asks for "real", the latent loss compares features; it is part of the discriminator's too.

    noise: standard deviation of what is added to the generator's input while it learns.
    """

    def __init__(
        self,
        generator: SkipGenerator,
        discriminator: SkipDiscriminator,
        batches: Batches,
        held_out: Tensor,
        parameters: AdversarialParameters,
        seed: int,
        steps: int,
        device: torch.device,
        noise: float = 0.0,
        *,
        keeps_discriminator: bool = False,
    ) -> None:
        shared = [generator.last.weight]
        super().__init__(
            generator,
            discriminator,
            shared,
            batches,
            held_out,
            parameters,
            seed,
            steps,
            device,
            keeps_discriminator=keeps_discriminator,
        )
        self._noise = noise

    def losses(self, pictures: Tensor) -> Opposed:
        made: Tensor = self._generator(self._noisy(pictures))
        real: Verdict = self._discriminator(pictures)
        fake: Verdict = self._discriminator(made)
        unlike = _squared(fake.features, real.features)
        return Opposed(
            adversarial=_towards(fake.logits, 1.0),
            contextual=(made.float() - pictures).abs().mean(),
            latent=unlike,
            discriminator=_towards(real.logits, 1.0) + _towards(fake.logits, 0.0) + unlike,
        )

    def reconstructed(self, pictures: Tensor) -> Tensor:
        made: Tensor = self._generator(pictures)
        return made

    def _noisy(self, pictures: Tensor) -> Tensor:
        if not self._noise:
            return pictures
        return pictures + self._noise * torch.randn(pictures.shape, generator=self.random).to(pictures.device)


class DrawnInputs:
    """Batches of whole inputs: of random pictures, each a sequence item (n, channels, size, size), a random input.

    shift_px, flip: moved by up to so many pixels along each axis, the border mirrored, and mirrored half of the time.
    """

    def __init__(self, parts: Sequence[Tensor], batch: int, shift_px: int = 0, flip: bool = False) -> None:
        self._parts = parts
        self._batch = batch
        self._shift_px = shift_px
        self._flip = flip

    def __call__(self, random: torch.Generator) -> Tensor:
        return torch.cat([self._drawn(random) for _ in range(self._batch)])

    def _drawn(self, random: torch.Generator) -> Tensor:
        part = self._parts[below(len(self._parts), random)]
        index = below(len(part), random)
        picture = part[index : index + 1]
        if self._shift_px:
            height, width = picture.shape[-2:]
            reach = self._shift_px
            top, left = below(2 * reach + 1, random), below(2 * reach + 1, random)
            padded = functional.pad(picture, (reach, reach, reach, reach), mode="reflect")
            picture = padded[..., top : top + height, left : left + width]
        if self._flip and below(2, random):
            picture = picture.flip(-1)
        return picture.clone()


def spread_inputs(parts: Sequence[Tensor], count: int) -> Tensor:
    """About `count` inputs, spread evenly over pictures (n, channels, height, width) and over the inputs of each.

    An empty tensor where there is no picture.
    """
    if not len(parts):
        return torch.empty(0)
    shown = torch.linspace(0, len(parts) - 1, min(count, len(parts))).long().tolist()
    each = max(1, count // len(shown))
    pictures = [parts[index] for index in shown]
    return torch.cat([part[torch.linspace(0, len(part) - 1, min(each, len(part))).long()].clone() for part in pictures])


def as_pixels(pictures: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Grey or RGB within [-1, 1] (n, channels, height, width) -> uint8 (n, height, width, 3) RGB."""
    shares = (pictures.float().clamp(-1, 1) + 1) / 2
    pixels = (shares * 255).round().to(torch.uint8).expand(-1, 3, -1, -1)
    return pixels.permute(0, 2, 3, 1).cpu().contiguous().numpy()


def _learning(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _squared(first: Tensor, second: Tensor) -> Tensor:
    return functional.mse_loss(first.float(), second.float())


def _towards(logits: Tensor, answer: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, answer).float())
