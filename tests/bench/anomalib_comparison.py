"""Loupe against anomalib: same pictures, weights, size and method, call by call in turn on one machine.

python -m tests.bench.anomalib_comparison [--data FOLDER] [--sets aliens,cookie] [--native aliens]

Makes an environment of its own for the newest anomalib (minutes and 7 GB, once), trains with both, and prints the
tables of docs/comparison-with-anomalib.md. Each program runs in processes of its own. They are called in turn, in
changing order, so that a busy machine slows all of them alike; times are taken inside, around the call. Trained models
are kept in the work folder with their figures; --refit trains them again.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import psutil
from platformdirs import user_cache_path

from ml.dataset import is_mvtec, read_normals, read_tests
from ml.errors import LoupeError
from tests.bench.anomalib_cases import Case, Weights, large_pictures, shared_weights
from tests.bench.anomalib_environment import NoEnvironmentError, anomalib_python
from tests.bench.anomalib_tables import Figures, Measured, tables
from tests.bench.side_process import Answer, Side, SideError

REST_S = 0.02
"""Between two calls: the threads of the program that was called last spin for a while before they sleep."""

_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""As Loupe sets it for torch: threads that wait do not spin, which on a machine with other work takes many times as
long. On an idle machine spinning is the quicker one (--spin)."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where the two programs are and how they are run."""

    anomalib: Path
    folder: Path
    threads: int
    starts: int
    rounds: int
    refit: bool
    spins: bool

    def side(self, program: str, case: Case, name: str) -> Side:
        folder = self.folder / case.key / program
        if program == "loupe":  # its own cache: features computed in another run would make a fit look quick
            cache = {"LOUPE_CACHE": str(folder / "cache")}
            return Side(name, Path(sys.executable), "tests.bench.loupe_side", folder, cache)
        variables = {"TRUST_REMOTE_CODE": "1"} | ({} if self.spins else _PASSIVE)
        return Side(name, self.anomalib, "tests.bench.anomalib_side", folder, variables)

    def fit(self, program: str, case: Case, weights: Weights, pictures: Path) -> Answer:
        """What the program says of training, and the files to inspect with, by runtime; kept from run to run."""
        kept = self.folder / case.key / f"{program}.json"
        if self.refit or not kept.is_file():
            shutil.rmtree(self.folder / case.key / program, ignore_errors=True)
            with self.side(program, case, f"{program} fit") as side:
                fitted = _fit_loupe if program == "loupe" else _fit_anomalib
                kept.write_text(json.dumps(fitted(side, case, weights, pictures, self.threads)))
        answer: Answer = json.loads(kept.read_text())
        return answer

    def inspect(self, case: Case, models: Mapping[tuple[str, str], str]) -> dict[str, Figures]:
        """Start each (program, runtime) on its model several times, then let each score every test picture, in turn."""
        figures = {f"{program} {runtime}": Figures() for program, runtime in models}
        pictures = [str(test.path) for test in read_tests(case.data)]
        with ExitStack() as running:
            sides: dict[str, Side] = {}
            for number, ((program, runtime), model) in product(range(self.starts), models.items()):
                name = f"{program} {runtime}"
                side = self.side(program, case, name)
                loaded = side.ask("load", runtime=runtime, model=model, threads=self.threads)
                side.ask("score_file", picture=pictures[0])
                figures[name].start_s.append(time.perf_counter() - side.began)
                figures[name].import_s.append(loaded["import_s"])
                if number == self.starts - 1:
                    sides[name] = running.enter_context(side)
                else:
                    side.close()
            for number, picture in enumerate(_rounds(pictures, self.rounds)):
                for name, side in _rotated(sides, number):
                    _score(side, picture, figures[name], is_first=number < len(pictures))
            for name, side in sides.items():
                figures[name].peak_bytes = side.ask("peak")["bytes"]
        return figures


def _fit_loupe(side: Side, case: Case, weights: Weights, pictures: Path, threads: int) -> Answer:
    out = side.folder / "model.loupe"
    fitted = side.ask("fit", job=case.loupe_job(weights, out), threads=threads)
    models, refused = {"torch": str(out)}, {}
    if fitted["has_graph"]:
        models["onnx"] = str(out)
    else:
        refused["onnx"] = fitted["refused"]
    return {**fitted, "models": models, "refused": refused}


def _fit_anomalib(side: Side, case: Case, weights: Weights, pictures: Path, threads: int) -> Answer:
    fitted = side.ask("fit", **case.anomalib_fit(weights, pictures), threads=threads)
    models: dict[str, str] = {}
    refused: dict[str, str] = {}
    for runtime, options in case.anomalib_exports().items():
        try:
            models[runtime] = side.ask("export", **options)["model"]
        except SideError as error:  # and with it the process: nothing further can be exported
            refused[runtime] = str(error)
            break
    return {**fitted, "models": models, "refused": refused}


