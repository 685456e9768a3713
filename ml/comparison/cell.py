"""One cell, carried out in a process of its own: `python -m ml.comparison.cell JOB.json OUT.json`.

Standard output carries a JSON line per step of progress; OUT.json appears whole when the cell is done or has failed for
a foreseen reason. Whoever started this process makes a failure of its own kind out of any other end.
"""

import faulthandler
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path

from ml.calibration import Calibration
from ml.comparison.machine import peak_memory_bytes, this_machine
from ml.comparison.records import CellJob, CellOutcome, DoneCell, FailedCell, OutcomeFile, ThresholdNote
from ml.errors import LoupeError
from ml.files import write_atomically
from ml.preprocessing import Preprocessing
from ml.progress import Progress, silent

WORST_PICTURES = 3
REPORT_INTERVAL_S = 0.2
EXIT_INTERRUPTED = 130


def carry_out(job: CellJob, progress: Progress = silent) -> DoneCell:
    """Train, load the model from its file, evaluate it. Imports torch. Raises LoupeError."""
    import torch

    from ml.comparison.thumbnails import KeptPictures
    from ml.detector import Detector
    from ml.evaluation import evaluate
    from ml.training.pipeline import run

    began = time.monotonic()
    result = run(job.training, progress, checkpoints=False)  # a cell that is stopped is computed again
    peak = peak_memory_bytes()
    detector = Detector.load(result.path, runtime="auto" if job.template_dir is None else "torch")  # only torch learns
    preprocessing = result.manifest.preprocessing
    kept = KeptPictures((preprocessing.window_low, preprocessing.window_high), WORST_PICTURES)
    data, templates = job.training.data, job.template_dir
    calibration: Calibration | None = result.manifest.calibration
    if templates is None:
        report = evaluate(detector, data, progress, on_picture=kept.add)
    else:
        from ml.template_pairs import PairedDetector, evaluate_pairs

        paired = PairedDetector(detector)
        report = evaluate_pairs(paired, data, templates, progress, on_picture=kept.add)
        calibration = paired.calibration
    return DoneCell(
        report=report.to_json(),
        pictures=tuple(kept.scores),
        lowest_defects=kept.extremes("anomaly"),
        highest_good=kept.extremes("normal"),
        threshold=_threshold_note(calibration or result.manifest.calibration, has_band=templates is None),
        model_hash=result.manifest.model_hash,
        model_bytes=result.path.stat().st_size,
        training_pictures=len(result.survey.names),
        skipped_pictures=len(result.survey.skipped),
        network_input=_input_words(preprocessing),
        trained=result.plan.done,
        published=result.plan.published,
        fit_s=result.seconds,
        seconds=time.monotonic() - began,
        peak_memory_bytes=peak,
        machine=this_machine(detector.runtime.title, torch.get_num_threads()),
    )


def _threshold_note(calibration: Calibration, *, has_band: bool) -> ThresholdNote:
    """Where each picture has a template of its own, UNSURE begins elsewhere for each: there is no band to show."""
    low = calibration.threshold_low if has_band else None
    return ThresholdNote(
        alpha=calibration.alpha,
        rule=calibration.rule,
        source=calibration.source,
        pictures=calibration.n,
        parts=calibration.n_groups,
        low_normalised=None if low is None else calibration.normalise(low),
    )


def _input_words(preprocessing: Preprocessing) -> str:
    size = f"{preprocessing.input_width} x {preprocessing.input_height} px"
    return f"whole pictures at {size}" if preprocessing.stride is None else f"patches of {size}"


class _Teller:
    """Progress as JSON lines, a few per second. A reader who has gone ends this process."""

    def __init__(self) -> None:
        self._stage = ""
        self._told = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage == self._stage and now - self._told < REPORT_INTERVAL_S and done < total:
            return
        self._stage, self._told = stage, now
        print(json.dumps({"stage": stage, "done": done, "total": total}), flush=True)


def main(job_file: Path, out: Path) -> int:
    """Exit code 0 where OUT was written, be the cell done or failed; 130 when stopped."""
    # Before torch is imported, as for the station: OpenMP threads that wait must not spin.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    faulthandler.enable()
    began = time.monotonic()
    outcome: CellOutcome
    try:
        try:
            outcome = carry_out(CellJob.model_validate_json(job_file.read_bytes()), _Teller())
        except LoupeError as error:
            outcome = FailedCell(message=str(error), seconds=time.monotonic() - began)
        write_atomically(out, OutcomeFile(outcome=outcome).model_dump_json().encode())
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), Path(sys.argv[2]))
    gc.freeze()  # torch's modules alone would take a second to be looked through at exit
    sys.exit(code)
