"""How long a training takes, and how much training the preset's minutes allow: the same on the same machine."""

from pathlib import Path

import pytest

from ml.catalogue import METHODS, parse_settings
from ml.methods.trained import TrainedMethod
from ml.training import plan as planning
from ml.training import speed
from ml.training.pipeline import estimate, run
from ml.training.plan import rounded_down
from tests.ml.small_models import QUICK, quick_job

TRAINED = [name for name, info in METHODS.items() if "steps" in info.parameters.model_fields]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("steps", "rounded"),
    [(0.2, 1), (1, 1), (7.9, 7), (10, 10), (14, 10), (29, 20), (69, 50), (999, 700), (15_000, 15_000)],
)
def test_that_steps_lie_on_a_coarse_scale(steps: float, rounded: int) -> None:
    assert rounded_down(steps) == rounded


def _open_job(parts: Path, out: Path, method: str, **fields: object) -> object:
    """An order whose steps, width and crop are left to the time budget."""
    open_settings = {"steps", *(key for rung in METHODS[method].ladder for key in rung)}
    settings = {key: value for key, value in QUICK[method].items() if key not in open_settings}
    return quick_job(parts, out, method, parameters=settings, **fields)


def _take(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(planning, "seconds_per_step", lambda make: seconds)


@pytest.mark.parametrize("name", TRAINED)
def test_that_a_faster_machine_takes_more_steps_within_the_same_minutes(
    name: str, parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = _open_job(parts_folder, tmp_path / "m.loupe", name, preset="fast", size=128)
    _take(monkeypatch, 0.5)
    slow = estimate(job)[1]  # type: ignore[arg-type]
    _take(monkeypatch, 0.05)
    fast = estimate(job)[1]  # type: ignore[arg-type]
    assert 1 <= slow.parameters.steps < fast.parameters.steps  # type: ignore[attr-defined]
    for plan in (slow, fast):
        assert plan.seconds < 3 * 60 * METHODS[name].presets["fast"].minutes
        assert f"{plan.parameters.steps:,} steps" in plan.done  # type: ignore[attr-defined]
        assert plan.published == METHODS[name].published
        for rung in METHODS[name].ladder:
            assert all(getattr(plan.parameters, key) for key in rung)


@pytest.mark.parametrize("name", [name for name in TRAINED if METHODS[name].ladder])
def test_that_a_ladder_is_climbed_as_far_as_enough_steps_remain(
    name: str, parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = METHODS[name]
    job = _open_job(parts_folder, tmp_path / "m.loupe", name, preset="fast", size=128)
    reached = {}
    for seconds in (1e-4, 10.0):
        monkeypatch.setenv("LOUPE_CACHE", str(tmp_path / f"cache{seconds}"))
        _take(monkeypatch, seconds)
        settings = estimate(job)[1].parameters.model_dump()  # type: ignore[arg-type]
        reached[seconds] = next(rung for rung in info.ladder if all(settings[key] == rung[key] for key in rung))
    assert reached == {1e-4: info.ladder[0], 10.0: info.ladder[-1]}


def test_that_what_the_user_gives_is_never_changed(
    parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take(monkeypatch, 100.0)
    job = quick_job(parts_folder, tmp_path / "m.loupe", "dfr")
    plan = estimate(job)[1]
    assert plan.parameters == parse_settings("dfr", QUICK["dfr"])
    assert plan.seconds > 1000


def test_that_a_busy_moment_does_not_change_the_plan(
    parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = _open_job(parts_folder, tmp_path / "m.loupe", "dfr", preset="fast")
    steps = []
    for seconds in (0.01, 0.05, 0.0099, 0.001):
        _take(monkeypatch, seconds)
        steps.append(estimate(job)[1].parameters.steps)  # type: ignore[arg-type,attr-defined]
    assert steps[0] == steps[1] == steps[2] < steps[3]


def test_that_damaged_memory_of_speeds_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert speed.settled("work", "cpu", 2.0) == 2.0
    file = tmp_path / "cache/speed.json"
    for damage in (b"{", b"[]", b'{"key": "fast"}'):
        file.write_bytes(damage)
        assert speed.settled("work", "cpu", 3.0) == 3.0
    (tmp_path / "blocked").write_text("a file where the folder should be")
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path / "blocked"))
    assert speed.settled("work", "cpu", 4.0) == 4.0


def test_that_the_model_holds_the_plan_in_numbers(
    parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take(monkeypatch, 0.9)
    job = _open_job(parts_folder, tmp_path / "m.loupe", "dfr", preset="fast")
    result = run(job)  # type: ignore[arg-type]
    assert result.manifest.parameters["steps"] == result.plan.parameters.steps > 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", METHODS)
def test_that_every_method_has_an_estimate(name: str, parts_folder: Path, tmp_path: Path) -> None:
    plan = estimate(quick_job(parts_folder, tmp_path / "m.loupe", name))[1]
    assert 0 < plan.seconds < 600


def test_that_methods_with_steps_train() -> None:
    from ml import methods

    for name in TRAINED:
        built = methods.create(name, parse_settings(name, QUICK[name]), "whole", (128, 128))
        assert isinstance(built, TrainedMethod)