def _score(side: Side, picture: str, figures: Figures, is_first: bool) -> None:
    time.sleep(REST_S)
    from_array = side.ask("score_array", picture=picture)
    time.sleep(REST_S)
    figures.array_s.append(from_array["seconds"])
    figures.cpu_s.append(from_array["cpu_s"])
    figures.file_s.append(side.ask("score_file", picture=picture)["seconds"])
    if is_first:
        figures.scores.append(from_array["score"])


def _rounds(pictures: Sequence[str], least: int) -> Iterator[str]:
    """All pictures, again and again until there are `least`."""
    for _ in range(-(-max(least, 1) // len(pictures))):
        yield from pictures


def _rotated(sides: Mapping[str, Side], number: int) -> list[tuple[str, Side]]:
    listed = list(sides.items())
    first = number % len(listed)
    return listed[first:] + listed[:first]


def main() -> None:
    arguments = _arguments()
    try:
        workplace = Workplace(
            anomalib_python(arguments.environment, arguments.renew_environment),
            arguments.work.resolve(),
            arguments.threads,
            arguments.starts,
            arguments.rounds,
            arguments.refit,
            arguments.spin,
        )
        measured = []
        for case, pictures in _cases(arguments):
            print(case.key, file=sys.stderr, flush=True)
            measured.append(_measured(workplace, case, pictures, arguments.runtimes.split(",")))
        with workplace.side("anomalib", measured[0].case, "versions") as side:
            print(tables(measured, arguments.threads, side.ask("versions")))
    except (NoEnvironmentError, SideError, LoupeError) as error:
        sys.exit(str(error))


def _measured(workplace: Workplace, case: Case, pictures: Path, runtimes: Sequence[str]) -> Measured:
    weights = shared_weights(case.backbone, workplace.folder / "weights")
    fits = {program: workplace.fit(program, case, weights, pictures) for program in ("loupe", "anomalib")}
    models = {
        (program, runtime): model
        for program, fit in fits.items()
        for runtime, model in fit["models"].items()
        if program == "anomalib" or runtime in runtimes
    }
    if ("anomalib", "openvino") in models:
        models["anomalib", "openvino, float32"] = models["anomalib", "openvino"]
    truths = [test.kind is not None for test in read_tests(case.data)]
    return Measured(case, weights.published, fits, workplace.inspect(case, models), truths)


def _cases(arguments: argparse.Namespace) -> Iterator[tuple[Case, Path]]:
    """Each case with the folder of pictures that anomalib learns from."""
    backbones = arguments.backbones.split(",")
    for name in filter(None, arguments.sets.split(",")):
        data = _data_set(arguments.data / name)
        for backbone, method in product(backbones, arguments.methods.split(",")):
            yield Case(data, method, backbone), read_normals(data)[0]
    if arguments.native:
        whole, tiles = large_pictures(_data_set(arguments.data / arguments.native), arguments.work.resolve())
        yield Case(whole, "patchcore", backbones[0], native=True), read_normals(tiles)[0]


def _data_set(folder: Path) -> Path:
    if not is_mvtec(folder):
        raise LoupeError(f"{folder}: is no data set in the MVTec layout; name the folder of data sets with --data.")
    return folder.resolve()


def _arguments() -> argparse.Namespace:
    cache = user_cache_path("loupe-tests", appauthor=False)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of data sets, MVTec layout")
    parser.add_argument("--sets", default="aliens,cookie", help="data sets of it")
    parser.add_argument("--native", default="", help="a data set to enlarge to 2048 px and inspect at that size")
    parser.add_argument("--methods", default="patchcore,padim")
    parser.add_argument("--backbones", default="efficientnet_lite0,resnet18")
    parser.add_argument("--runtimes", default="torch,onnx", help="of Loupe")
    parser.add_argument("--threads", type=int, default=psutil.cpu_count(logical=False) or 1, help="for each program")
    parser.add_argument("--starts", type=int, default=3, help="processes started of each")
    parser.add_argument("--rounds", type=int, default=1, help="at least; each test picture is scored once anyway")
    parser.add_argument("--refit", action="store_true", help="train again where a model is kept")
    parser.add_argument("--spin", action="store_true", help="let anomalib's torch threads spin, their default")
    parser.add_argument("--environment", type=Path, default=cache / "anomalib", help="folder of anomalib's packages")
    parser.add_argument("--renew-environment", action="store_true", help="install the newest anomalib again")
    parser.add_argument("--work", type=Path, default=cache / "anomalib-comparison", help="folder of models and logs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
