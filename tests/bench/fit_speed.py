"""Training time against what cannot be saved: the backbone and the coresets, or the networks' forward and backward.

python -m tests.bench.fit_speed DATA [METHOD...]

PaDiM and PatchCore are trained as `loupe train DATA` does, without the cache of features. `fit` is all from decoded
pictures to a calibrated model: preprocessing, embedding, one fit per fold and the last one, the held-out scores, the
threshold. `backbone` is its bare forward on the same pictures, one at a time, measured afterwards.

Methods that train in steps take some in the real loop, on the first good pictures, with the cheapest networks of the
balanced preset, where all else weighs most. `bare` is what of it passes in the networks' forward and in backward
themselves, measured in the same steps; the rest are batches, augmentation, losses, optimisers and the loop.

One thread and CPU seconds: other programs hardly change these.
"""

import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from ml import methods
from ml.calibration import calibrate
from ml.catalogue import METHODS
from ml.catalogue import method as method_info
from ml.job import TrainingJob
from ml.memory_bank import greedy_coreset
from ml.methods.base import Method
from ml.methods.features import FeatureMethod
from ml.methods.padim import Padim
from ml.methods.patchcore import Patchcore
from ml.methods.trained import TrainedMethod
from ml.training import held_out, pipeline
from ml.training.embedded import EmbeddedPictures, InputPictures
from ml.training.geometry import preprocessing_of
from ml.training.loop import run_lesson
from ml.training.survey import Survey, survey_pictures

FITTED = ("padim", "patchcore")
STEPS = 8
PICTURES = 8


