"""Fine-tuning after a changed batch of the demo line: false calls and found defects before and after.

python -m tests.bench.fine_tuning FOLDER [--methods demo,padim] [--seeds 1,2] [--new 20] [--good 300] [--bad 300]
    [--threads 2]

Per seed a base model is trained on the demo recipe's number of good parts of batch 1 (steel), then fine-tuned on
`--new` good parts of batch 2 (another alloy, warmer and dimmer light). Both models judge `--good` good and `--bad` bad
parts of each batch that neither has seen, at the threshold stored in the model. FOLDER keeps pictures, models and
verdicts, so that a run that was interrupted goes on, and one that is complete only prints.

False calls are good parts that are NG, found are bad parts that are NG (UNSURE counts for neither), both with the 95 %
interval of Clopper and Pearson. The change of what is found is over the same parts, in points, with the adjusted Wald
interval for paired proportions (Bonett and Price, Journal of Educational and Behavioral Statistics 37, 2012).

Seeds from 101 on are for development: whatever was chosen was chosen there. The table in docs/fine-tuning.md comes from
seed 1.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.calibration import clopper_pearson
from ml.dataset import read_mvtec
from ml.detector import Detector
from ml.files import write_atomically
from ml.job import TrainingJob
from ml.pictures import read_picture
from ml.threads import configure
from ml.training.pipeline import run
from station.capture.demo_line import BATCHES, write_demo_dataset
from station.capture.demo_recipe import DEMO_NORMALS, DEMO_PARAMETERS

CONTENDERS: dict[str, dict[str, Any]] = {
    "demo": {"method": "patchcore", "parameters": DEMO_PARAMETERS},
    "padim": {"method": "padim"},
    "spade": {"method": "spade", "preset": "fast"},
    "student_teacher": {"method": "student_teacher", "preset": "fast"},
}
OLD, NEW = 1, 2
NORMAL_QUANTILE = 1.959964  # two-sided 95 %


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Whether each test part of a batch was NG, before and after, good ones and bad ones in one order."""

    good: tuple[tuple[bool, bool], ...]
    bad: tuple[tuple[bool, bool], ...]


def main() -> None:
    arguments = _arguments()
    configure(arguments.threads)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    rows = [_HEADS, ("---",) * len(_HEADS)]
    for name in arguments.methods.split(","):
        measured = [_measured(arguments, name, seed) for seed in seeds]
        for seed, document in zip(seeds, measured, strict=True):
            rows += _rows(name, str(seed), document["seconds"], _verdicts(document))
        if len(seeds) > 1:
            rows += _rows(name, "all", None, _pooled([_verdicts(document) for document in measured]))
    print("\n".join("| " + " | ".join(row) + " |" for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--methods", default="demo", help=f"of {', '.join(CONTENDERS)}")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--new", type=int, default=20)
    parser.add_argument("--good", type=int, default=300)
    parser.add_argument("--bad", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _measured(arguments: argparse.Namespace, name: str, seed: int) -> dict[str, Any]:
    kept = arguments.folder / f"seed-{seed}"
    file = kept / f"{name}.json"
    if not file.exists():
        parts = {batch: _parts(arguments, kept, seed, batch) for batch in (OLD, NEW)}
        base, tuned = kept / f"{name}-base.loupe", kept / f"{name}-tuned.loupe"
        order = {"seed": seed, **CONTENDERS[name]}
        trained = run(TrainingJob.checked({"data": parts[OLD], "out": base, **order}))
        fields = {"data": parts[NEW], "out": tuned, "base": base, "replay": parts[OLD], "seed": seed}
        updated = run(TrainingJob.checked(fields))
        document = {
            "seconds": [trained.seconds, updated.seconds],
            "thresholds": [one.manifest.calibration.threshold for one in (trained, updated)],
            "batches": {str(batch): _scored(folder, (base, tuned)) for batch, folder in parts.items()},
        }
        write_atomically(file, json.dumps(document).encode())
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _parts(arguments: argparse.Namespace, kept: Path, seed: int, batch: int) -> Path:
    parts = kept / f"batch-{batch}"
    if not parts.exists():  # it appears complete or not at all
        # Of a line of its own: no part of one batch is a part of the other in another colour.
        line = 1000 * batch + seed
        normals = DEMO_NORMALS if batch == OLD else arguments.new
        write_demo_dataset(parts, normals, line, arguments.good, arguments.bad, batch=BATCHES[batch])
    return parts


def _scored(parts: Path, models: Sequence[Path]) -> dict[str, list[list[float]]]:
    """Per truth a row per part: its raw score by each of the models."""
    detectors = [Detector.load(model) for model in models]
    found: dict[str, list[list[float]]] = {truth: [] for truth in _TRUTHS}
    for test in read_mvtec(parts):
        pixels = read_picture(test.path).pixels
        found[test.truth].append([each.score(pixels).score for each in detectors])
    return found


def _verdicts(document: dict[str, Any]) -> dict[int, Verdicts]:
    first, second = document["thresholds"]
    return {
        int(batch): Verdicts(
            *(tuple((before >= first, after >= second) for before, after in rows[truth]) for truth in _TRUTHS)
        )
        for batch, rows in document["batches"].items()
    }


def _pooled(seeds: Sequence[dict[int, Verdicts]]) -> dict[int, Verdicts]:
    return {
        batch: Verdicts(
            tuple(one for seed in seeds for one in seed[batch].good),
            tuple(one for seed in seeds for one in seed[batch].bad),
        )
        for batch in (OLD, NEW)
    }


_TRUTHS = ("normal", "anomaly")
_HEADS = (
    "method",
    "seed",
    "parts",
    "good, bad",
    "false calls before",
    "false calls after",
    "found before",
    "found after",
    "change in points",
    "base, fine-tuning s",
)


def _rows(name: str, seed: str, seconds: Sequence[float] | None, found: dict[int, Verdicts]) -> list[tuple[str, ...]]:
    times = "" if seconds is None else ", ".join(f"{one:.0f}" for one in seconds)
    return [
        (
            name,
            seed,
            {OLD: "old batch", NEW: "new batch"}[batch],
            f"{len(verdicts.good)}, {len(verdicts.bad)}",
            *(_rate([part[when] for part in verdicts.good]) for when in (0, 1)),
            *(_rate([part[when] for part in verdicts.bad]) for when in (0, 1)),
            _change(verdicts.bad),
            times,
        )
        for batch, verdicts in found.items()
    ]


def _rate(events: Sequence[bool]) -> str:
    low, high = clopper_pearson(sum(events), len(events))
    return f"{100 * sum(events) / len(events):.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _change(pairs: Sequence[tuple[bool, bool]]) -> str:
    gained = sum(after and not before for before, after in pairs)
    lost = sum(before and not after for before, after in pairs)
    total = len(pairs) + 2
    shares = (gained + 1) / total, (lost + 1) / total
    middle = shares[0] - shares[1]
    reach = NORMAL_QUANTILE * math.sqrt((sum(shares) - middle**2) / total)
    return f"{100 * (gained - lost) / len(pairs):+.1f} ({100 * (middle - reach):+.1f} to {100 * (middle + reach):+.1f})"


if __name__ == "__main__":
    main()
