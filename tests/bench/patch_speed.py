"""Patch-GANomaly on a picture of 256 x 1600 px at a stride of 8: inspection against the bare networks on its patches.

python -m tests.bench.patch_speed [WIDTH] [REPEATS]

From pixels to score and map, against encoder, decoder and second encoder on the same patches, cut before, in the same
batches. Both alternate in one process, so that a busy machine slows both alike; the shares are of each pair's times.
Weights are random: they change no time.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from ml.catalogue.patch_ganomaly import PatchGanomalyParameters
from ml.images import prepare
from ml.methods.patch_ganomaly import PatchGanomaly
from ml.methods.patchwise import PATCHES_AT_ONCE
from ml.preprocessing import Preprocessing
from ml.runtime.torch_runtime import as_cells
from ml.scoring import assemble
from ml.threads import configure

HEIGHT, WIDTH, STRIDE_PX = 256, 1600, 8
GOAL = 1.3


def main() -> None:
    channels = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    configure(None)
    method = PatchGanomaly(
        PatchGanomalyParameters.model_validate({"width": channels, "stride_px": STRIDE_PX, "steps": 1}),
        "whole",
        (HEIGHT, WIDTH),
    )
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    preprocessing = Preprocessing(
        geometry="whole",
        input_height=HEIGHT,
        input_width=WIDTH,
        window_low=0,
        window_high=255,
        mean=method.mean,
        std=method.std,
    )
    prepared = prepare(pixels, preprocessing)
    inputs = torch.from_numpy(prepared.inputs(0, 1))
    method.fit([inputs], seed=0)
    layout = method.layout
    patches = layout.patches(inputs, torch.arange(layout.count)).contiguous(memory_format=torch.channels_last)
    scores, accepted = torch.rand(1, layout.count), torch.ones(1, layout.count, dtype=torch.bool)

    def inspect() -> None:
        assemble(method, prepared, [(0, as_cells(method.score(torch.from_numpy(prepared.inputs(0, 1)))))])

    @torch.inference_mode()
    def bare() -> None:
        for portion in torch.split(patches, PATCHES_AT_ONCE):
            method.networks(portion)

    def recombine() -> None:
        layout.map_of(scores, accepted, "weighted", 0.0)

    works: dict[str, Callable[[], None]] = {"inspect": inspect, "bare": bare, "recombine": recombine}
    took: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        for name, work in works.items():
            seconds = _seconds(work)
            if repeat:  # the first ones allocate
                took[name].append(seconds)
    shares = [whole / networks for whole, networks in zip(took["inspect"], took["bare"], strict=True)]
    print(f"{layout.count:,} patches, width {channels}, {torch.get_num_threads()} threads, {repeats} pairs")
    print(f"pixels to score and map  {statistics.median(took['inspect']):7.2f} s")
    print(f"bare networks            {statistics.median(took['bare']):7.2f} s")
    print(f"ratio, median of pairs   {statistics.median(shares):7.2f}   (goal: {GOAL} at most)")
    print(f"recombination            {statistics.median(took['recombine']) * 1000:7.1f} ms")


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