class Stopwatch:
    """CPU seconds by name; what runs inside the same name is not counted twice."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._depth = Counter[str]()
        self._began: dict[str, float] = {}

    def enter(self, name: str) -> None:
        self._depth[name] += 1
        if self._depth[name] == 1:
            self._began[name] = time.process_time()

    def leave(self, name: str) -> None:
        self._depth[name] -= 1
        if self._depth[name] == 0:
            self.seconds[name] += time.process_time() - self._began[name]

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        self.enter(name)
        try:
            yield
        finally:
            self.leave(name)

    def timed(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def timed_act(*arguments: Any, **named: Any) -> Any:
            with self.timing(name):
                return act(*arguments, **named)

        return timed_act


def main() -> None:
    data, chosen = Path(sys.argv[1]), sys.argv[2:] or [*FITTED, *_in_steps()]
    torch.set_num_threads(1)
    for name in (name for name in chosen if name in FITTED):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["LOUPE_FEATURES"] = folder
            _fit(TrainingJob(data=data, out=Path(folder) / "bench.loupe", method=name))
    in_steps = [name for name in chosen if name not in FITTED]
    if in_steps:
        print(f"\n{'method':18}{'batch':>6}{'samples/s':>11}{'bare':>9}{'ratio':>7}   CPU, {STEPS} steps")
    for name in in_steps:
        _train(TrainingJob(data=data, out=Path("bench.loupe"), method=name))


def _in_steps() -> list[str]:
    return [name for name, info in METHODS.items() if "steps" in info.parameters.model_fields]


# Methods that are fitted


def _fit(job: TrainingJob) -> None:
    clock = Stopwatch()
    stages = (
        (Survey, "read_file", "decoding again"),
        (Survey, "read", "decoding again"),
        (EmbeddedPictures, "load", "embedding"),
        (EmbeddedPictures, "detect", "held-out scores"),
        (Padim if job.method == "padim" else Patchcore, "fit", "all fits"),
        (Padim if job.method == "padim" else Patchcore, "fit_for_scores", "all fits"),
        (pipeline, "graph_of", "graph and its check"),
        (pipeline, "write_model", "saving"),
    )
    kept: list[Any] = []

    def prepared(*arguments: Any, **named: Any) -> Any:
        with clock.timing("survey, estimate"):
            kept.append(prepare(*arguments, **named))
        return kept[0]

    prepare = pipeline._prepare
    with ExitStack() as patches:
        for owner, name, stage in stages:
            patches.enter_context(patch.object(owner, name, clock.timed(stage, getattr(owner, name))))
        patches.enter_context(patch.object(pipeline, "_prepare", prepared))
        patches.enter_context(patch.object(held_out, "calibrate", clock.timed("threshold", calibrate)))
        coreset = clock.timed("coresets", greedy_coreset)
        patches.enter_context(patch("ml.methods.patchcore.greedy_coreset", coreset))
        with clock.timing("total"):
            pipeline.run(job, checkpoints=False)
    backbone = _backbone_s(job, kept[0].survey, kept[0].method)
    seconds = clock.seconds
    elsewhere = sum(seconds[name] for name in ("survey, estimate", "decoding again", "graph and its check", "saving"))
    fit = seconds["total"] - elsewhere
    floor = backbone + seconds["coresets"]
    print(f"\n{job.method}, {len(kept[0].survey.names)} pictures, CPU seconds")
    for name, value in seconds.items():
        print(f"  {name:22}{value:8.2f}")
    print(f"  {'fit':22}{fit:8.2f}\n  {'backbone':22}{backbone:8.2f}")
    print(f"  {'fit / (backbone + coresets)':30}{fit / floor:.2f}")


@torch.inference_mode()
def _backbone_s(job: TrainingJob, survey: Survey, method: Method) -> float:
    if not isinstance(method, FeatureMethod):
        raise TypeError(f"{job.method} has no backbone")
    inputs = [*InputPictures(survey, preprocessing_of(job, method, survey), lambda: False)]
    method.extractor(inputs[0])
    began = time.process_time()
    for picture in inputs:
        method.extractor(picture)
    return time.process_time() - began


# Methods that train in steps


def _train(job: TrainingJob) -> None:
    info = method_info(job.method)
    settings = {**info.presets[job.preset].settings, **(info.ladder[-1] if info.ladder else {}), "steps": STEPS}
    method = methods.create(job.method, info.parameters.model_validate(settings), "whole", _size(job))
    if not isinstance(method, TrainedMethod):
        raise TypeError(f"{job.method} does not train in steps")
    survey = survey_pictures(job)
    inputs = InputPictures(survey, preprocessing_of(job, method, survey), lambda: False)
    with torch.no_grad():
        parts = [method.embed(inputs[index]).clone() for index in range(min(PICTURES, len(inputs)))]
    method.labelled_defects = parts if method.needs_defects else ()
    everywhere = [torch.ones(len(part), *method.input_size, dtype=torch.bool) for part in parts]
    method.labelled_masks = everywhere if method.needs_masks else ()
    method.prepare_networks()
    lesson = method.lesson(parts, (), 0, STEPS)
    lesson.networks.train()
    lesson.step(0)  # allocates
    clock = Stopwatch()
    with _watching(clock), clock.timing("total"):
        run_lesson(lesson, STEPS)
    total, bare = clock.seconds["total"], clock.seconds["networks"]
    samples = STEPS * int(getattr(method.parameters, "batch", 1))
    print(
        f"{job.method:18}{samples // STEPS:6}{samples / total:11.1f}{samples / bare:9.1f}{total / bare:7.2f}",
        flush=True,
    )


def _size(job: TrainingJob) -> tuple[int, int]:
    side = method_info(job.method).presets[job.preset].size_px
    return side, side


@contextmanager
def _watching(clock: Stopwatch) -> Iterator[None]:
    """Time what passes in any network's forward and in backward."""

    def before(module: nn.Module, inputs: object) -> None:
        clock.enter("networks")

    def after(module: nn.Module, inputs: object, outputs: object) -> None:
        clock.leave("networks")

    hooks = (
        nn.modules.module.register_module_forward_pre_hook(before),
        nn.modules.module.register_module_forward_hook(after, always_call=True),
    )
    try:
        with patch.object(torch.autograd, "backward", clock.timed("networks", torch.autograd.backward)):
            yield
    finally:
        for hook in hooks:
            hook.remove()


if __name__ == "__main__":
    main()
