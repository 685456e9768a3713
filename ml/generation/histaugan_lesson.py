"""How HistAuGAN learns: the losses of DRIT++ (arXiv 1905.01270, section 3.2), weighted as in arXiv 2107.12357.

Per step, as in three published iterations: the content discriminator learns twice, then all others once. Weight of
the latent regression: it trains the generator and the content encoder and leaves the attribute encoder as it is.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from ml.drawing import below
from ml.generation.catalogue.histaugan import HistauganParameters
from ml.generation.domains import Domains
from ml.networks.histaugan import ATTRIBUTES, HistauganNetworks
from ml.training.loop import Lesson, Losses

RECONSTRUCTION = 10.0
"""Weight of self-reconstruction, cross-cycle reconstruction and latent regression."""

DOMAIN_OF_MADE = 5.0
CONTENT_PRIOR = 0.01
CONTENT_JUDGE_UPDATES = 2
CONTENT_JUDGE_SLOWER = 2.5
WEIGHT_DECAY = 1e-4
BETAS = (0.5, 0.999)
CONTENT_JUDGE_CLIP = 5.0
"""Largest norm of the content discriminator's gradient."""


class HistauganLesson(Lesson):
    """pictures: (3, height, width) each, within -1 to 1, no side shorter than a crop."""

    def __init__(
        self,
        networks: HistauganNetworks,
        pictures: Sequence[Tensor],
        domains: Domains,
        parameters: HistauganParameters,
        seed: int,
        steps: int,
        device: torch.device,
    ) -> None:
        self.networks: HistauganNetworks = networks
        self.random = torch.Generator().manual_seed(seed)
        self._pictures = pictures
        self._domains = domains
        self._crop_px = parameters.crop_px
        self._batch = parameters.batch
        self._attribute_prior = parameters.attribute_prior
        self._device = device
        rate = parameters.learning_rate
        judges = networks.judge_of_swapped, networks.judge_of_drawn
        self._makers = _adam(networks.makers, rate)
        self._judges = _adam(judges, rate)
        self._content_judge = _adam([networks.judge_of_content], rate / CONTENT_JUDGE_SLOWER)
        self.optimisers = [self._makers, self._judges, self._content_judge]

        def falling(step: int) -> float:
            """1 for the first half, then straight to 0."""
            return min(1.0, 2 * (1 - step / max(steps, 1)))

        self.schedules = [LambdaLR(optimiser, falling) for optimiser in self.optimisers]

    def step(self, number: int) -> Losses:
        for _ in range(CONTENT_JUDGE_UPDATES):
            of_content = self._judge_content(*self.batch())
        of_judges, of_makers = self._learn(*self.batch())
        for schedule in self.schedules:
            schedule.step()
        total = torch.stack(list(of_makers.values())).sum()
        return {"total": total, **of_makers, "judges": of_judges, "judge of content": of_content}

    def batch(self) -> tuple[Tensor, Tensor]:
        """Crops, each of a drawn domain and turned over by chance, and their one-hot domains."""
        chances = torch.tensor(self._domains.probabilities)
        domains = torch.multinomial(chances, self._batch, replacement=True, generator=self.random)
        crops = []
        for domain in domains.tolist():
            members = self._domains.members[domain]
            picture = self._pictures[int(members[below(len(members), self.random)])]
            top, left = (below(side - self._crop_px + 1, self.random) for side in picture.shape[1:])
            crop = picture[:, top : top + self._crop_px, left : left + self._crop_px]
            crops.append(crop.flip(2) if below(2, self.random) else crop)
        codes = functional.one_hot(domains, self._domains.count).float()
        return torch.stack(crops).to(self._device), codes.to(self._device)

    def _judge_content(self, pictures: Tensor, codes: Tensor) -> Tensor:
        with torch.no_grad():
            content = self.networks.content(pictures)
        loss = functional.binary_cross_entropy_with_logits(self.networks.judge_of_content(content), codes)
        self._content_judge.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.networks.judge_of_content.parameters(), CONTENT_JUDGE_CLIP)
        self._content_judge.step()
        return loss.detach()

    def _learn(self, pictures: Tensor, codes: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        networks = self.networks
        content = networks.content(pictures)
        noisy = content + self._normal(content.shape)
        mean, log_variance = networks.attributes(pictures, codes)
        attributes = self._drawn(mean, log_variance)
        chance = self._normal(attributes.shape)
        swapped, itself, drawn = networks.generator(
            torch.cat((_swap(noisy), noisy, _swap(noisy))),
            torch.cat((attributes, attributes, chance)),
            codes.repeat(3, 1),
        ).chunk(3)
        of_judges = self._judge(pictures, codes, swapped.detach(), drawn.detach())
        back = networks.generator(
            _swap(networks.content(swapped)), self._drawn(*networks.attributes(swapped, codes)), codes
        )
        read_back, _ = functional_call(
            networks.attributes,
            {name: weight.detach() for name, weight in networks.attributes.named_parameters()},
            (drawn, codes),
        )
        losses = {
            "adversarial": _taken_for_real(networks.judge_of_swapped, swapped, codes)
            + _taken_for_real(networks.judge_of_drawn, drawn, codes),
            "reconstruction": RECONSTRUCTION * functional.l1_loss(itself, pictures),
            "cross-cycle": RECONSTRUCTION * functional.l1_loss(back, pictures),
            "latent regression": RECONSTRUCTION * functional.l1_loss(read_back, chance),
            "attribute prior": self._attribute_prior * _divergence(mean, log_variance),
            "content prior": CONTENT_PRIOR * content.square().mean(),
            "content adversarial": functional.binary_cross_entropy_with_logits(
                networks.judge_of_content(noisy), 1 - codes
            ),
        }
        self._makers.zero_grad()
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        self._makers.step()
        return of_judges, {name: loss.detach() for name, loss in losses.items()}

    def _judge(self, pictures: Tensor, codes: Tensor, swapped: Tensor, drawn: Tensor) -> Tensor:
        judges = self.networks.judge_of_swapped, self.networks.judge_of_drawn
        loss = torch.zeros((), device=self._device)
        for judge, made in zip(judges, (swapped, drawn), strict=True):
            of_real, domains = judge(pictures)
            of_made, _ = judge(made)
            loss = loss + _is_said(of_real, True) + _is_said(of_made, False)
            loss = loss + functional.binary_cross_entropy_with_logits(domains, codes)
        self._judges.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._judges.step()
        return loss.detach()

    def _drawn(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        return mean + self._normal(mean.shape) * torch.exp(log_variance / 2)

    def _normal(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(*shape, generator=self.random).to(self._device)


@torch.no_grad()
def attribute_statistics(
    networks: HistauganNetworks, pictures: Sequence[Tensor], domains: Domains
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of z_a over each domain's pictures, (domains, 8) both.

    The deviation counts both how far the pictures' means lie apart and how uncertain each is, so that a domain of one
    picture has one too.
    """
    means, deviations = torch.zeros(domains.count, ATTRIBUTES), torch.zeros(domains.count, ATTRIBUTES)
    for number, members in enumerate(domains.members):
        code = functional.one_hot(torch.tensor([number]), domains.count).float()
        read = [networks.attributes(pictures[index][None], code) for index in members]
        centres, log_variances = (torch.cat(parts) for parts in zip(*read, strict=True))
        means[number] = centres.mean(0)
        deviations[number] = (centres.var(0, correction=0) + log_variances.exp().mean(0)).sqrt()
    return means, deviations


def _adam(modules: Sequence[nn.Module], rate: float) -> torch.optim.Adam:
    weights = [weight for module in modules for weight in module.parameters()]
    return torch.optim.Adam(weights, lr=rate, betas=BETAS, weight_decay=WEIGHT_DECAY)


def _swap(values: Tensor) -> Tensor:
    """Each half of the batch in the other's place."""
    return values.roll(len(values) // 2, dims=0)


def _taken_for_real(judge: nn.Module, made: Tensor, codes: Tensor) -> Tensor:
    real, domains = judge(made)
    return _is_said(real, True) + DOMAIN_OF_MADE * functional.binary_cross_entropy_with_logits(domains, codes)


def _is_said(logits: Tensor, is_real: bool) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))


def _divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Of N(mean, variance) from N(0, 1), per picture."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
