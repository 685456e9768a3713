"""A 100-megapixel picture, inspected patch by patch: seconds and peak memory.

python -m tests.bench.large_picture MODEL.loupe [SIDE_PX]    (MODEL trained with --patch)
"""

import resource
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from ml.detector import Detector
from ml.maps import find_regions
from ml.threads import configure


def main() -> None:
    side_px = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    configure(None)
    detector = Detector.load(Path(sys.argv[1]))
    detector.warm_up()
    coarse = np.random.default_rng(0).integers(0, 255, (side_px // 50, side_px // 50, 3), np.uint8)
    pixels = cv2.resize(coarse, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    began = time.perf_counter()
    detection = detector.score(pixels)
    regions = find_regions(detection.score_map, detector.manifest.calibration.pixel_threshold)
    seconds = time.perf_counter() - began
    whole = detection.score_map.at_picture_size()
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{side_px**2 / 1e6:.0f} megapixel: {seconds:.0f} s, {len(regions)} regions, map {whole.shape}, "
        f"peak memory of the whole process {peak_gib:.2f} GiB"
    )


if __name__ == "__main__":
    main()
