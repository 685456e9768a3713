"""HistAuGAN: "Structure-Preserving Multi-Domain Stain Color Augmentation using Style-Transfer with Disentangled
Representations", Wagner et al., MICCAI 2021, arXiv 2107.12357.

A content encoder reads what a picture shows, an attribute encoder how it looks, and a generator paints what one picture
shows as another looks (`ml.networks.histaugan`, `ml.generation.histaugan_lesson`). For a new picture a domain is drawn
and attributes from the normal distribution that its pictures have (section 2.2).

Departures. Domains are hospitals there; here they are sorted by colours, or the good pictures and a template. The
learning rate is five times and the weight of the attributes' prior ten times the published one by default, and there
are hundreds of steps instead of 500,000. A network trained for minutes blurs, and one of any size makes up edges. So
the painted picture is not shown itself: how its colours differ from those that the network gives the picture in its own
look is carried over to the picture along its own structure (`ml.generation.colour_transfer`), which thereby stays
sharp, whatever its size. That change is bounded by what good pictures differ by (`ml.generation.colours`), and weakened
until the gradients correlate with the source's as `least_correlation` says. As published, colours would reach as far as
the network pleases.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ml.generation.catalogue.histaugan import CROP_MULTIPLE_PX, HistauganParameters
from ml.generation.colour_transfer import carried_over
from ml.generation.colours import ColourSpan, Figures, figures
from ml.generation.domains import Domains, clustered, good_and_template
from ml.generation.generator import GeneratedPicture, Generator, check_enough, check_wanted, random_of, sources
from ml.generation.histaugan_lesson import HistauganLesson, attribute_statistics
from ml.generation.structure import gradient_correlation
from ml.generation.training_time import steps_within
from ml.generation.value_window import Look, Values, ValueWindow, shrunk
from ml.networks.histaugan import HistauganNetworks
from ml.pictures import Pixels, read_picture
from ml.progress import Cancelled, Progress, never, silent
from ml.runtime.devices import best_device
from ml.training.loop import run_lesson, seconds_per_step

PICTURES_KEPT = 500
"""How many pictures are learnt from, at most, scaled down: they are held in memory."""

_SIDE_PER_CROP = 256 / 216
_NEIGHBOURHOOD = 1 / 12  # radius of the transfer, of a picture's shorter side
_WEAKER = 0.8
_WEAKENINGS = 16
_LONGEST = 8  # times the shorter side: the rest of a line camera's long picture is squeezed


class Histaugan(Generator):
    """Good parts in the looks of other good parts. Keeps hold of the pictures that it was fitted on.

    Trained on a GPU where there is one; there two fits with the same seed agree but for rounding.
    """

    name = "histaugan"
    parameters: HistauganParameters

    def __init__(self, parameters: HistauganParameters) -> None:
        super().__init__(parameters)
        self._fitted: _Fitted | None = None
        self._side_px = round(parameters.crop_px * _SIDE_PER_CROP)

    def fit(
        self, pictures: Sequence[Pixels], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        """As `Generator.fit`; of more than 500 pictures, 500 drawn ones are learnt from.

        Raises PictureError where the template cannot be read.
        """
        self._fitted = None
        settings = self.parameters
        check_enough(self.name, pictures)
        chosen = np.sort(np.random.default_rng(seed).permutation(len(pictures))[:PICTURES_KEPT])
        looks = []
        for number, index in enumerate(chosen):
            check_wanted(cancelled)
            progress("Reading pictures", number, len(chosen))
            looks.append(_Look.at(pictures[index], self._side_px))
        if settings.template:
            looks.append(_Look.at(read_picture(Path(settings.template)).pixels, self._side_px))
        window = ValueWindow.of([look.counts for look in looks])
        colours = [look.figures / window.highest for look in looks]
        smalls = [_tensor(look.small / np.float32(window.highest)) for look in looks]
        domains = good_and_template(len(chosen)) if settings.template else clustered(colours, settings.domains, seed)
        networks, steps = self._trained(smalls, domains, seed, progress, cancelled)
        means, deviations = attribute_statistics(networks, smalls, domains)
        self._fitted = _Fitted(
            pictures,
            chosen,
            window,
            ColourSpan.of(colours, settings.reach),
            domains,
            networks,
            means.numpy(),
            deviations.numpy(),
        )
        looks_held = ", ".join(str(len(members)) for members in domains.members)
        self.note = f"HistAuGAN trained {steps:,} steps; pictures per look: {looks_held}."

    def sample(self, count: int, seed: int) -> Iterator[GeneratedPicture]:
        if self._fitted is None:
            raise RuntimeError("Histaugan was asked for pictures before it was fitted")
        for number, picture in zip(range(count), sources(len(self._fitted.chosen), seed), strict=False):
            yield self._picture(self._fitted, picture, random_of(seed, number))

    def _trained(
        self, smalls: Sequence[Tensor], domains: Domains, seed: int, progress: Progress, cancelled: Cancelled
    ) -> tuple[HistauganNetworks, int]:
        """Trained networks, back on the CPU, and the steps that they took."""
        settings, device = self.parameters, torch.device(best_device())

        def lesson(steps: int) -> HistauganLesson:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                networks = HistauganNetworks(settings.width, domains.count, settings.crop_px).to(device)
            return HistauganLesson(networks, smalls, domains, settings, seed, steps, device)

        steps = settings.steps or steps_within(
            settings.minutes, seconds_per_step(lambda: lesson(1)), settings, domains.count, device
        )
        learning = lesson(steps)
        run_lesson(learning, steps, progress, cancelled)
        return learning.networks.cpu(), steps

    def _picture(self, fitted: "_Fitted", picture: int, random: np.random.Generator) -> GeneratedPicture:
        domain = int(random.integers(fitted.domains.count))
        attributes = random.normal(fitted.means[domain], fitted.deviations[domain]).astype(np.float32)
        source = fitted.pictures[fitted.chosen[picture]]
        values = fitted.window.values(source)
        small = shrunk(values, *_small_size(values.shape[0], values.shape[1], self._side_px))
        change = _repainted(fitted, small, fitted.domains.of(picture), domain, attributes)
        radius_px = round(_NEIGHBOURHOOD * min(small.shape[:2]))
        changed = fitted.span.bounded(values + carried_over(change, small, values, radius_px), values)
        pixels, strength, correlation = self._kept(fitted, source, values, changed)
        return GeneratedPicture(
            pixels,
            np.zeros(source.shape[:2], bool),
            self.name,
            int(fitted.chosen[picture]),
            {
                "domain": domain,
                "source_domain": fitted.domains.of(picture),
                "attributes": [round(float(value), 4) for value in attributes],
                "strength": strength,
                "gradient_correlation": correlation,
            },
        )

    def _kept(self, fitted: "_Fitted", source: Pixels, values: Values, changed: Values) -> tuple[Pixels, float, float]:
        """As much of the change as keeps the structure and stays among the good pictures' colours.

        Gives the pixels, the share of the change, and the gradient correlation.
        """
        for weakening in range(_WEAKENINGS):
            strength = _WEAKER**weakening
            weakened = values + np.float32(strength) * (changed - values)
            pixels = fitted.window.counts(weakened, source)
            correlation = gradient_correlation(pixels, source)
            if correlation >= self.parameters.least_correlation and fitted.span.holds(weakened, values):
                return pixels, round(strength, 4), round(correlation, 4)
        return source.copy(), 0.0, 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What is kept of a picture: dtype and brightest count, the figures of its colours and itself scaled down, both in
    counts."""

    counts: Look
    figures: Figures
    small: Values

    @classmethod
    def at(cls, pixels: Pixels, side_px: int) -> "_Look":
        values = ValueWindow(1.0).values(pixels)
        small = shrunk(values, *_small_size(values.shape[0], values.shape[1], side_px))
        return cls((pixels.dtype, int(pixels.max())), figures(values), small)


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """pictures: those given; chosen: the indices of those learnt from, by which `domains` counts them.

    means, deviations: of each domain's attributes, (domains, 8).
    """

    pictures: Sequence[Pixels]
    chosen: NDArray[np.intp]
    window: ValueWindow
    span: ColourSpan
    domains: Domains
    networks: HistauganNetworks
    means: NDArray[np.float32]
    deviations: NDArray[np.float32]


