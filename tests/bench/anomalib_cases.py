"""What is compared with anomalib: cases with the same weights, size and method for both, and the files they need."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import safetensors.torch
import timm
import torch

from ml.catalogue import BACKBONES
from ml.dataset import read_normals
from ml.errors import WeightsError
from ml.pictures import read_picture
from ml.weights import find_weights

STRIDES = (8, 16)
SIZE_PX = 256
BANK_ROWS = 3000
FEATURES = 100
SEED = 0
NATIVE_PX = 2048
LARGE_PICTURES = 4
TILES = 32

_ARCHITECTURES = {"efficientnet_lite0": "tf_efficientnet_lite0", "resnet18": "resnet18"}
Method = Literal["patchcore", "padim"]


@dataclass(frozen=True, slots=True)
class Weights:
    """One file for both programs, with timm's names; `published` or random."""

    path: Path
    published: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One data set, method and backbone. `native`: pictures of NATIVE_PX inspected at their own size, tile by tile."""

    data: Path
    method: Method
    backbone: str
    native: bool = False

    @property
    def key(self) -> str:
        return f"{self.data.name}-{self.method}-{self.backbone}" + ("-native" if self.native else "")

    def loupe_job(self, weights: Weights, out: Path) -> dict[str, Any]:
        """What `ml.job.TrainingJob` takes."""
        own: dict[str, Any] = {"coreset_cap": BANK_ROWS}
        if self.method == "padim":
            own = {"channels": FEATURES, "grid_stride": STRIDES[0]}
        geometry = {"patch": SIZE_PX} if self.native else {"size": SIZE_PX}
        return {
            "data": str(self.data),
            "out": str(out),
            "method": self.method,
            "parameters": {"backbone": self.backbone, "strides": STRIDES, **own},
            "weights": str(weights.path),
            "seed": SEED,
            **geometry,
        }

    def anomalib_fit(self, weights: Weights, pictures: Path) -> dict[str, Any]:
        """What `AnomalibSide.fit` takes. `bank_share` gives as many rows as Loupe's cap."""
        vectors = len(read_normals(pictures)[1]) * (SIZE_PX // STRIDES[0]) ** 2
        info = BACKBONES[self.backbone]
        return {
            "method": self.method,
            "backbone": _ARCHITECTURES[self.backbone],
            "weights": str(weights.path),
            "normalisation": [info.mean, info.std],
            "size": SIZE_PX,
            "pictures": str(pictures),
            "bank_share": min((BANK_ROWS + 0.5) / vectors, 1.0),
            "features": FEATURES,
            "seed": SEED,
        }

    def anomalib_exports(self) -> dict[str, dict[str, Any]]:
        """What `AnomalibSide.export` takes, by what the tables call it. The last may fail: it is tried last."""
        height, width = read_picture(read_normals(self.data)[1][0]).pixels.shape[:2]
        whole = {"height": height, "width": width, "native": self.native, "tile": None}
        exports = {"torch": {"runtime": "torch", **whole}, "openvino": {"runtime": "openvino", **whole}}
        if self.native:
            exports = {"torch, tiled": {"runtime": "torch", **whole, "tile": SIZE_PX}, **exports}
        return exports


def shared_weights(backbone: str, folder: Path) -> Weights:
    """The published weights where they are to be had (package, or torchvision's download), else random ones."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    # Residual branches that start at zero would leave a network that hardly computes anything.
    options: dict[str, Any] = {"zero_init_last": False} if backbone.startswith("resnet") else {}
    network = timm.create_model(_ARCHITECTURES[backbone], pretrained=False, **options)
    entries = dict(network.state_dict())
    try:
        found, _ = find_weights(backbone)
    except WeightsError:
        path, published = folder / f"{backbone}-random.safetensors", False
    else:
        path, published = folder / f"{backbone}.safetensors", True
        if not found.keys() & entries.keys():  # the same network under other names, in the same order
            found = dict(zip(entries, found.values(), strict=True))
        entries = {name: found.get(name, value) for name, value in entries.items()}
    safetensors.torch.save_file({name: value.contiguous() for name, value in entries.items()}, path)
    return Weights(path, published)


def large_pictures(data: Path, folder: Path) -> tuple[Path, Path]:
    """A data set of few pictures of `data` enlarged to NATIVE_PX, and tiles cut out of its good ones, to learn from."""
    whole, tiles = folder / f"{data.name}_{NATIVE_PX}", folder / f"{data.name}_tiles"
    for made in (whole, tiles):
        shutil.rmtree(made, ignore_errors=True)
    chosen = [("train/good", path) for path in read_normals(data)[1][:LARGE_PICTURES]]
    chosen += [(f"test/{path.parent.name}", path) for path in _some_tests(data)]
    for part, path in chosen:
        pixels = cv2.resize(read_picture(path).pixels, (NATIVE_PX, NATIVE_PX), interpolation=cv2.INTER_CUBIC)
        _write(whole / part / f"{path.stem}.png", pixels)
    across = NATIVE_PX // SIZE_PX
    every = LARGE_PICTURES * across**2 // TILES
    for number, path in enumerate(read_normals(whole)[1]):
        pixels = read_picture(path).pixels
        for place in range(number % every, across**2, every):
            top, left = place // across * SIZE_PX, place % across * SIZE_PX
            _write(
                tiles / "train/good" / f"{path.stem}_{place}.png", pixels[top : top + SIZE_PX, left : left + SIZE_PX]
            )
    return whole, tiles


def _some_tests(data: Path) -> Iterator[Path]:
    for kind in sorted((data / "test").iterdir()):
        yield from sorted(path for path in kind.iterdir() if path.is_file())[: LARGE_PICTURES // 2]


def _write(path: Path, pixels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
