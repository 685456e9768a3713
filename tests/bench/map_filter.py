"""The learned map filter against the raw map and a mean over 3 x 3 cells, on defects painted on held-out good parts.

python -m tests.bench.map_filter DATA [--method NAME] [--side K] [--group-by REGEX] [--seed N] [--defects N] [--smooth]

Trains the method at the preset `fast` with a filter, which learns on the validation part of the good training pictures.
Then other defects are painted on the part that made the threshold, which neither model nor filter has seen, and the
same model judges them with each filter: pixel AUROC and the best Dice over all thresholds (an oracle, for each filter
alike) of the maps, and the AUROC of the scores of pictures with and without a defect. No test picture is read. Maps are
those before the method's Gaussian; `--smooth` takes them after it.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ml.artifact import read_model
from ml.detector import Detector
from ml.generation.generator import GeneratedPicture
from ml.generation.synthetic_defects import SyntheticDefects
from ml.image_metrics import auroc
from ml.job import TrainingJob
from ml.map_filter import MAP_FILTER
from ml.pictures import Pixels
from ml.pixel_metrics import pixel_auroc, pixel_f1_max, regions_of
from ml.pixel_scores import PixelScores
from ml.threads import configure
from ml.training.pipeline import run
from ml.training.splits import hold_out, parts_of
from ml.training.survey import survey_pictures
from tests.ml.small_models import method_of

UNLIKE_THE_FILTERS = 1_000_000
"""Added to seeds: no defect here is one that the filter has learnt from."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Good pictures, and pictures with a defect painted on them."""

    good: list[Pixels]
    defective: list[GeneratedPicture]


def main() -> None:
    options = _options()
    configure(1)
    with TemporaryDirectory() as folder:
        job = TrainingJob(
            data=options.data,
            out=Path(folder) / "m.loupe",
            method=options.method,
            preset="fast",
            group_by=options.group_by,
            conv_processing=options.side,
            seed=options.seed,
        )
        seconds = run(job).seconds
        manifest, tensors = read_model(job.out)
        method = method_of(Detector.load(job.out, "cpu", "torch"))
    if not options.smooth:
        method.sigma_px = 0.0
    learned = tensors[MAP_FILTER]
    filters = {
        "raw": None,
        "mean 3 x 3": np.full((3, 3), 1 / 9, np.float32),
        f"learned {options.side} x {options.side}": learned,
    }
    shown = _shown(job, options.defects)
    print(f"{job.method}, {options.data.name}, seed {job.seed}: {seconds:.0f} s of training, ", end="")
    print(f"{len(shown.defective)} painted defects, maps smoothed by {method.sigma_px} px of the input")
    print(np.array2string(learned, precision=3, suppress_small=True))
    print(f"{'':14} pixel AUROC   best Dice   picture AUROC")
    for name, kernel in filters.items():
        print(f"{name:14} {_row(Detector(manifest, method, 'cpu', map_filter=kernel), shown)}", flush=True)


def _shown(job: TrainingJob, count: int) -> Shown:
    survey = survey_pictures(job)
    held = hold_out(parts_of(survey, job.group_by), job.seed).calibration
    good = [survey.read(index).pixels for index in held]
    painter = SyntheticDefects()
    defective = [painter.sample(good[number % len(good)], UNLIKE_THE_FILTERS + number) for number in range(count)]
    return Shown(good, defective)


def _row(detector: Detector, shown: Shown) -> str:
    pixels = PixelScores()
    scores = [detector.score(picture).score for picture in shown.good]
    for number, made in enumerate(shown.defective):
        found = detector.score(made.pixels)
        scores.append(found.score)
        pixels.add_defective(str(number), found.score_map.at_picture_size(), made.mask, regions_of(made.mask))
    truths = np.repeat([False, True], [len(shown.good), len(shown.defective)])
    levels = pixels.levels()
    return f"{pixel_auroc(levels):11.4f} {pixel_f1_max(levels)[0]:11.4f} {auroc(truths, np.array(scores)):15.4f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--method", default="patchcore")
    parser.add_argument("--side", type=int, default=5, choices=(3, 5, 7))
    parser.add_argument("--group-by")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--defects", type=int, default=60)
    parser.add_argument("--smooth", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
