"""Skip-GANomaly: "Skip-GANomaly: Skip Connected and Adversarially Trained Encoder-Decoder Anomaly Detection", Akcay,
Atapour-Abarghouei, Breckon, IJCNN 2019, arXiv 1901.08954.

A U-Net redraws pictures of good parts, against a discriminator whose features say how well
(`ml.networks.skip_ganomaly`, `ml.adversarial_lessons`). A picture's score is lambda times the mean squared difference
of picture and reconstruction, plus (1 - lambda) times that of their features, as in the authors' code; lambda is 0.9.
The map is the absolute difference, averaged over the channels; for whole pictures it counts, place by place, in how far
it exceeds that of good parts (`ml.usual_maps`).

Departures beside the lesson's and the map: the picture's term is the map's highest place instead of a mean, which a
small defect hardly moves (`residual`), and both terms count in spreads of good parts, not as they come (`scale_terms`):
features have no natural scale, and the published sum is scaled over the test set instead. Networks are narrower as far
as the time at hand demands; normalisation, learning rate, batch and shifts as in `ml.methods.ganomaly`. Noise on the
input is drawn where it is asked for (`noise`) and while learning only; the authors' code adds memory that was never
written.

Of defects painted into held-out good pictures of the set aliens, after a minute of training at 64 px and width 8, the
image AUROC was 0.76 by the mean squared difference, 0.62 by the features and 0.82 as it is now; 0.76 without shifts.
Leaving out the two finest skip connections gave no more, and a worse map (pixel AUROC 0.79 against 0.88, both without
shifts). On the set cookie, whose parts lie anyhow, it was 0.59, tried without those connections and shifts only.
"""

from collections.abc import Sequence

from torch import Tensor

from ml.adversarial_lessons import DrawnInputs, SkipGanomalyLesson, spread_inputs
from ml.catalogue.skip_ganomaly import SkipGanomalyParameters
from ml.methods.adversarial import MEASURED_INPUTS, AdversarialMethod, Terms
from ml.networks.skip_ganomaly import SkipPair


class SkipGanomaly(AdversarialMethod):
    """The model holds both networks."""

    name = "skip_ganomaly"
    parameters: SkipGanomalyParameters
    networks: SkipPair

    def build_networks(self) -> SkipPair:
        # 0 is not decided yet: such a network is looked at, but neither trained nor stored.
        settings = self.parameters
        width = max(settings.width, 1)
        return SkipPair(self.side_px, self.channels, width, settings.latent, settings.dropped_skips, settings.norm)

    def lesson(
        self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int
    ) -> SkipGanomalyLesson:
        settings = self.parameters
        return SkipGanomalyLesson(
            self.networks.generator,
            self.networks.discriminator,
            DrawnInputs(parts, settings.batch, settings.shift_px, settings.flip),
            spread_inputs(validation, MEASURED_INPUTS),
            settings,
            seed,
            steps,
            self.device,
            settings.noise,
            keeps_discriminator=self.is_continued,
        )

    def differences(self, inputs: Tensor) -> Terms:
        made = self.networks.generator(inputs)
        features = self.networks.discriminator.features
        unlike = features(inputs) - features(made)
        differences = inputs - made
        return Terms(differences.abs().mean(1), differences.square().mean((1, 2, 3)), unlike.square().mean((1, 2, 3)))

    def combined(self, terms: Terms) -> Tensor:
        share = self.parameters.residual_share
        residual, latent = self.in_spreads(terms) if self.parameters.scale_terms else (terms.residual, terms.latent)
        return share * residual + (1 - share) * latent
