"""Models in torch against their graphs in ONNX Runtime: time per input, and how far they differ.

python -m tests.bench.graph_speed FILE.loupe|METHOD... [--threads N] [--width CHANNELS] [--repeats N]

A METHOD stands for a model of its preset `balanced`, trained for one step on made pictures: what it has learnt changes
no time. `--width` is the one of networks whose width the time at hand would decide. Both runtimes alternate in one
process on the same input, so that a busy machine slows both alike. The ratio is the median of each pair's; the
difference is the largest, in shares of the range of scores.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ml import catalogue, methods
from ml.detector import Detector
from ml.errors import ExportError
from ml.methods.base import Method
from ml.runtime.export import export_graph
from ml.runtime.onnx_runtime import OnnxRuntime
from ml.runtime.scores import CellScores
from ml.runtime.torch_runtime import TorchRuntime
from ml.threads import configure

WARM_UPS = 2
PARTS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="FILE.loupe|METHOD")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    configure(arguments.threads)
    print(f"{arguments.repeats} pairs, threads: {arguments.threads}")
    print(f"{'model':<24}{'input':>12}{'torch':>11}{'ONNX Runtime':>15}{'ratio':>8}{'difference':>13}")
    for name in arguments.models:
        method = _method(name, arguments.width)
        height, width = method.input_size
        print(f"{Path(name).stem:<24}{f'{width} x {height}':>12}", end="", flush=True)
        try:
            graph = OnnxRuntime(export_graph(method), arguments.threads)
        except ExportError as error:
            print(f"  {error}")
            continue
        print(_compared(TorchRuntime(method, "cpu"), graph, method.input_size, arguments.repeats))


def _method(name: str, width: int) -> Method:
    if Path(name).is_file():
        runtime = Detector.load(Path(name), "cpu", "torch").runtime
        assert isinstance(runtime, TorchRuntime)
        return runtime.method
    info = catalogue.method(name)
    preset = info.presets["balanced"]
    decided = {"steps": 1, "width": width, "batch": 2}
    known = {key: value for key, value in decided.items() if key in info.parameters.model_fields}
    parameters = info.parameters.model_validate({**preset.settings, **known})
    made = methods.create(name, parameters, "whole", (preset.size_px, preset.size_px))
    with torch.no_grad():  # clones of what was embedded can be learnt from
        parts = [made.embed(torch.from_numpy(_inputs(made.input_size, seed))).clone() for seed in range(PARTS)]
    made.fit(parts, seed=0)
    return made


def _inputs(size: tuple[int, int], seed: int) -> NDArray[np.float32]:
    """One input, values about those of standardised pictures."""
    return np.random.default_rng(seed).uniform(-1, 1, (1, 3, *size)).astype(np.float32)


def _compared(by_torch: TorchRuntime, by_graph: OnnxRuntime, size: tuple[int, int], repeats: int) -> str:
    inputs = _inputs(size, seed=PARTS)
    pairs = []
    for repeat in range(WARM_UPS + repeats):
        torch_s, expected = _timed(lambda: by_torch.score(inputs))
        graph_s, found = _timed(lambda: by_graph.score(inputs))
        if repeat >= WARM_UPS:
            pairs.append((torch_s, graph_s))
    torch_ms, graph_ms = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    ratio = statistics.median(graph_s / torch_s for torch_s, graph_s in pairs)
    difference = float(np.abs(found.cells - expected.cells).max() / np.ptp(expected.cells))
    return f"{torch_ms:8.1f} ms{graph_ms:12.1f} ms{ratio:8.2f}{difference:13.1e}"


def _timed(score: Callable[[], CellScores]) -> tuple[float, CellScores]:
    began = time.perf_counter()
    scores = score()
    return time.perf_counter() - began, scores


if __name__ == "__main__":
    main()
