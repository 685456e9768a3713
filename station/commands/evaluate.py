"""`loupe evaluate`: measures a model on labelled pictures and says what came out."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ml.artifact import read_manifest
from ml.confusion import ConfusionMatrix
from ml.dataset import read_tests
from ml.errors import DetectorError
from ml.pictures import list_pictures
from ml.runtime.scores import RuntimeName
from station.commands.terminal import plain_table, progress_bar, say

if TYPE_CHECKING:  # torch takes seconds to import: what is plainly wrong is told before that
    from ml.metrics import EvaluationReport

SHOWN = (
    ("image_auroc", "image AUROC", ".4f"),
    ("image_ap", "image average precision", ".4f"),
    ("pixel_auroc", "pixel AUROC", ".4f"),
    ("aupro_30", "AUPRO, 30 %", ".4f"),
    ("aupro_05", "AUPRO, 5 %", ".4f"),
    ("aupimo", "AUPIMO", ".4f"),
    ("f1", "F1 at the threshold", ".4f"),
    ("f1_max", "best F1 (oracle)", ".4f"),
    ("iou", "IoU, pooled", ".4f"),
    ("dice", "Dice, pooled", ".4f"),
    ("region_recall", "region recall", ".4f"),
    ("false_regions_per_good", "false regions per good picture", ".2f"),
    ("latency_median_ms", "latency, median ms", ".1f"),
    ("latency_p95_ms", "latency, 95th percentile ms", ".1f"),
)


def measure(
    model: Path,
    data: Path,
    device: str,
    runtime: RuntimeName,
    console: Console,
    template_dir: Path | None = None,
) -> "EvaluationReport":
    """Score every test picture; faults are named on `console`. Raises LoupeError for a bad model or data set.

    `template_dir` holds a good picture of the same name for each: it takes the place of what the model has learnt.
    """
    read_manifest(model)
    read_tests(data)
    if template_dir is not None:
        list_pictures(template_dir)
        if runtime == "onnx":
            raise DetectorError("Templates are learnt by torch alone. Leave out --runtime onnx, or --template-dir.")
        runtime = "torch"

    def on_fault(path: Path, reason: str) -> None:
        say(console, f"FAULT {path}: {reason}", "magenta")

    from ml.detector import Detector
    from ml.evaluation import evaluate
    from ml.template_pairs import PairedDetector, evaluate_pairs

    detector = Detector.load(model, device, runtime)
    with progress_bar(console) as progress:
        if template_dir is not None:
            return evaluate_pairs(PairedDetector(detector), data, template_dir, progress, on_fault=on_fault)
        return evaluate(detector, data, progress, on_fault=on_fault)


def print_report(report: "EvaluationReport", console: Console) -> None:
    """The figures, the two matrices, the recall per kind of defect."""
    pictures = report.normal + report.anomalous
    console.print(
        f"{pictures} pictures judged: {report.normal} good, {report.anomalous} with a defect; "
        f"{report.unsure} UNSURE. {report.faults} FAULT (in no figure).\n"
    )
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for key, title, form in SHOWN:
        value = getattr(report, key)
        table.add_row(title, "-" if value is None else format(value, form), Text(report.reasons.get(key, "")))
    console.print(table)
    print_matrix("Confusion matrix at the threshold (UNSURE counts as normal)", report.confusion_matrix, console)
    print_matrix("As the line decides (UNSURE counts as anomaly)", report.confusion_matrix_line, console)
    if report.recall_per_kind:
        kinds = plain_table("kind of defect", "pictures", "NG", "NG or UNSURE", "recall")
        for kind in report.recall_per_kind:
            recall = f"{kind.ng / kind.pictures:.2f}" if kind.pictures else "-"
            kinds.add_row(Text(kind.kind), str(kind.pictures), str(kind.ng), str(kind.not_passed), recall)
        console.print("\nRecall per kind of defect", style="bold")
        console.print(Padding(kinds, (0, 0, 0, 2)))


def print_matrix(title: str, matrix: ConfusionMatrix, console: Console) -> None:
    """Truth in rows, verdict in columns."""
    table = plain_table("truth", "judged normal", "judged anomaly")
    table.add_row("normal", str(matrix.tn), str(matrix.fp))
    table.add_row("anomaly", str(matrix.fn), str(matrix.tp))
    console.print(f"\n{title}", style="bold")
    console.print(Padding(table, (0, 0, 0, 2)))
