"""Load a model file and score pictures: all that an inspection worker needs at run time.

No torch, unless the model is computed by it: where there is a GPU, where the file has no graph, or on demand.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ml.artifact import GraphRecord, Manifest, read_graph, read_manifest, read_model
from ml.catalogue import method as method_info
from ml.catalogue import parameters_of
from ml.errors import DetectorError, ModelFileError, ParameterError
from ml.images import PreparedPicture, prepare
from ml.map_filter import MAP_FILTER, Kernel, checked_filter
from ml.maps import Detection, ScoreMap
from ml.part_finder import all_parts
from ml.part_pictures import cut_out, put_back
from ml.part_search import PartSearch
from ml.pictures import check_pixels
from ml.preprocessing import Preprocessing
from ml.quality import LIKENESS_SIDE_PX
from ml.runtime.batches import Batches, Overlapping
from ml.runtime.devices import usable_device
from ml.runtime.scores import CellScores, Reading, Runtime, RuntimeName
from ml.scoring import assemble
from ml.threads import configure

REFERENCE_THUMBNAIL = "reference.thumbnail"
"""The tensor beside the method's own: the training pictures' mean, `(64, 64)` float32 grey, see `ml.quality`."""

_WARM_UP_SIDE_PX = 512


class Detector:
    """A loaded model: `score` turns pixels into a score and a map. Lives in one thread."""

    def __init__(
        self,
        manifest: Manifest,
        runtime: Runtime,
        reading: Reading,
        reference_thumbnail: NDArray[np.float32] | None = None,
        map_filter: Kernel | None = None,
    ) -> None:
        self.manifest = manifest
        self.runtime = runtime
        self.reference_thumbnail = reference_thumbnail
        self._reading = reading
        self._map_filter = map_filter
        self._batches = Batches(runtime.first_batch, runtime.release)

    @classmethod
    def load(cls, path: Path, device: str = "auto", runtime: RuntimeName = "auto", threads: int | None = None) -> Self:
        """Read and verify `path`.

        runtime: `auto` takes the file's graph on a CPU, and torch on a GPU or where the file has none. threads: of the
        CPU; None leaves torch's as they are and ONNX Runtime its default. Raises ModelFileError, or DetectorError when
        the device or the runtime is not to be had.
        """
        chosen = "cpu" if runtime == "onnx" and device == "auto" else usable_device(device)
        if runtime == "torch" or chosen != "cpu":
            if runtime == "onnx":
                raise DetectorError(
                    f"ONNX Runtime computes on the device 'cpu', not on '{chosen}'. Choose one of both."
                )
            return cls._in_torch(path, chosen, threads)
        manifest = read_manifest(path)
        if manifest.graph is None:
            if runtime == "onnx":
                why = manifest.graph_refused or "Add one with `loupe export --format loupe`."
                raise DetectorError(f"{path}: has no graph for ONNX Runtime. {why} Or use the runtime 'torch'.")
            return cls._in_torch(path, chosen, threads)
        return cls._by_graph(path, threads)

    @classmethod
    def _by_graph(cls, path: Path, threads: int | None) -> Self:
        from ml.runtime.onnx_runtime import OnnxRuntime

        manifest, small, graph = read_graph(path, (REFERENCE_THUMBNAIL, MAP_FILTER))
        if manifest.graph is None or graph is None:
            raise ModelFileError(f"{path}: was replaced while it was read; load it again.")
        try:
            computed = OnnxRuntime(graph, threads)
        except ModelFileError as error:
            reason = str(error).rstrip(".")
            raise ModelFileError(
                f"{path}: {reason}. PyTorch can compute it: choose that in Settings, or with --runtime torch."
            ) from error
        try:
            _check_reading(manifest.graph, manifest.preprocessing, computed.input_size)
            return cls(manifest, computed, manifest.graph, *_beside(small))
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from error

    @classmethod
    def _in_torch(cls, path: Path, device: str, threads: int | None) -> Self:
        if threads is not None:
            configure(threads)
        from ml import methods
        from ml.runtime.cuda_runtime import CudaRuntime
        from ml.runtime.torch_runtime import TorchRuntime

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
                margin=preprocessing.margin,
            )
            method.load_tensors(tensors)
            computed = (CudaRuntime if device == "cuda" else TorchRuntime)(method, device)
            return cls(manifest, computed, method, *_beside(tensors))
        except (ParameterError, ModelFileError) as error:
            raise ModelFileError(f"{path}: cannot be used by this version of Loupe: {error}") from error

    @property
    def device(self) -> str:
        """`cpu`, `cuda` or `mps`."""
        return self.runtime.device

    def warm_up(self, *, settles_threads: bool = False) -> None:
        """Score blank pictures, so that the first part does not pay for allocation and kernel choice.

        `settles_threads`: also find the number of threads that is fastest here and now (`ml.threads.settle`).
        """
        preprocessing = self.manifest.preprocessing.anywhere  # which costs the network nothing
        reference = self.manifest.reference
        height, width = min(reference.height_px, _WARM_UP_SIDE_PX), min(reference.width_px, _WARM_UP_SIDE_PX)
        if preprocessing.stride is not None:  # as many patches as make one batch, where the pictures have as many
            further = preprocessing.stride * (math.ceil(math.sqrt(self._batches.size)) - 1)
            height = min(reference.height_px, preprocessing.input_height + further)
            width = min(reference.width_px, preprocessing.input_width + further)
        blank: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
        for _ in range(2):
            self._detect(blank, preprocessing, None)
        if settles_threads:
            self.runtime.settle(lambda: self._detect(blank, preprocessing, None))

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
        prepared = prepare(pixels, preprocessing, outward=True)
        return assemble(self._reading, prepared, self._scored(prepared), on_partial, self._map_filter)

    def _scored(self, prepared: PreparedPicture) -> Iterator[tuple[int, CellScores]]:
        if isinstance(self.runtime, Overlapping):
            return self._batches.run_ahead(prepared, self.runtime.submit, self.runtime.room)
        return self._batches.run(prepared, self.runtime.score)

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


def _check_reading(graph: GraphRecord, preprocessing: Preprocessing, input_size: tuple[int, int]) -> None:
    """Raises ModelFileError where a graph or its record cannot be this model's: neither is part of the hash."""
    size = preprocessing.input_height, preprocessing.input_width
    if input_size != size or max(*map(abs, graph.offset_px), graph.sigma_px) > max(size):
        raise ModelFileError("its graph is not that of this model; copy the file again from where it came")


def _beside(tensors: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.float32] | None, Kernel | None]:
    """The reference thumbnail and the map filter, where a file has them. Raises ModelFileError where they are none."""
    thumbnail = tensors.get(REFERENCE_THUMBNAIL)
    if thumbnail is not None and thumbnail.shape != (LIKENESS_SIDE_PX, LIKENESS_SIDE_PX):
        raise ModelFileError(f"its reference thumbnail has the shape {thumbnail.shape}; train it again.")
    return thumbnail, checked_filter(tensors[MAP_FILTER]) if MAP_FILTER in tensors else None