@torch.no_grad()
def _repainted(fitted: _Fitted, small: Values, own_domain: int, domain: int, attributes: NDArray[np.float32]) -> Values:
    """How the generator's picture in the wanted look differs from its picture in the source's own."""
    networks = fitted.networks
    codes = functional.one_hot(torch.tensor([own_domain, domain]), fitted.domains.count).float()
    picture = _tensor(small)[None]
    own, _ = networks.attributes(picture, codes[:1])
    wanted = torch.cat((own, torch.from_numpy(attributes)[None]))
    itself, painted = networks.generator(networks.content(picture).expand(2, -1, -1, -1), wanted, codes)
    return np.asarray((painted - itself).permute(1, 2, 0).numpy() / 2, np.float32)


def _tensor(values: Values) -> Tensor:
    """(height, width, 3), 0 to 1, as (3, height, width), -1 to 1."""
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1))) * 2 - 1


def _small_size(height: int, width: int, side_px: int) -> tuple[int, int]:
    """A picture's size with `side_px` on its shorter side; the longer one at most eight times as long, both divisible
    as the networks need it."""
    scale = side_px / min(height, width)
    sides = (min(side * scale, _LONGEST * side_px) for side in (height, width))
    rows, columns = (-(-round(side) // CROP_MULTIPLE_PX) * CROP_MULTIPLE_PX for side in sides)
    return rows, columns
