"""What methods share that redraw a whole input with a generator and judge it by the difference."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.adversarial_lessons import spread_inputs
from ml.errors import ParameterError
from ml.methods.base import Geometry, Scored
from ml.methods.trained import TrainedMethod
from ml.networks.ganomaly import SIZES
from ml.pictures import LUMA
from ml.usual_maps import PictureSize, smoothed, smoothed_in_graph, usual_and_spread

MEASURED_INPUTS = 64
"""Of good parts, by which the state is chosen and by which it is known what is usual."""

MEASURED_AT_A_TIME = 16

LEAST_SPREAD = 0.01
"""Of a map of differences, whose values are of the order of the pixels' from -1 to 1."""

LEAST_SPREAD_SHARE = 0.01
"""Of a term's mean, which is added to its spread: where all good parts are alike, rounding must not decide."""

_LEAST_TERM_SPREAD = 1e-6  # where that mean is nothing, too

Smoothing = Callable[[Tensor, float, PictureSize], Tensor]
"""As `ml.usual_maps.smoothed`."""


class Terms(NamedTuple):
    """How inputs differ from what was made of them: maps (n, side, side), and per input a number from the picture and
    one from a code of it, both (n,)."""

    maps: Tensor
    residual: Tensor
    latent: Tensor


class AdversarialMethod(TrainedMethod):
    """Square inputs within [-1, 1]. The networks are in `eval()` when scoring; normalised over the batch, they use
    their running statistics, so that no score depends on what else is scored.

    statistics: `middle` and `spread` (2,) of the residual and latent terms of good parts; with the setting
    `standardise`, for whole pictures, `usual` and `places` (side, side), the mean and spread of their maps.
    """

    def __init__(
        self,
        parameters: Any,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, weights, state)
        height, width = input_size
        if height != width or height not in SIZES:
            raise ParameterError(
                f"{self.name}: the network takes square inputs of {', '.join(map(str, SIZES[:-1]))} or {SIZES[-1]} px, "
                f"not {width} x {height} px. Give one of them as "
                + (
                    "the patch."
                    if geometry == "patches"
                    else "the size, which pictures are stretched to, or cut patches of such a side."
                )
            )
        self.side_px = height
        self.sigma_px = parameters.sigma_px
        self.channels = 1 if parameters.channels == "grey" else 3
        self.statistics = {"middle": torch.zeros(2), "spread": torch.ones(2)}
        self._is_standardised = parameters.standardise and geometry == "whole"
        if self._is_standardised:
            self.statistics |= {"usual": torch.zeros(height, width), "places": torch.ones(height, width)}
        self.prepare_networks()

    @abstractmethod
    def differences(self, inputs: Tensor) -> Terms:
        """Compare embedded inputs (n, channels, side, side) with what the networks make of them; the maps are not
        standardised yet, and the residual term is the mean of what it is made of."""

    @abstractmethod
    def combined(self, terms: Terms) -> Tensor:
        """The scores (n,) of inputs."""

    def terms(self, inputs: Tensor) -> Terms:
        """`differences` with maps that count place by place, where that is asked for."""
        return self._judged(self.differences(inputs))

    def embed(self, inputs: Tensor) -> Tensor:
        """As they are, or their lightness (n, 1, side, side)."""
        if self.channels == 3:
            return inputs
        shares = inputs.new_tensor(LUMA)[:, None, None]
        return (inputs * shares).sum(1, keepdim=True)

    def finish(self, parts: Sequence[Tensor], validation: Sequence[Tensor]) -> None:
        chosen = [spread_inputs(validation, MEASURED_INPUTS)]
        if len(chosen[0]) < MEASURED_INPUTS:
            # Inputs that were learnt from make up the number: minutes of training remember none of them.
            chosen.append(spread_inputs(parts, MEASURED_INPUTS - len(chosen[0])))
        inputs = torch.cat([some for some in chosen if len(some)])
        found = [self.differences(chunk.to(self.device)) for chunk in torch.split(inputs, MEASURED_AT_A_TIME)]
        if self._is_standardised:
            maps = torch.cat([terms.maps for terms in found])
            usual, places = usual_and_spread(maps, self.sigma_px, self.input_size, LEAST_SPREAD)
            self.statistics |= {"usual": usual, "places": places}
        terms = [self._judged(each) for each in found]
        each = torch.stack([torch.cat([term.residual for term in terms]), torch.cat([term.latent for term in terms])])
        middle, spread = each.mean(1), each.std(1, correction=0)
        self.statistics |= {"middle": middle, "spread": spread + LEAST_SPREAD_SHARE * middle.abs() + _LEAST_TERM_SPREAD}

    def in_spreads(self, terms: Terms) -> tuple[Tensor, Tensor]:
        """The residual and the latent term (n,) each, in how many spreads of good parts they exceed their mean."""
        middle, spread = self.statistics["middle"], self.statistics["spread"]
        return (terms.residual - middle[0]) / spread[0], (terms.latent - middle[1]) / spread[1]

    def _judged(self, terms: Terms, smooth: Smoothing = smoothed) -> Terms:
        if self._is_standardised:
            terms = terms._replace(maps=(terms.maps - self.statistics["usual"]) / self.statistics["places"])
        if self.parameters.residual == "peak":
            terms = terms._replace(residual=smooth(terms.maps, self.sigma_px, self.input_size).amax((1, 2)))
        return terms

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        self.require_fitted()
        # In one layout in memory, however the inputs were made: the convolutions' last bits depend on it.
        terms = self.terms(embedded.contiguous())
        return Scored(terms.maps, self.combined(terms))

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        self.require_fitted()
        terms = self._judged(self.differences(self.embed(inputs)), smoothed_in_graph)
        return Scored(terms.maps, self.combined(terms))
