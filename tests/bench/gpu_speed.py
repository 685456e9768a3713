"""Inspection on a GPU against the bare forward pass of its backbone there.

python -m tests.bench.gpu_speed MODEL.loupe PICTURE [REPEATS]

The bare forward is that of a copy of the backbone with weights in half precision, channels-last, on inputs that lie
on the device, in the batches in which the picture is inspected; once launch by launch, once as a CUDA graph. The
inspection is measured as the station computes it, without CUDA graphs, and without preparing a batch ahead either. All
alternate in one process; medians, and ratios to the quicker of both bare ones.
"""

import copy
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ml.backbones import FeatureExtractor
from ml.detector import Detector
from ml.images import prepare
from ml.judging import judge
from ml.pictures import Pixels, read_picture
from ml.runtime.cuda_runtime import CudaRuntime

WARM_UPS = 3

Timed = Callable[[], object]


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit("gpu_speed measures on a CUDA device, and torch finds none here.")
    model, pixels = Path(sys.argv[1]), read_picture(Path(sys.argv[2])).pixels
    repeats = int(sys.argv[3]) if len(sys.argv) > 3 else 50
    detector = Detector.load(model, "cuda")
    detector.warm_up()
    works = {**_bare(detector, pixels), **_inspections(model, detector, pixels)}
    medians = _measured(works, repeats)
    floor = min(value for name, value in medians.items() if name.startswith("bare"))
    print(f"{detector.runtime.title}, {detector.manifest.name}, {repeats} repeats")
    print(f"{'':<44}{'median':>12}{'ratio':>8}")
    for name, median in medians.items():
        print(f"{name:<44}{f'{median:.2f} ms':>12}{median / floor:>8.2f}")
    print(f"replayed shapes: {_runtime(detector)._replayed.shapes or 'none'}")


def _runtime(detector: Detector) -> CudaRuntime:
    assert isinstance(detector.runtime, CudaRuntime)
    return detector.runtime


def _inspections(model: Path, detector: Detector, pixels: Pixels) -> dict[str, Timed]:
    launching, waiting = Detector.load(model, "cuda"), Detector.load(model, "cuda")
    for other in (launching, waiting):
        _runtime(other)._replayed.give_up()
    waiting._batches._fits_ahead = False

    def inspect(by: Detector) -> Timed:
        return lambda: judge(by.score(pixels), by.manifest.calibration, by.manifest.rules)

    return {
        "inspection": inspect(detector),
        "inspection, launch by launch": inspect(launching),
        "inspection, launch by launch, none ahead": inspect(waiting),
    }


def _bare(detector: Detector, pixels: Pixels) -> dict[str, Timed]:
    method = _runtime(detector).method
    extractor = getattr(method, "extractor", None)
    if not isinstance(extractor, FeatureExtractor):
        sys.exit(f"{detector.manifest.method} has no backbone to be held against; take PatchCore or PaDiM.")
    halved = copy.deepcopy(extractor).half()
    count, size = prepare(pixels, detector.manifest.preprocessing).count, detector._batches.size
    batches = [
        torch.rand(min(size, count - start), 3, *method.input_size)
        .to("cuda", torch.float16)
        .contiguous(memory_format=torch.channels_last)
        for start in range(0, count, size)
    ]
    graphs = {len(batch): _graph_of(halved, batch) for batch in batches}

    def launched() -> None:
        with torch.inference_mode():
            for batch in batches:
                halved(batch)

    def replayed() -> None:
        for batch in batches:
            graphs[len(batch)].replay()

    return {"bare forward, launch by launch": launched, "bare forward, as a CUDA graph": replayed}


def _graph_of(network: Callable[[Tensor], object], batch: Tensor) -> torch.cuda.CUDAGraph:
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode():
        network(batch)
        with torch.cuda.graph(graph):
            network(batch)
    return graph


def _measured(works: dict[str, Timed], repeats: int) -> dict[str, float]:
    """Milliseconds, until the device has done all of it: medians."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(WARM_UPS + repeats):
        for name, work in works.items():
            torch.cuda.synchronize()
            began = time.perf_counter()
            work()
            torch.cuda.synchronize()
            if number >= WARM_UPS:
                times[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == "__main__":
    main()
