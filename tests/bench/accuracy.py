"""Train and evaluate every method and geometry on the real data sets, print the table of docs/benchmarks.md.

python -m tests.bench.accuracy [DATA_FOLDER] [--only NAME] [--methods patchcore,padim]

Settings are the defaults: nothing here is chosen by looking at test pictures.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.detector import Detector
from ml.evaluation import evaluate
from ml.job import TrainingJob
from ml.threads import configure
from ml.training.pipeline import run

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
    print("| data | method | geometry | " + " | ".join(COLUMNS) + " | TN/FP/FN/TP | with UNSURE as NG | train s | ms |")
    print("|---|---|---|" + "---|" * (len(COLUMNS) + 4))
    for data_set in DATA_SETS:
        if arguments.only not in (None, data_set.name):
            continue
        for method in arguments.methods.split(","):
            for geometry in arguments.geometries.split(","):
                print(_row(arguments.data / data_set.name, data_set, method, geometry), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--only")
    parser.add_argument("--methods", default="patchcore,padim")
    parser.add_argument("--geometries", default="whole,patches")
    return parser.parse_args()


def _row(folder: Path, data_set: DataSet, method: str, geometry: str) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        job = TrainingJob(
            data=folder,
            out=Path(scratch) / "model.loupe",
            method=method,
            patch=data_set.patch if geometry == "patches" else None,
            group_by=data_set.group_by,
        )
        result = run(job)
        report: dict[str, Any] = evaluate(Detector.load(job.out), folder).to_json()
    values = " | ".join("-" if report[key] is None else f"{report[key]:.3f}" for key in COLUMNS)
    counts = " | ".join(_counts(report[key]) for key in ("confusion_matrix", "confusion_matrix_line"))
    latency = report["latency_median_ms"]
    return f"| {data_set.name} | {method} | {geometry} | {values} | {counts} | {result.seconds:.0f} | {latency:.0f} |"


def _counts(matrix: dict[str, int]) -> str:
    return "/".join(str(matrix[key]) for key in ("tn", "fp", "fn", "tp"))


if __name__ == "__main__":
    main()
