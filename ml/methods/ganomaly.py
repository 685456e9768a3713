"""GANomaly: "GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training", Akcay, Atapour-Abarghouei, Breckon,
ACCV 2018, arXiv 1805.06725.

A generator reduces pictures of good parts to a code, redraws them from it and reduces what it drew to a second code,
against a discriminator (`ml.networks.ganomaly`, `ml.adversarial_lessons`). The score of a picture is the distance of
its two codes, in the authors' code their mean squared difference.

The published method has no map: here it is the absolute difference of picture and reconstruction per channel, summed
then (signed sums cancel where only the colour differs), on request plus the loss of structural similarity; for whole
pictures it counts, place by place, in how far it exceeds that of good parts (`ml.usual_maps`).

Departures beside the lesson's and the map: the score is nine parts of the map's highest place and one of the codes'
distance, in spreads of good parts, shares as in Skip-GANomaly (`score`, `residual_share`). Networks are narrower as far
as the time at hand demands, and normalise over groups of channels: scores are taken in `eval()`, and the running
statistics of batch normalisation, while a setting, lag behind in a run of minutes. (The authors' code normalises over
the batch that is being scored, so that a score depends on its neighbours.) Scores are not scaled over a test set. The
learning rate is ten times the published one, in batches of 8 instead of 64, and pictures are shifted by up to 3 pixels.
The picture is not cropped.

Of defects painted into held-out good pictures of the set aliens, after a minute of training at 64 px and width 16, the
image AUROC by the latent distance was 0.55 to 0.58 in every variant. Groups instead of batches raised that of the map's
highest place from 0.64 to 0.70 (0.61 where it did not count place by place), shifts to 0.75, both terms to 0.76. After
two and a half minutes it was 0.61 by the latent distance, 0.78 by the map and 0.79 by both. On the set cookie, whose
parts lie anyhow, nothing went beyond 0.61.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ml.adversarial_lessons import DrawnInputs, GanomalyLesson, spread_inputs
from ml.catalogue.ganomaly import GanomalyParameters
from ml.methods.adversarial import MEASURED_INPUTS, AdversarialMethod, Terms
from ml.networks.ganomaly import Discriminator, Generator
from ml.similarity import structural_similarity


class Ganomaly(AdversarialMethod):
    """The model holds the generator alone."""

    name = "ganomaly"
    parameters: GanomalyParameters
    networks: Generator

    def build_networks(self) -> Generator:
        # 0 is not decided yet: such a network is looked at, but neither trained nor stored.
        settings = self.parameters
        width = max(settings.width, 1)
        return Generator(self.side_px, self.channels, width, settings.latent, settings.extra_layers, settings.norm)

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> GanomalyLesson:
        settings = self.parameters
        with torch.random.fork_rng(devices=[]):  # the lesson draws its weights
            discriminator = Discriminator(
                self.side_px, self.channels, settings.width, settings.extra_layers, settings.norm
            )
        return GanomalyLesson(
            self.networks,
            discriminator,
            DrawnInputs(parts, settings.batch, settings.shift_px, settings.flip),
            spread_inputs(validation, MEASURED_INPUTS),
            settings,
            seed,
            steps,
            self.device,
        )

    def differences(self, inputs: Tensor) -> Terms:
        made = self.networks(inputs)
        maps = (inputs - made.pictures).abs().sum(1)
        if self.parameters.ssim_weight:
            alike = structural_similarity((inputs + 1) / 2, (made.pictures + 1) / 2).mean(1)
            maps = maps + self.parameters.ssim_weight * (1 - alike)
        return Terms(maps, maps.mean((1, 2)), (made.latent - made.latent_again).square().mean(1))

    def combined(self, terms: Terms) -> Tensor:
        if self.parameters.score == "latent":
            return terms.latent
        if self.parameters.score == "residual":
            return terms.residual
        share = self.parameters.residual_share
        residual, latent = self.in_spreads(terms)
        return share * residual + (1 - share) * latent
