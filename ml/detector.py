"""Load a model file and score pictures: all that an inspection worker needs at run time."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ml import methods
from ml.artifact import Manifest, read_model
from ml.catalogue import method as method_info
from ml.catalogue import parameters_of
from ml.errors import DetectorError, ModelFileError, ParameterError
from ml.images import PreparedPicture, prepare
from ml.map_filter import MAP_FILTER, Kernel, checked_filter
from ml.maps import Detection, ScoreMap
from ml.methods.base import Method
from ml.part_finder import all_parts, upright_parts
from ml.part_pictures import cut_out, put_back
from ml.part_search import PartSearch
from ml.pictures import check_pixels
from ml.preprocessing import Preprocessing
from ml.quality import LIKENESS_SIDE_PX
from ml.scoring import assemble
from ml.threads import settle

CPU_BATCH = 1  # eager batches are slower per picture on a CPU (measured: docs/performance.md)
GPU_BATCH = 32
BYTES_PER_INPUT_PX = 512  # what a network holds at once for one input: the widest ones need half of it
REFERENCE_THUMBNAIL = "reference.thumbnail"
"""The tensor beside the method's own: the training pictures' mean, `(64, 64)` float32 grey, see `ml.quality`."""

_WARM_UP_SIDE_PX = 512

Result = TypeVar("Result")


def best_device() -> str:
    """`cuda` where there is one, else `mps`, else `cpu`."""
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def usable_device(wanted: str) -> str:
    """The device to compute on: `auto` is the best one. Raises DetectorError where `wanted` is not to be had."""
    if wanted == "auto":
        return best_device()
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not has.get(wanted, False):
        there = ", ".join(f"'{name}'" for name, is_there in {"auto": True, **has}.items() if is_there)
        raise DetectorError(f"There is no device '{wanted}' on this machine. Choose one of {there}.")
    return wanted


def device_title(device: str) -> str:
    """The device's name for people."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return "Apple GPU" if device == "mps" else f"torch {torch.__version__}, {torch.get_num_threads()} threads"


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """torch has a class for a full GPU only; the allocators of the main memory and of MPS raise a RuntimeError."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in ("can't allocate memory", "not enough memory", "out of memory"))


class Batches:
    """Runs pictures through a method's frozen network in batches as large as the memory allows.

    On CUDA the network computes in half precision; what it gives is float32 again. The batch is halved whenever memory
    runs out, for all later pictures too.
    """

    def __init__(self, method: Method, device: str) -> None:
        self._method = method
        self._device = device
        self.size = _first_batch(device, method.input_size)

    def run(self, prepared: PreparedPicture, work: Callable[[torch.Tensor], Result]) -> Iterator[tuple[int, Result]]:
        """Yield (index of the first input, `work` of the batch's features) for all inputs of a picture.

        Call within `torch.inference_mode()`. Raises DetectorError where memory does not even suffice for one input.
        """
        start = 0
        while start < prepared.count:
            stop = min(start + self.size, prepared.count)
            try:
                result = work(self._embed(prepared.inputs(start, stop)))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if stop - start == 1:
                    raise DetectorError(
                        f"Not enough memory on {self._device} for one network input of "
                        f"{prepared.preprocessing.input_width}x{prepared.preprocessing.input_height} px. "
                        "Close other programs or train with a smaller size or patch."
                    ) from error
                self.size = (stop - start) // 2
            else:
                yield start, result
                start = stop
                continue
            # Out here the error, and with it the batch that did not fit, is gone.
            if self._device == "cuda":
                torch.cuda.empty_cache()

    def _embed(self, inputs: torch.Tensor) -> torch.Tensor:
        inputs = inputs.to(self._device, memory_format=torch.channels_last)
        with torch.autocast("cuda", dtype=torch.float16, enabled=self._device == "cuda"):
            return self._method.embed(inputs).float()


def _first_batch(device: str, input_size: tuple[int, int]) -> int:
    if device == "cpu":
        return CPU_BATCH
    free_bytes = (
        torch.cuda.mem_get_info()[0]
        if device == "cuda"
        else torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    )
    fitting = free_bytes // 2 // (BYTES_PER_INPUT_PX * math.prod(input_size))
    return int(min(max(fitting, 1), GPU_BATCH))


class Detector:
    """A loaded model: `score` turns pixels into a score and a map. Lives in one thread."""

    def __init__(
        self,
        manifest: Manifest,
        method: Method,
        device: str,
        reference_thumbnail: NDArray[np.float32] | None = None,
        map_filter: Kernel | None = None,
    ) -> None:
        self.manifest = manifest
        self.device = device
        self.reference_thumbnail = reference_thumbnail
        self._method = method.to(torch.device(device))
        self._map_filter = map_filter
        self._batches = Batches(method, device)

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Self:
        """Read and verify `path`. Raises ModelFileError, or DetectorError when the device is not to be had."""
        chosen = usable_device(device)
        manifest, tensors = read_model(path)
        preprocessing = manifest.preprocessing
        try:
            info = method_info(manifest.method)
            method = methods.create(
                info.name,
                parameters_of(info, manifest.parameters),
                preprocessing.geometry,
                (preprocessing.input_height, preprocessing.input_width),
                state=tensors,
            )
            method.load_tensors(tensors)
            map_filter = checked_filter(tensors[MAP_FILTER]) if MAP_FILTER in tensors else None
        except (ParameterError, ModelFileError) as error:
            raise ModelFileError(f"{path}: cannot be used by this version of Loupe: {error}") from error
        thumbnail = tensors.get(REFERENCE_THUMBNAIL)
        if thumbnail is not None and thumbnail.shape != (LIKENESS_SIDE_PX, LIKENESS_SIDE_PX):
            raise ModelFileError(f"{path}: its reference thumbnail has the shape {thumbnail.shape}; train it again.")
        return cls(manifest, method, chosen, thumbnail, map_filter)

    def learn(self, pictures: Sequence[NDArray[np.uint8] | NDArray[np.uint16]], seed: int) -> None:
        """Forget what the model has learnt and learn these good pictures instead, with its settings.

        The manifest stays: its calibration is not that of what was learnt. For methods that train no networks.
        Raises TrainingError where the pictures do not suffice, and as `score` does.
        """
        parts = []
        for pixels in pictures:
            check_pixels(pixels)
            with torch.inference_mode():
                for part in upright_parts(pixels, self.manifest.preprocessing.parts):
                    seen = [part, *self._method.variants(part, seed)]
                    inputs = [prepare(variant, self.manifest.preprocessing.of_part) for variant in seen]
                    embedded = [batch for one in inputs for _, batch in self._batches.run(one, torch.Tensor.cpu)]
                    parts.append(torch.cat(embedded))
        self._method.fit(parts, seed)

    @property
    def failed_score(self) -> float:
        """From this score on a picture could not be compared at all: such a good part must not make a threshold."""
        return self._method.failed_score

    def warm_up(self, *, settles_threads: bool = False) -> None:
        """Score blank pictures, so that the first part does not pay for allocation and kernel choice.

        `settles_threads`: on a CPU, also find the number of threads that is fastest here and now (`ml.threads.settle`).
        """
        # What is looked at of a picture cannot be found on a blank one, and costs the network nothing.
        not_on_blank = dict.fromkeys(("region", "clahe", "ring", "area", "parts"))
        preprocessing = self.manifest.preprocessing.model_copy(update=not_on_blank)
        reference = self.manifest.reference
        height, width = min(reference.height_px, _WARM_UP_SIDE_PX), min(reference.width_px, _WARM_UP_SIDE_PX)
        if preprocessing.stride is not None:  # as many patches as make one batch, where the pictures have as many
            further = preprocessing.stride * (math.ceil(math.sqrt(self._batches.size)) - 1)
            height = min(reference.height_px, preprocessing.input_height + further)
            width = min(reference.width_px, preprocessing.input_width + further)
        blank: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
        for _ in range(2):
            self._detect(blank, preprocessing, None)
        if settles_threads and self.device == "cpu":
            settle(lambda: self._detect(blank, preprocessing, None))

    def score(
        self,
        pixels: NDArray[np.uint8] | NDArray[np.uint16],
        on_partial: Callable[[ScoreMap], None] | None = None,
    ) -> Detection:
        """Score one picture `(H, W)` or `(H, W, 3)` RGB, uint8 or uint16, of any size.

        The map answers at the picture's own size and holds raw scores; `on_partial` receives it as it grows.
        Raises PictureError for an unusable array and DetectorError when memory does not suffice or the scores are no
        numbers.
        """
        check_pixels(pixels)
        try:
            return self._detect(pixels, self.manifest.preprocessing, on_partial)
        except MemoryError as error:
            raise DetectorError(
                f"Not enough memory to inspect a picture of {pixels.shape[1]} x {pixels.shape[0]} px. "
                "Close other programs."
            ) from error

    def _detect(
        self,
        pixels: NDArray[np.uint8] | NDArray[np.uint16],
        preprocessing: Preprocessing,
        on_partial: Callable[[ScoreMap], None] | None,
    ) -> Detection:
        if preprocessing.parts is not None:
            return self._detect_parts(pixels, preprocessing, preprocessing.parts, on_partial)
        with torch.inference_mode():
            prepared = prepare(pixels, preprocessing)
            scored = self._batches.run(prepared, self._method.score)
            return assemble(self._method, prepared, scored, on_partial, self._map_filter)

    def _detect_parts(
        self,
        pixels: NDArray[np.uint8] | NDArray[np.uint16],
        preprocessing: Preprocessing,
        search: PartSearch,
        on_partial: Callable[[ScoreMap], None] | None,
    ) -> Detection:
        """Each part as a picture of its own; the highest score is that of the picture."""
        poses = all_parts(pixels, search)
        found: list[Detection] = []

        def so_far() -> ScoreMap:
            return put_back([one.score_map for one in found], poses[: len(found)], search, *pixels.shape[:2])

        for pose in poses:
            found.append(self._detect(cut_out(pixels, pose, search), preprocessing.of_part, None))
            if on_partial is not None and len(poses) > 1:
                on_partial(so_far())
        return Detection(max(one.score for one in found), so_far())
