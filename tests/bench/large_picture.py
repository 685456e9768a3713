"""Pictures from 1 to 100 megapixels at native resolution: processor seconds, seconds and peak memory.

python -m tests.bench.large_picture GOOD.png MODEL.loupe... [--sides 1024 2048 4096 8192 10000] [--grey] [--threads N]

The models are trained with --tiles or --patch; GOOD.png shows a good part, and is laid side by side in mirror images.
Each row is a process of its own, which loads the model, warms up and inspects one picture: peak memory is that of the
whole process, the picture in it.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.artifact import read_manifest
from ml.detector import Detector
from ml.images import prepare
from ml.maps import find_regions
from ml.pictures import Pixels, read_picture
from tests.bench.side_process import Watch, peak

SIDES_PX = (1024, 2048, 4096, 8192, 10_000)
MIB = 2**20
HEAD = "| looks in | picture | inputs | CPU s | s | CPU s / megapixel | peak MiB | beside picture and libraries |"


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.one:
        pixels = _picture(arguments.good, arguments.sides[0], arguments.grey)
        print(json.dumps(_inspected(arguments.models[0], pixels, arguments.threads)))
        return
    print(HEAD, "|---" * HEAD.count(" | ") + "|---|", sep="\n")
    for model in arguments.models:
        for side_px in arguments.sides:
            print(_row(model, side_px, _apart(model, side_px, arguments)), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("good", type=Path, metavar="GOOD.png")
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.loupe")
    parser.add_argument("--sides", nargs="+", type=int, default=SIDES_PX, metavar="PX")
    parser.add_argument("--grey", action="store_true", help="grey pictures instead of coloured ones")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser


def _apart(model: Path, side_px: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """One row's figures from a fresh process."""
    command = [sys.executable, "-m", "tests.bench.large_picture", str(arguments.good), str(model), "--one"]
    command += ["--sides", str(side_px)]
    command += ["--grey"] if arguments.grey else []
    command += [] if arguments.threads is None else ["--threads", str(arguments.threads)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, Any] = json.loads(answer)
    return figures


def _inspected(model: Path, pixels: Pixels, threads: int | None) -> dict[str, Any]:
    before = peak()["bytes"] - pixels.nbytes
    detector = Detector.load(model, "cpu", threads=threads)
    detector.warm_up()
    watch = Watch()
    detection = detector.score(pixels)
    regions = find_regions(detection.score_map, detector.manifest.calibration.pixel_threshold)
    inputs = prepare(pixels, detector.manifest.preprocessing).count
    return {
        **watch.read(),
        "inputs": inputs,
        "regions": len(regions),
        "before": before,
        "picture": pixels.nbytes,
        "peak": peak()["bytes"],
    }


def _picture(good: Path, side_px: int, grey: bool) -> NDArray[Any]:
    ground: NDArray[Any] = read_picture(good).pixels[:side_px, :side_px]
    if grey and ground.ndim == 3:
        ground = np.ascontiguousarray(ground[..., 1])
    below, beside = side_px - ground.shape[0], side_px - ground.shape[1]
    pixels: NDArray[Any] = cv2.copyMakeBorder(ground, 0, below, 0, beside, cv2.BORDER_REFLECT_101).astype(
        ground.dtype, copy=False
    )
    pixels.setflags(write=False)
    return pixels


def _row(model: Path, side_px: int, figures: dict[str, Any]) -> str:
    preprocessing = read_manifest(model).preprocessing
    looks_in = f"{'tiles' if preprocessing.margin else 'patches'} of {preprocessing.input_width}"
    megapixels = side_px**2 / 1e6
    held = figures["peak"] - figures["before"] - figures["picture"]
    cells = (
        f"{looks_in} px every {preprocessing.stride}",
        f"{side_px}^2 ({megapixels:.0f} megapixel)",
        f"{figures['inputs']}",
        f"{figures['cpu_s']:.2f}",
        f"{figures['seconds']:.2f}",
        f"{figures['cpu_s'] / megapixels:.2f}",
        f"{figures['peak'] / MIB:.0f}",
        f"{held / MIB:.0f}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
