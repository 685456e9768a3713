"""Circuit boards with a template each (deeppcb), with and without a template side by side; one good picture elsewhere.

python -m tests.bench.template_pairs [DATA_FOLDER] [--group 20085] [--most N]
python -m tests.bench.template_pairs [DATA_FOLDER] --single aliens,cookie

Boxes: share of the official boxes that a region touches; false: regions per picture that touch no box. A region is what
reaches the pixel threshold, which comes from perturbed copies of the picture's own template alone. 'With' is the method
`template`; 'without' gives the same template to PatchCore's few-shot setting as its only training picture.
Defaults were set by looking at group 44000; group 20085 is for the report.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.detector import Detector
from ml.evaluation import evaluate
from ml.job import TrainingJob
from ml.pictures import list_pictures, read_picture
from ml.template_pairs import PairedDetector
from ml.threads import configure
from ml.training.pipeline import run

WITHOUT: dict[str, Any] = {"few_shot": True}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {"with": ("template", {}), "without": ("patchcore", WITHOUT)}


@dataclass(slots=True)
class Count:
    """Boxes touched by kind of defect, and regions that touch none."""

    touched: dict[str, int] = field(default_factory=dict)
    boxes: dict[str, int] = field(default_factory=dict)
    false_regions: list[int] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, boxes: list[dict[str, Any]], hot: NDArray[np.bool_]) -> None:
        """Boxes hold x1, y1, x2, y2 (inclusive) and type; `hot` is what reaches the pixel threshold."""
        regions, labels = cv2.connectedComponents(hot.astype(np.uint8), connectivity=8)
        touching: set[int] = set()
        for box in boxes:
            inside = set(np.unique(labels[box["y1"] : box["y2"] + 1, box["x1"] : box["x2"] + 1]).tolist()) - {0}
            self.boxes[box["type"]] = self.boxes.get(box["type"], 0) + 1
            self.touched[box["type"]] = self.touched.get(box["type"], 0) + bool(inside)
            touching |= inside
        self.false_regions.append(regions - 1 - len(touching))

    def __str__(self) -> str:
        boxes, touched = sum(self.boxes.values()), sum(self.touched.values())
        pictures = len(self.false_regions)
        kinds = ", ".join(f"{kind} {self.touched[kind]}/{self.boxes[kind]}" for kind in sorted(self.boxes))
        return (
            f"{pictures} pictures: {touched}/{boxes} boxes touched ({100 * touched / boxes:.1f} %), "
            f"{sum(self.false_regions) / pictures:.2f} false regions per picture, "
            f"{self.seconds / pictures:.1f} s a pair; {kinds}"
        )


def main() -> None:
    arguments = _arguments()
    configure(1)
    for name, (method, settings) in METHODS.items():
        if name not in arguments.methods.split(","):
            continue
        if arguments.single:
            for data_set in arguments.single.split(","):
                print(
                    f"{name} ({method}) {data_set}: {_single(arguments.data / data_set, method, settings)}", flush=True
                )
        else:
            folder = arguments.data / "deeppcb"
            print(f"{name} ({method}): {_pairs(folder, arguments.group, arguments.most, method, settings)}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--group", default="20085")
    parser.add_argument("--most", type=int, default=1000, help="only so many pairs")
    parser.add_argument("--single", help="data sets of which one good picture is learnt, e.g. aliens,cookie")
    parser.add_argument("--methods", default="with,without")
    return parser.parse_args()


def _pairs(folder: Path, group: str, most: int, method: str, settings: dict[str, Any]) -> Count:
    names = [path.name for path in list_pictures(folder / "test") if path.name.startswith(group)][:most]
    count = Count()
    paired = PairedDetector(_trained(folder / "template" / names[0], method, settings))
    began = time.perf_counter()
    for name in names:
        template, picture = (read_picture(folder / part / name).pixels for part in ("template", "test"))
        detection, calibration = paired.score(template, picture)
        boxes = json.loads((folder / "boxes" / name).with_suffix(".json").read_text())
        count.add(boxes, detection.score_map.at_picture_size() >= calibration.pixel_threshold)
    count.seconds = time.perf_counter() - began
    return count


def _single(folder: Path, method: str, settings: dict[str, Any]) -> str:
    first = list_pictures(folder / "train" / "good")[0]
    report = evaluate(_trained(first, method, settings), folder)
    shown = ("image_auroc", "pixel_auroc", "aupro_30", "f1", "f1_max")
    values = ", ".join(f"{key} {value:.3f}" for key in shown if (value := getattr(report, key)) is not None)
    return f"{values}, {report.confusion_matrix.to_json()}"


def _trained(picture: Path, method: str, settings: dict[str, Any]) -> Detector:
    """A model that has learnt this picture."""
    with tempfile.TemporaryDirectory() as scratch:
        data, out = Path(scratch) / "parts", Path(scratch) / "model.loupe"
        data.mkdir()
        (data / picture.name).write_bytes(picture.read_bytes())
        run(TrainingJob(data=data, out=out, method=method, parameters=settings))
        return Detector.load(out)


if __name__ == "__main__":
    main()
