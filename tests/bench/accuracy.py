"""Train and evaluate every method and geometry on the real data sets, print the table of docs/benchmarks.md.

python -m tests.bench.accuracy [DATA_FOLDER] [--only NAME] [--methods patchcore,padim] [--runtimes auto]
    [--geometries whole,patches,tiles] [--preset balanced] [--set KEY=VALUE]

With several runtimes (torch,onnx) each model is evaluated with each. Settings are the defaults: nothing here is chosen
by looking at test pictures.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.detector import Detector
from ml.evaluation import evaluate
from ml.job import TrainingJob
from ml.threads import configure
from ml.training.pipeline import run

SETTINGS = ("data", "method", "geometry", "runtime")
COLUMNS = ("image_auroc", "pixel_auroc", "aupro_30", "f1", "f1_max", "region_recall")


@dataclass(frozen=True, slots=True)
class DataSet:
    name: str
    group_by: str | None = None
    patch: int = 256  # patch-wise runs; the smallest side for sets of small pictures


DATA_SETS = (
    DataSet("aliens"),
    DataSet("cookie"),
    DataSet("magnetic_tile", group_by=r"num_(\d+)\d{3}", patch=128),
    DataSet("leather_few"),
)


def main() -> None:
    arguments = _arguments()
    configure(None)
    print(
        "| data | method | geometry | runtime | "
        + " | ".join(COLUMNS)
        + " | TN/FP/FN/TP | with UNSURE as NG | train s | ms |"
    )
    print("|---|---|---|---|" + "---|" * (len(COLUMNS) + 4))
    for data_set in DATA_SETS:
        if arguments.only not in (None, data_set.name):
            continue
        for method in arguments.methods.split(","):
            for geometry in arguments.geometries.split(","):
                for row in _rows(arguments, data_set, method, geometry):
                    print(row, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--only")
    parser.add_argument("--methods", default="patchcore,padim")
    parser.add_argument("--geometries", default="whole,patches")
    parser.add_argument("--runtimes", default="auto")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--set", action="append", default=[], help="a setting of the methods, KEY=VALUE")
    return parser.parse_args()


def _rows(arguments: argparse.Namespace, data_set: DataSet, method: str, geometry: str) -> Iterator[str]:
    folder = arguments.data / data_set.name
    with tempfile.TemporaryDirectory() as scratch:
        job = TrainingJob(
            data=folder,
            out=Path(scratch) / "model.loupe",
            method=method,
            preset=arguments.preset,
            patch=data_set.patch if geometry == "patches" else None,
            tiles=geometry == "tiles",
            group_by=data_set.group_by,
            parameters=dict(setting.split("=", 1) for setting in arguments.set),
        )
        result = run(job)
        for runtime in arguments.runtimes.split(","):
            detector = Detector.load(job.out, runtime=runtime)
            report: dict[str, Any] = evaluate(detector, folder).to_json()
            values = " | ".join("-" if report[key] is None else f"{report[key]:.3f}" for key in COLUMNS)
            counts = " | ".join(_counts(report[key]) for key in ("confusion_matrix", "confusion_matrix_line"))
            seconds, latency = f"{result.seconds:.0f}", f"{report['latency_median_ms']:.0f}"
            name = f"{data_set.name} | {method} | {geometry} | {detector.runtime.name}"
            yield f"| {name} | {values} | {counts} | {seconds} | {latency} |"


def _counts(matrix: dict[str, int]) -> str:
    return "/".join(str(matrix[key]) for key in ("tn", "fp", "fn", "tp"))


if __name__ == "__main__":
    main()
