"""SinGAN: "SinGAN: Learning a Generative Model from a Single Natural Image", Rott Shaham, Dekel, Michaeli, ICCV 2019,
arXiv 1905.01164.

A pyramid of small generators learns a single picture, from 25 pixels upwards, each adding what its scale shows beyond
the coarser one (section 2.1; `ml.networks.singan`, `ml.generation.singan_lesson`). Noise at all scales gives another
picture of the same pieces. With noise only from `injection_scale` on, the coarser scales remember the picture as it was
(section 4): its outline stays, which parts need.

Departures. With noise from a later scale on only fine grain would differ, since its amplitude is a tenth of what that
scale adds; so the noise of the coarsest scale is drawn near the one that stands for the picture (`looseness`), and
nearer where the gradients of a variant no longer correlate with the picture's. A picture is learnt at `size_px` and its
variants are enlarged; fine detail is the picture's own, moved to where the variant shows it (`ml.generation.detail`),
so that nothing finer than a pixel of `size_px` is new. Where a variant shows what the picture nowhere does, it is only
as sharp as `size_px` allows. Colours that the picture has nowhere are drawn to its own. By default there are fewer
channels and steps than published.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ml.errors import ParameterError, TrainingError
from ml.generation.catalogue.singan import SinganParameters
from ml.generation.colours import within_palette
from ml.generation.detail import detailed
from ml.generation.generator import GeneratedPicture, Generator, check_enough, random_of, sources
from ml.generation.singan_lesson import ScaleLesson, remembered
from ml.generation.structure import gradient_correlation
from ml.generation.training_time import steps_within
from ml.generation.value_window import Values, ValueWindow, shrunk
from ml.networks.singan import LEAST_SIDE_PX, Scale
from ml.pictures import Pixels
from ml.progress import Cancelled, Progress, never, silent
from ml.runtime.devices import best_device
from ml.training.loop import run_lesson, seconds_per_step

SCALES_PER_DOUBLING = 4
"""After so many scales the networks have twice the channels."""

WIDEST = 4
"""Times the channels of the coarsest scale, at most."""

_TIGHTER = 0.7
_TIGHTENINGS = 5
_PROBE_S = 0.3


class Singan(Generator):
    """Variants of one good picture, or of `sources` many. Keeps hold of the pictures that it was fitted on.

    Trained on a GPU where there is one; there two fits with the same seed agree but for rounding.
    """

    name = "singan"
    parameters: SinganParameters

    def __init__(self, parameters: SinganParameters) -> None:
        super().__init__(parameters)
        self._pyramids: list[_Pyramid] = []
        self._pictures: Sequence[Pixels] = ()

    def fit(
        self, pictures: Sequence[Pixels], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        """As `Generator.fit`. Raises ParameterError for a source or an injection scale that does not exist."""
        check_enough(self.name, pictures)
        self._pyramids, self._pictures = [], pictures
        chosen = self._chosen(len(pictures), seed)
        for number, index in enumerate(chosen):
            turn = number, len(chosen)
            pyramid = _learnt(self.parameters, index, pictures[index], turn, seed, progress, cancelled)
            self._pyramids.append(pyramid)
            self.note = (
                f"SinGAN learnt {len(chosen)} of {len(pictures)} pictures at {len(pyramid.scales)} scales of "
                f"{pyramid.steps:,} steps each."
            )

    def sample(self, count: int, seed: int) -> Iterator[GeneratedPicture]:
        if not self._pyramids:
            raise RuntimeError("Singan was asked for pictures before it was fitted")
        for number, learnt in zip(range(count), sources(len(self._pyramids), seed), strict=False):
            yield self._variant(self._pyramids[learnt], int(random_of(seed, number).integers(2**62)))

    def _chosen(self, count: int, seed: int) -> list[int]:
        wanted = self.parameters.source
        if wanted >= count:
            raise ParameterError(f"source={wanted}: there are {count} good pictures, counted from 0")
        drawn = np.random.default_rng(seed).permutation(count)[: self.parameters.sources].tolist()
        return drawn if wanted < 0 else [wanted]

    def _variant(self, pyramid: "_Pyramid", seed: int) -> GeneratedPicture:
        settings, source = self.parameters, self._pictures[pyramid.source]
        large = pyramid.window.values(source)
        for tightening in range(_TIGHTENINGS + 1):
            looseness = settings.looseness * _TIGHTER**tightening if tightening < _TIGHTENINGS else 0.0
            variant = pyramid.variant(settings.injection_scale, looseness, torch.Generator().manual_seed(seed))
            pixels = pyramid.window.counts(detailed(variant, pyramid.small, large), source)
            correlation = gradient_correlation(pixels, source)
            if settings.injection_scale == 0 or correlation >= settings.least_correlation:
                break
        return GeneratedPicture(
            pixels,
            np.zeros(source.shape[:2], bool),
            self.name,
            pyramid.source,
            {
                "injection_scale": settings.injection_scale,
                "looseness": round(looseness, 4),
                "gradient_correlation": round(correlation, 4),
            },
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Pyramid:
    """The picture `source` as its scales have learnt it in `steps` steps each. small: it at the finest scale."""

    source: int
    window: ValueWindow
    scales: Sequence[Scale]
    small: Values
    steps: int

    @torch.no_grad()
    def variant(self, injection_scale: int, looseness: float, random: torch.Generator) -> Values:
        """Another picture of the finest scale's size.

        What the pyramid does not remember of the picture is no part of the variation: it is the same in all variants.
        Their colours are the picture's.
        """
        picture: Tensor | None = None
        for level, scale in enumerate(self.scales):
            noise = torch.randn(1, *scale.anchor.shape, generator=random)
            if level >= injection_scale:
                picture = scale(picture, noise)
            elif level == 0:
                picture = scale(picture, math.sqrt(1 - looseness**2) * scale.anchor[None] + looseness * noise)
            else:
                picture = scale.again(picture)
        varied = _values(picture) + self.small - _values(remembered(self.scales))
        return within_palette(varied, self.small)


def scale_sizes(height: int, width: int, parameters: SinganParameters) -> list[tuple[int, int]]:
    """Height and width at each scale, the coarsest first, of a picture of `height` x `width`.

    Raises TrainingError for a picture so long and narrow that the networks see nothing of its shorter side.
    """
    shrink = min(1.0, parameters.size_px / max(height, width))
    shorter = min(height, width) * shrink
    count = 1 + max(0, math.ceil(math.log(parameters.coarsest_px / shorter) / math.log(parameters.scale_factor)))
    # The factor is changed a little, as published, so that the coarsest scale has just the wanted size.
    factor = min(1.0, (parameters.coarsest_px / shorter)) ** (1 / max(count - 1, 1))
    sizes = [
        (round(height * shrink * factor**below), round(width * shrink * factor**below))
        for below in reversed(range(count))
    ]
    if min(sizes[0]) < LEAST_SIDE_PX:
        raise TrainingError(
            f"A picture of {width} x {height} px is too narrow for SinGAN: at size_px={parameters.size_px} its shorter "
            f"side is {shorter:.0f} px, and {LEAST_SIDE_PX} are needed. Raise size_px, or use the generator "
            "'appearance'."
        )
    return sizes


def _learnt(
    settings: SinganParameters,
    source: int,
    pixels: Pixels,
    turn: tuple[int, int],
    seed: int,
    progress: Progress,
    cancelled: Cancelled,
) -> _Pyramid:
    """The trained pyramid of a picture. turn: the number of this pyramid, and how many there will be."""
    device = torch.device(best_device())
    window = ValueWindow.of([(pixels.dtype, int(pixels.max()))])
    sizes = scale_sizes(pixels.shape[0], pixels.shape[1], settings)
    if settings.injection_scale > len(sizes):  # as many as there are: nothing but looseness is left to chance
        raise ParameterError(
            f"injection_scale={settings.injection_scale}: a picture of {pixels.shape[1]} x {pixels.shape[0]} px has "
            f"{len(sizes)} scales with these settings, counted from 0"
        )
    values = window.values(pixels)
    targets = [_tensor(shrunk(values, *size)).to(device) for size in sizes]
    number, pyramids = turn
    steps = settings.steps or steps_within(
        settings.minutes / pyramids, _seconds_per_step(targets, settings), settings, sizes, device
    )
    scales: list[Scale] = []
    for target in targets:

        def of_all_scales(stage: str, done: int, total: int, before: int = len(scales)) -> None:
            of_pictures = f", picture {number + 1} of {pyramids}" if pyramids > 1 else ""
            progress(f"{stage}{of_pictures}", before * total + done, len(targets) * total)

        lesson = _lesson(scales, target, settings, seed, steps)
        run_lesson(lesson, steps, of_all_scales, cancelled)
        scales.append(lesson.networks.requires_grad_(False))
    return _Pyramid(source, window, [scale.cpu() for scale in scales], shrunk(values, *sizes[-1]), steps)


def _lesson(coarser: list[Scale], target: Tensor, settings: SinganParameters, seed: int, steps: int) -> ScaleLesson:
    """Of the scale above `coarser`, which starts from what the next coarser one has learnt where it is as wide."""
    level = len(coarser)
    height, width = target.shape[2:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + level)
        scale = Scale(_channels(settings, level), height, width)
    if level and _channels(settings, level) == _channels(settings, level - 1):
        scale.generator.load_state_dict(coarser[-1].generator.state_dict())
        scale.critic.load_state_dict(coarser[-1].critic.state_dict())
    return ScaleLesson(scale.to(target.device), tuple(coarser), target, settings, seed + level, steps)


def _seconds_per_step(targets: Sequence[Tensor], settings: SinganParameters) -> float:
    """Of one step at each scale together, measured on an untrained pyramid."""
    scales: list[Scale] = []
    seconds = 0.0
    for target in targets:
        make = partial(_lesson, scales, target, settings, 0, 1)
        seconds += seconds_per_step(make, least_s=_PROBE_S)
        scales.append(make().networks)
    return seconds


def _channels(settings: SinganParameters, level: int) -> int:
    return settings.channels * min(1 << level // SCALES_PER_DOUBLING, WIDEST)


def _tensor(values: Values) -> Tensor:
    """(height, width, 3), 0 to 1, as (1, 3, height, width), -1 to 1."""
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None] * 2 - 1


def _values(picture: Tensor | None) -> Values:
    """`_tensor` back."""
    assert picture is not None  # every pyramid has a scale
    return np.asarray((picture[0].permute(1, 2, 0).numpy() + 1) / 2, np.float32)
