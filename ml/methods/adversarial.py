"""What methods share that redraw a whole input with a generator and judge it by the difference."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.adversarial_lessons import spread_inputs
from ml.errors import ParameterError
from ml.maps import ScoreMap
from ml.methods.base import Geometry, Scored
from ml.methods.trained import TrainedMethod
from ml.networks.ganomaly import SIZES

MEASURED_INPUTS = 64
"""Of good parts, by which the state is chosen and the usual size of each term of a score is known."""

MEASURED_AT_A_TIME = 16

GREY_SHARES = (0.299, 0.587, 0.114)
"""Of red, green and blue in the lightness, ITU-R BT.601."""

_LEAST_USUAL = 1e-12  # of a term, where good parts are redrawn without any difference


class Terms(NamedTuple):
    """How inputs differ from what was made of them: maps (n, rows, columns), a number per picture from the picture
    itself and one from a code of it, both (n,)."""

    maps: Tensor
    residual: Tensor
    latent: Tensor


class AdversarialMethod(TrainedMethod):
    """Square inputs within [-1, 1]; the networks are always in `eval()` when scoring, normalised over the batch with
    running statistics, so that no score depends on what else is in the batch.

    statistics: `usual` (2,), mean of the residual and latent terms of good parts.
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
                + ("the patch." if geometry == "patches" else "the size, or cut patches of such a side.")
            )
        self.side_px = height
        self.sigma_px = parameters.sigma_px
        self.channels = 1 if parameters.channels == "grey" else 3
        self.statistics = {"usual": torch.ones(2)}
        self.prepare_networks()

    @abstractmethod
    def terms(self, inputs: Tensor) -> Terms:
        """Compare embedded inputs (n, channels, side, side) with what the networks make of them."""

    def embed(self, inputs: Tensor) -> Tensor:
        """As they are, or their lightness (n, 1, side, side)."""
        if self.channels == 3:
            return inputs
        shares = inputs.new_tensor(GREY_SHARES)[:, None, None]
        return (inputs * shares).sum(1, keepdim=True)

    def finish(self, parts: Sequence[Tensor], validation: Sequence[Tensor]) -> None:
        inputs = spread_inputs(validation, MEASURED_INPUTS)
        if len(inputs) < MEASURED_INPUTS:
            # Inputs that were learnt from make up the number: minutes of training remember none of them.
            inputs = torch.cat((inputs, spread_inputs(parts, MEASURED_INPUTS - len(inputs))))
        terms = [self.terms(chunk.to(self.device)) for chunk in torch.split(inputs, MEASURED_AT_A_TIME)]
        usual = [torch.cat(values).mean() for values in ([t.residual for t in terms], [t.latent for t in terms])]
        self.statistics = {"usual": torch.stack(usual).clamp(min=_LEAST_USUAL)}

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        self.require_fitted()
        terms = self.terms(embedded)
        return Scored(terms.maps, self.combined(terms))

    @abstractmethod
    def combined(self, terms: Terms) -> Tensor:
        """The scores (n,) of a picture's terms."""

    def peaks(self, maps: Tensor) -> Tensor:
        """The highest place of each map (n, rows, columns), smoothed as it will be shown: (n,)."""
        smoothed = [ScoreMap.over(cells, *self.input_size).smoothed(self.sigma_px) for cells in maps.cpu().numpy()]
        return maps.new_tensor([over_input.maximum for over_input in smoothed])
