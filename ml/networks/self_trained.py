"""The encoder of Patch SVDD as a backbone: what features are made of where no pretrained weights are to be had."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.networks.patch_svdd import CHANNELS, SMALL_CELLS, PatchEncoder, PatchSide

PATCH_PX: PatchSide = 64
_PADDING_PX = 24  # the large patch around the first cell's middle begins that far outside


class SelfTrainedNetwork(nn.Module):
    """Patches of 32 px at the strides 4 and 8, of 64 px at the stride 16, each around the middle of its cell.

    Offers what a timm network offers `ml.backbones`. Its input is RGB in [0, 1] with sides that are multiples of the
    deepest stride; beyond the borders it is reflected.
    """

    STRIDES = (4, 8, 16)

    def __init__(self) -> None:
        super().__init__()
        self.encoder = PatchEncoder(PATCH_PX)
        self.offset_px = self.encoder.centre_px
        self.feature_info = [{"reduction": stride, "num_chs": CHANNELS} for stride in self.STRIDES]

    def forward_intermediates(
        self, inputs: Tensor, indices: Sequence[int], intermediates_only: bool = True
    ) -> list[Tensor]:
        """The maps of the strides at `indices`: (n, 64, height / stride, width / stride) each."""
        padded = functional.pad(inputs, (_PADDING_PX,) * 4, mode="reflect")
        dense = self.encoder.embed_small(padded.contiguous(memory_format=torch.channels_last))
        return [self._at(self.STRIDES[index], dense, inputs.shape[-2:]) for index in indices]

    def prune_intermediate_layers(self, indices: Sequence[int], prune_norm: bool, prune_head: bool) -> None:
        """Every layer stays: the model's file is 1.5 MB."""

    def _at(self, stride: int, dense: Tensor, size: torch.Size) -> Tensor:
        cell_px = self.encoder.cell_px
        every = stride // cell_px
        if stride == self.STRIDES[-1]:
            return self.encoder.embed_large(dense, every)
        first = (_PADDING_PX + stride // 2) // cell_px - SMALL_CELLS // 2
        rows, columns = (side // cell_px for side in size)
        return dense[..., first : first + rows : every, first : first + columns : every]
