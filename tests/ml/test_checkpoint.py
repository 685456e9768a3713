"""A training that was interrupted and is continued ends to the bit like one that was not; nothing else is continued."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ml.catalogue import parse_settings
from ml.errors import CancelledError, TrainingError
from ml.methods import create
from ml.progress import Cancelled, never
from ml.training import loop
from ml.training.checkpoint import Checkpoint, Order
from ml.training.interruption import interruptions_deferred
from ml.training.loop import Lesson, Losses, Watch, run_lesson
from ml.training.monitor import Monitor, Reconstructions
from ml.training.order import waits
from ml.training.pipeline import run
from ml.training.plan import Plan
from tests.ml.small_models import QUICK, part, quick_job, write_parts

STEPS = 24
ORDER = Order(
    job={"seed": 1}, data="ab" * 32, parameters={"steps": STEPS}, machine="here", seconds=1.0, done="", published=""
)


class Adversaries(Lesson):
    """Two networks with batch normalisation and dropout, two optimisers, a schedule for each."""

    patience = 9

    def __init__(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            maker = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.3), nn.Conv2d(4, 2, 1))
            judge = nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Linear(5, 1))
        self.networks = nn.ModuleDict({"maker": maker.to(memory_format=torch.channels_last), "judge": judge})
        self.random = torch.Generator().manual_seed(11)
        first = torch.optim.Adam(maker.parameters(), lr=0.01, betas=(0.5, 0.999))
        second = torch.optim.SGD(judge.parameters(), lr=0.1, momentum=0.9, nesterov=True)
        self.optimisers = (first, second)
        self.schedules = (
            torch.optim.lr_scheduler.CosineAnnealingLR(first, T_max=STEPS),
            torch.optim.lr_scheduler.LambdaLR(second, lambda step: 0.95**step),
        )

    def step(self, number: int) -> Losses:
        inputs = torch.randn(4, 2, 6, 6, generator=self.random)
        made = self.networks["maker"](inputs)  # type: ignore[index]
        verdict = self.networks["judge"](made.mean((2, 3)))  # type: ignore[index]
        likeness = functional.mse_loss(made, inputs[..., 1:5, 1:5])
        judged = functional.binary_cross_entropy_with_logits(verdict, torch.ones_like(verdict))
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        (likeness + judged).backward()
        for one in (*self.optimisers, *self.schedules):
            one.step()
        return {"likeness": likeness.detach(), "judged": judged.detach()}

    def validate(self) -> float:
        inputs = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(0))
        return float(functional.mse_loss(self.networks["maker"](inputs), inputs[..., 1:5, 1:5]))  # type: ignore[index]

    def samples(self) -> Reconstructions:
        drawn = torch.randint(255, (2, 4, 4, 3), generator=self.random, dtype=torch.uint8).numpy()
        return Reconstructions(drawn, drawn)


class Curve(Monitor):
    def __init__(self) -> None:
        self.points: list[tuple[int, dict[str, float], float | None]] = []
        self.shown: list[int] = []

    def losses(self, step: int, steps: int, losses: Mapping[str, float], validation: float | None) -> None:
        self.points.append((step, dict(losses), validation))

    def samples(self, step: int, pictures: Reconstructions) -> None:
        self.shown.append(step)


def after(count: int) -> Cancelled:
    """True from the `count`-th time on that somebody asks, counted from 0."""
    asked = iter(range(10**9))
    return lambda: next(asked) >= count


def follow(path: Path, cancelled: Cancelled = never, *, resume: bool = False) -> tuple[Adversaries, Curve]:
    lesson, curve = Adversaries(), Curve()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        try:
            run_lesson(lesson, STEPS, cancelled=cancelled, watch=Watch(curve, Checkpoint(path, ORDER, resume)))
        except CancelledError:
            assert cancelled is not never
    return lesson, curve


def state_of(lesson: Lesson) -> dict[str, Tensor]:
    return lesson.networks.state_dict()


def assert_same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Adversaries, Curve]:
    return follow(tmp_path_factory.mktemp("whole") / "run.resume")


@pytest.mark.parametrize("at", range(1, STEPS))
def test_that_a_run_interrupted_at_any_step_ends_the_same(
    tmp_path: Path, uninterrupted: tuple[Adversaries, Curve], at: int
) -> None:
    path = tmp_path / "run.resume"
    follow(path, after(at))
    lesson, curve = follow(path, resume=True)
    assert_same(state_of(uninterrupted[0]), state_of(lesson))
    assert curve.points == uninterrupted[1].points
    assert [*curve.points[0][1]] == ["likeness", "judged"]  # in their order too: a line keeps its colour


def test_that_a_run_may_be_interrupted_again_and_again(
    tmp_path: Path, uninterrupted: tuple[Adversaries, Curve]
) -> None:
    path = tmp_path / "run.resume"
    for _ in range(STEPS // 5 + 1):
        follow(path, after(5), resume=True)
    lesson, curve = follow(path, resume=True)
    assert_same(state_of(uninterrupted[0]), state_of(lesson))
    assert curve.points == uninterrupted[1].points


def test_that_being_watched_changes_nothing(uninterrupted: tuple[Adversaries, Curve]) -> None:
    lesson = Adversaries()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        run_lesson(lesson, STEPS)
    assert uninterrupted[1].shown
    assert_same(state_of(uninterrupted[0]), state_of(lesson))


def test_that_a_run_is_kept_now_and_then_too(
    tmp_path: Path, uninterrupted: tuple[Adversaries, Curve], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_INTERVAL_S", 0.0)
    monkeypatch.setattr(loop, "WRITING_SHARE", 1e9)

    class Crashing(Adversaries):
        def step(self, number: int) -> Losses:
            if number == 7:
                raise OSError("the power failed")
            return super().step(number)

    path = tmp_path / "run.resume"
    with pytest.raises(OSError), torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        run_lesson(Crashing(), STEPS, watch=Watch(checkpoint=Checkpoint(path, ORDER)))
    lesson, _ = follow(path, resume=True)
    assert_same(state_of(uninterrupted[0]), state_of(lesson))


def test_that_without_resume_a_run_starts_anew(tmp_path: Path, uninterrupted: tuple[Adversaries, Curve]) -> None:
    path = tmp_path / "run.resume"
    follow(path, after(9))
    lesson, curve = follow(path)
    assert_same(state_of(uninterrupted[0]), state_of(lesson))
    assert curve.points == uninterrupted[1].points


def test_that_a_stop_before_the_first_step_keeps_nothing(tmp_path: Path) -> None:
    follow(tmp_path / "run.resume", after(0))
    assert not list(tmp_path.iterdir())


def test_that_a_stop_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be kept"):
        follow(tmp_path / "no folder" / "run.resume", after(3))


# What cannot be continued


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "run.resume"
    follow(path, after(9))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"job": {"seed": 2}}, "differs in seed"),
        ({"data": "cd" * 32}, "pictures have changed"),
        ({"generated": "cd" * 32}, "generator has made other pictures"),
        ({"machine": "elsewhere"}, "begun with here, and this is elsewhere"),
        ({"parameters": {"steps": 99}}, "planned otherwise"),
    ],
)
def test_that_a_run_of_another_order_is_refused_in_words(kept: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=words) as raised:
        Checkpoint(kept, ORDER.model_copy(update=change), resume=True).read()
    assert "without --resume" in str(raised.value)


def damaged_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def foreign(path: Path) -> None:
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path)


def altered(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def alter(path: Path) -> None:
        with safetensors.safe_open(path, framework="pt") as file:
            document = json.loads(file.metadata()["loupe_checkpoint"])
        change(document)
        safetensors.torch.save_file(safetensors.torch.load_file(path), path, {"loupe_checkpoint": json.dumps(document)})

    return alter


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damaged_bytes, "does not|do not give"),
        (cut_short, "damaged"),
        (foreign, "no checkpoint of Loupe"),
        (lambda path: path.write_bytes(b""), "no checkpoint"),
        (lambda path: path.write_bytes(b"PK" * 50), "no checkpoint"),
        (altered(lambda document: document.update(version=2)), "another version"),
        (altered(lambda document: document.pop("standing")), "damaged at 'standing'"),
        (altered(lambda document: document["standing"].update(done=-1)), "damaged at 'standing.done'"),
        (altered(lambda document: document["standing"].update(done=3)), "do not give"),
        (altered(lambda document: document["order"].update(data="cd" * 32)), "its order does not give its key"),
        (altered(lambda document: document["values"].clear()), "do not give"),
    ],
)
def test_that_a_damaged_or_foreign_file_is_refused_in_words(
    kept: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(kept)
    with pytest.raises(TrainingError, match=words) as raised:
        Checkpoint(kept, ORDER, resume=True).read()
    assert str(kept) in str(raised.value) and "Train anew" in str(raised.value)


def wider(lesson: Adversaries) -> None:
    lesson.networks["judge"] = nn.Linear(3, 3)  # type: ignore[operator]


def one_optimiser(lesson: Adversaries) -> None:
    lesson.optimisers = lesson.optimisers[:1]


def other_optimiser(lesson: Adversaries) -> None:
    lesson.optimisers = (lesson.optimisers[0], torch.optim.SGD(lesson.networks.parameters(), lr=0.1))


def other_schedule(lesson: Adversaries) -> None:
    lesson.schedules = (lesson.schedules[1], lesson.schedules[0])


@pytest.mark.parametrize("change", [wider, one_optimiser, other_optimiser, other_schedule])
def test_that_a_run_of_other_networks_is_refused(kept: Path, change: Callable[[Adversaries], None]) -> None:
    lesson = Adversaries()
    change(lesson)
    with pytest.raises(TrainingError, match="cannot be continued"):
        run_lesson(lesson, STEPS, watch=Watch(checkpoint=Checkpoint(kept, ORDER, resume=True)))


def test_that_a_run_of_another_length_is_refused(kept: Path) -> None:
    with pytest.raises(TrainingError, match=f"{STEPS} steps"):
        run_lesson(Adversaries(), STEPS + 1, watch=Watch(checkpoint=Checkpoint(kept, ORDER, resume=True)))


def test_that_what_json_cannot_hold_shows_at_once(tmp_path: Path) -> None:
    lesson = Adversaries()
    lesson.schedules = (torch.optim.lr_scheduler.MultiStepLR(lesson.optimisers[0], [3, 6]),)
    with pytest.raises(TypeError, match="JSON"):
        run_lesson(lesson, STEPS, cancelled=after(3), watch=Watch(checkpoint=Checkpoint(tmp_path / "r", ORDER)))


# Ctrl-C


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_that_ctrl_c_within_a_step_waits_for_its_end(
    tmp_path: Path, uninterrupted: tuple[Adversaries, Curve], number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Adversaries):
        def step(self, number_of_step: int) -> Losses:
            if number_of_step == 6:
                os.kill(os.getpid(), number)
            return super().step(number_of_step)

    path = tmp_path / "run.resume"
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            run_lesson(Interrupted(), STEPS, watch=Watch(checkpoint=Checkpoint(path, ORDER)))
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    lesson, curve = follow(path, resume=True)
    assert curve.points == uninterrupted[1].points
    assert_same(state_of(uninterrupted[0]), state_of(lesson))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
def test_that_a_second_ctrl_c_interrupts_at_once() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interruptions_deferred() as is_interrupted:
            os.kill(os.getpid(), signal.SIGINT)
            assert is_interrupted()
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
                is_interrupted()
    finally:
        signal.signal(signal.SIGINT, before)


def test_that_other_threads_are_not_asked_for_signals() -> None:
    told: list[bool] = []

    def defer() -> None:
        with interruptions_deferred() as is_interrupted:
            told.append(is_interrupted())

    thread = threading.Thread(target=defer)
    thread.start()
    thread.join()
    assert told == [False]


# Methods and whole trainings

STEPS_OF_A_METHOD = 11
TRAINED = {name: {**settings, "steps": STEPS_OF_A_METHOD} for name, settings in QUICK.items() if "steps" in settings}
TRAINED["student_teacher"]["teacher"] = "synthetic"  # two lessons in one
TRAINED["patch_svdd"]["steps"] = 4  # of a few seconds each


def fitted(name: str, watch: Watch, cancelled: Cancelled = never) -> dict[str, NDArray[Any]]:
    method = create(name, parse_settings(name, TRAINED[name]), "whole", (64, 64))
    pictures = torch.stack([torch.from_numpy(part(index, 64, 64)) for index in range(6)]).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(values)[:, None, None] for values in (method.mean, method.std))
    with torch.no_grad():
        parts = [method.embed(one[None]).clone() for one in (pictures / 255 - mean) / std]
    method.watch = watch
    method.fit(parts[:4], 1, cancelled=cancelled, validation=parts[4:])
    return method.tensors()


@pytest.mark.parametrize("name", TRAINED)
def test_that_a_method_continues_to_the_same_tensors(tmp_path: Path, name: str) -> None:
    kept = Checkpoint(tmp_path / "run.resume", ORDER)
    whole = fitted(name, Watch())
    for at in (1, 2):  # a teacher is tuned for the first two of the student's steps
        with pytest.raises(CancelledError):
            fitted(name, Watch(checkpoint=replace(kept, resume=at > 1)), after(at))
    continued = fitted(name, Watch(checkpoint=replace(kept, resume=True)))
    assert whole.keys() == continued.keys()
    for key, value in whole.items():
        assert np.array_equal(value, continued[key]), key


class Stopping(Monitor):
    """Cancels a training once `step` is told."""

    def __init__(self, step: int) -> None:
        self._step = step
        self.is_reached = False

    def losses(self, step: int, steps: int, losses: Mapping[str, float], validation: float | None) -> None:
        self.is_reached = step >= self._step


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("riad", {"parameters": TRAINED["riad"]}),
        pytest.param(
            "patchcore",
            {"parameters": {**QUICK["patchcore"], "backbone": "self_trained", "self_training_steps": 4}},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_that_a_training_continues_with_its_plan_to_the_same_model(
    tmp_path: Path, method: str, fields: dict[str, Any]
) -> None:
    parts = write_parts(tmp_path / "parts", 6)
    size = 128 if method == "patchcore" else 64
    whole = run(quick_job(parts, tmp_path / "whole.loupe", method, size=size, **fields))
    job = quick_job(parts, tmp_path / "model.loupe", method, size=size, **fields)
    stopping, plans = Stopping(2), list[Plan]()
    with pytest.raises(CancelledError):
        run(job, cancelled=lambda: stopping.is_reached, monitor=stopping, on_plan=plans.append)
    assert job.resume_file.is_file() and not job.out.exists() and waits(job)
    result = run(job, on_plan=plans.append, resume=True)
    assert result.manifest.model_hash == whole.manifest.model_hash
    assert plans[1] == plans[0]
    assert not job.resume_file.exists()


def test_that_a_training_of_changed_pictures_is_not_continued(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts", 6)
    job = quick_job(parts, tmp_path / "model.loupe", "riad", parameters=TRAINED["riad"])
    stopping = Stopping(2)
    with pytest.raises(CancelledError):
        run(job, cancelled=lambda: stopping.is_reached, monitor=stopping)
    (parts / "part3.png").write_bytes((parts / "part2.png").read_bytes())
    with pytest.raises(TrainingError, match="pictures have changed"):
        run(job, resume=True)
    other = job.model_copy(update={"seed": 5})
    assert not waits(other)
    with pytest.raises(TrainingError, match="differs in seed"):
        run(other, resume=True)
