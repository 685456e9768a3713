"""`loupe evaluate`: measures a model on labelled pictures and says what came out."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from ml.confusion import ConfusionMatrix
from ml.detector import Detector
from ml.evaluation import evaluate
from ml.metrics import EvaluationReport

SHOWN = (
    ("image_auroc", "image AUROC"),
    ("image_ap", "image average precision"),
    ("pixel_auroc", "pixel AUROC"),
    ("aupro_30", "AUPRO, 30 %"),
    ("aupro_05", "AUPRO, 5 %"),
    ("aupimo", "AUPIMO"),
    ("f1", "F1 at the threshold"),
    ("f1_max", "best F1 (oracle)"),
    ("iou", "IoU, pooled"),
    ("dice", "Dice, pooled"),
    ("region_recall", "region recall"),
    ("false_regions_per_good", "false regions per good picture"),
    ("latency_median_ms", "latency, median ms"),
    ("latency_p95_ms", "latency, p95 ms"),
)


def measure(model: Path, data: Path, device: str, console: Console) -> EvaluationReport:
    """Score every test picture; faults are named on `console`."""
    detector = Detector.load(model, device)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("Scoring", total=None)
        return evaluate(
            detector,
            data,
            lambda stage, done, total: bars.update(task, description=stage, completed=done, total=total),
            on_fault=lambda path, reason: console.print(f"FAULT {path}: {reason}", style="magenta", markup=False),
        )


def print_report(report: EvaluationReport, console: Console) -> None:
    """The figures, the two matrices, the recall per kind of defect."""
    table = Table("measure", "value", "", box=None, padding=(0, 2, 0, 0))
    for key, title in SHOWN:
        value = getattr(report, key)
        table.add_row(title, "-" if value is None else f"{value:.4f}", report.reasons.get(key, ""))
    console.print(table)
    console.print(_matrix("at the threshold (UNSURE counts as normal)", report.confusion_matrix))
    console.print(_matrix("as the line decides (UNSURE counts as anomaly)", report.confusion_matrix_line))
    kinds = Table("kind of defect", "pictures", "NG", "recall")
    for kind in report.recall_per_kind:
        kinds.add_row(
            kind.kind, str(kind.pictures), str(kind.ng), f"{kind.ng / kind.pictures:.2f}" if kind.pictures else "-"
        )
    console.print(kinds)
    console.print(f"{report.unsure} UNSURE, {report.faults} FAULT (in no figure)")


def _matrix(title: str, matrix: ConfusionMatrix) -> Table:
    table = Table("truth \\ verdict", "normal", "anomaly", title=title)
    table.add_row("normal", str(matrix.tn), str(matrix.fp))
    table.add_row("anomaly", str(matrix.fn), str(matrix.tp))
    return table
