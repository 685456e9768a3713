"""Inspection time against its floor: backbone forward plus one matrix product of the bank's size, both in eager torch.

python -m tests.bench.floor MODEL.loupe PICTURE [REPEATS]

The floor is taken at the thread setting where it is lowest; the detector runs as the station runs it. Repeats
alternate, so that a busy machine slows both alike. Decoding and storing are listed apart.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import torch

from ml.artifact import read_model
from ml.backbones import build_backbone
from ml.catalogue import parse_settings
from ml.detector import Detector
from ml.maps import find_regions
from ml.pictures import read_picture
from ml.threads import configure
from station.core.frame import Frame
from station.core.inspection import Inspected
from station.core.inspector import Inspector
from station.core.recipe_rules import recipe_for
from station.database import open_database
from station.history import HistoryWriter, PictureStore


def main() -> None:
    model, picture_path = Path(sys.argv[1]), Path(sys.argv[2])
    repeats = int(sys.argv[3]) if len(sys.argv) > 3 else 60
    configure(None)
    detector = Detector.load(model, "cpu")
    detector.warm_up(settles_threads=True)
    station_threads = torch.get_num_threads()
    pixels = read_picture(picture_path).pixels
    forward, product = _floor_parts(model)
    calibration = detector.manifest.calibration

    def inspect() -> None:
        detection = detector.score(pixels)
        calibration.judge(detection.score)
        find_regions(detection.score_map, calibration.pixel_threshold)

    cores = psutil.cpu_count(logical=False) or 1
    settings = sorted({1, cores, station_threads})
    times: dict[str, list[float]] = {"inspect": []}
    for threads in settings:
        times[f"forward {threads}"], times[f"product {threads}"] = [], []
    for _ in range(repeats):
        torch.set_num_threads(station_threads)
        times["inspect"].append(_ms(inspect))
        for threads in settings:
            torch.set_num_threads(threads)
            times[f"forward {threads}"].append(_ms(forward))
            times[f"product {threads}"].append(_ms(product))
    torch.set_num_threads(station_threads)
    median = {name: statistics.median(values) for name, values in times.items()}
    floors = {threads: median[f"forward {threads}"] + median[f"product {threads}"] for threads in settings}
    best = min(floors, key=lambda threads: floors[threads])
    print(f"decoded pixels to verdict  {median['inspect']:7.1f} ms  ({station_threads} threads)")
    print(
        f"floor                      {floors[best]:7.1f} ms  ({best} threads: forward {median[f'forward {best}']:.1f}, "
        f"product {median[f'product {best}']:.1f})"
    )
    print(f"ratio                      {median['inspect'] / floors[best]:7.2f}")
    print(f"apart: decode              {_median_ms(lambda: read_picture(picture_path), repeats):7.1f} ms")
    print(f"apart: store               {_store_ms(detector, picture_path, repeats):7.1f} ms")


def _floor_parts(model: Path) -> tuple[Callable[[], object], Callable[[], object]]:
    """The bare backbone forward and the bare product, with tensors of the model's own sizes."""
    manifest, tensors = read_model(model)
    parameters = parse_settings(manifest.method, manifest.parameters)
    extractor = build_backbone(parameters.backbone, parameters.strides)
    size = (manifest.preprocessing.input_height, manifest.preprocessing.input_width)
    inputs = torch.rand(1, 3, *size).contiguous(memory_format=torch.channels_last)
    if manifest.method == "patchcore":
        bank = torch.rand(tensors["bank"].shape)
        queries = torch.rand((size[0] // 8) * (size[1] // 8), bank.shape[1])

        def product() -> object:
            return queries @ bank.T
    else:
        positions, channels = tensors["mean"].shape
        whitening = torch.rand(positions, channels, channels)
        features = torch.rand(positions, channels, 1)

        def product() -> object:
            return torch.bmm(whitening, features)

    return torch.inference_mode()(lambda: extractor(inputs)), torch.inference_mode()(product)


def _store_ms(detector: Detector, picture_path: Path, repeats: int) -> float:
    """Encoding, writing and committing a captured picture (no file bytes to copy), on this disk."""
    recipe = recipe_for(detector.manifest, "bench", "bench")
    inspector = Inspector(recipe.model_copy(update={"width_px": None, "height_px": None}), detector)
    picture = read_picture(picture_path)
    parts: list[Inspected] = []
    for _ in range(repeats):
        parts.append(inspector.inspect(Frame(picture.pixels.copy(), picture.bit_depth, "bench")))
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(Path(folder) / "loupe.db")
        writer = HistoryWriter(engine, PictureStore(Path(folder) / "pictures"), min_free_bytes=0)
        times = [_ms(lambda part=part: writer.record(part)) for part in parts]  # type: ignore[misc]
        writer.close()
        engine.dispose()
    return statistics.median(times)


def _ms(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1e3


def _median_ms(act: Callable[[], object], repeats: int) -> float:
    return statistics.median(_ms(act) for _ in range(repeats))


if __name__ == "__main__":
    main()
