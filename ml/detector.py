"""Load a model file and score pictures: all that an inspection worker needs at run time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from ml import methods
from ml.artifact import Manifest, read_model
from ml.catalogue import method as method_info
from ml.errors import DetectorError
from ml.images import PreparedPicture, prepare
from ml.maps import Detection, ScoreMap
from ml.methods.base import Method, Scored
from ml.pictures import check_pixels
from ml.scoring import assemble

CPU_BATCH = 1  # eager batches are slower per picture on a CPU (measured: docs/performance.md)
GPU_BATCH = 32
REFERENCE_THUMBNAIL = "reference.thumbnail"
"""The tensor beside the method's own: the training pictures' mean, `(64, 64)` float32 grey, see `ml.quality`."""


def best_device() -> str:
    """`cuda` where there is one, else `mps`, else `cpu`."""
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def embed_in_batches(
    method: Method, prepared: PreparedPicture, device: str, batch: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield (index of the first input, features) for all inputs of a picture.

    When memory runs out the batch is halved and tried again, down to a single input; then DetectorError.
    """
    start = 0
    while start < prepared.count:
        stop = min(start + batch, prepared.count)
        try:
            inputs = prepared.inputs(start, stop).to(device, memory_format=torch.channels_last, non_blocking=True)
            with torch.autocast("cuda", dtype=torch.float16, enabled=device == "cuda"):
                features = method.embed(inputs)
        except (torch.OutOfMemoryError, MemoryError) as error:
            if stop - start == 1:
                raise DetectorError(
                    f"Not enough memory on {device} for one network input of "
                    f"{prepared.preprocessing.input_width}x{prepared.preprocessing.input_height} px. "
                    "Close other programs or train with a smaller size or patch."
                ) from error
            batch = (stop - start) // 2
            if device == "cuda":
                torch.cuda.empty_cache()
            continue
        yield start, features.float()
        start = stop


def device_title(device: str) -> str:
    """The device's name for people."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return "Apple GPU" if device == "mps" else f"torch {torch.__version__}, {torch.get_num_threads()} threads"


class Detector:
    """A loaded model: `score` turns pixels into a score and a map. Lives in one thread."""

    def __init__(
        self, manifest: Manifest, method: Method, device: str, reference_thumbnail: NDArray[np.float32] | None = None
    ) -> None:
        self.manifest = manifest
        self.device = device
        self.reference_thumbnail = reference_thumbnail
        self._method = method
        method.to(torch.device(device))
        self._batch = CPU_BATCH if device == "cpu" else GPU_BATCH

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Self:
        """Read and verify `path`. Raises ModelFileError, or DetectorError when the device is not to be had."""
        manifest, tensors = read_model(path)
        chosen = best_device() if device == "auto" else device
        if chosen == "cuda" and not torch.cuda.is_available():
            raise DetectorError("There is no CUDA device on this machine. Choose 'cpu' or 'auto'.")
        info = method_info(manifest.method)
        preprocessing = manifest.preprocessing
        method = methods.create(
            info.name,
            info.parameters.model_validate(manifest.parameters),
            preprocessing.geometry,
            (preprocessing.input_height, preprocessing.input_width),
            state=tensors,
        )
        method.load_tensors(tensors)
        return cls(manifest, method, chosen, tensors.get(REFERENCE_THUMBNAIL))

    def warm_up(self) -> None:
        """Score two blank pictures, so that the first part does not pay for allocation and kernel choice."""
        reference = self.manifest.reference
        blank: NDArray[np.uint8] = np.zeros((min(reference.height_px, 512), min(reference.width_px, 512)), np.uint8)
        for _ in range(2):
            self.score(blank)

    def score(
        self,
        pixels: NDArray[np.uint8] | NDArray[np.uint16],
        on_partial: Callable[[ScoreMap], None] | None = None,
    ) -> Detection:
        """Score one picture `(H, W)` or `(H, W, 3)` RGB, uint8 or uint16, from 32 px a side.

        The map answers at the picture's own size and holds raw scores; `on_partial` receives it as it grows.
        Raises PictureError for an unusable array and DetectorError when memory does not suffice.
        """
        check_pixels(pixels)
        with torch.inference_mode():
            prepared = prepare(pixels, self.manifest.preprocessing)
            return assemble(self._method, prepared, self._scored(prepared), on_partial)

    def _scored(self, prepared: PreparedPicture) -> Iterator[tuple[int, Scored]]:
        for start, features in embed_in_batches(self._method, prepared, self.device, self._batch):
            yield start, self._method.score(features)
