"""How much longer a part takes while a model is trained beside the line.

QT_QPA_PLATFORM=offscreen python -m tests.bench.line_while_training [--rounds 3] [--parts 40] [--method student_teacher]

The whole station runs on the demo line; its own training process, as the wizard starts it, is switched on and off in
turn, so that whatever else the machine does meets both sides alike. Latency is what the history stores: from the
grabbed picture to the judged part. Prints medians, 95th percentiles and their ratios.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from PySide6.QtWidgets import QApplication

from ml.job import TrainingJob
from station.capture.demo_line.dataset import write_demo_dataset
from tests.e2e.driver import Operator, pause, prepare_demo_home, running_station

NORMALS = 60
WARM_UP_PARTS = 10
SETTLE_MS = 15_000
"""For the child to have imported torch and to be in its steps."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", type=int, default=40, help="inspected in each round with and without training")
    parser.add_argument("--method", default="student_teacher", help="one that trains in steps keeps at it longest")
    arguments = parser.parse_args()
    app = QApplication(sys.argv[:1])
    with tempfile.TemporaryDirectory() as scratch:
        home, data = Path(scratch) / "home", Path(scratch) / "parts"
        prepare_demo_home(home, normals=NORMALS)
        write_demo_dataset(data, NORMALS, seed=5)
        job = TrainingJob(data=data, out=Path("model.loupe"), method=arguments.method, preset="thorough")
        with running_station(home, source="demo") as operator:
            operator.wait_ready()
            _latencies(operator, WARM_UP_PARTS)
            alone, beside = _measured(operator, job, arguments.rounds, arguments.parts)
    app.quit()
    _report(alone, beside)


def _measured(operator: Operator, job: TrainingJob, rounds: int, parts: int) -> tuple[list[float], list[float]]:
    alone: list[float] = []
    beside: list[float] = []
    training = operator.station._training
    assert training is not None
    for _ in range(rounds):
        alone += _latencies(operator, parts)
        training.start(job)
        operator.wait_until(lambda: training.is_running, "training runs")
        pause(SETTLE_MS)
        beside += _latencies(operator, parts)
        if not training.is_running:
            raise SystemExit("The training ended before the parts were inspected: choose fewer parts.")
        training.stop()
    return alone, beside


def _latencies(operator: Operator, parts: int) -> list[float]:
    """In ms, of parts one after the other."""
    return [operator.inspect().inspection.latency_ms for _ in range(parts)]


def _report(alone: list[float], beside: list[float]) -> None:
    print(f"{'':>10} {'alone':>10} {'training':>10} {'ratio':>7}")
    for title, figure in (("median", statistics.median), ("p95", _p95)):
        first, second = figure(alone), figure(beside)
        print(f"{title:>10} {first:>7.1f} ms {second:>7.1f} ms {second / first:>7.2f}")


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main()
