"""A model that goes on learning: what it keeps, what it takes on, where its threshold comes from, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml import methods
from ml.artifact import read_manifest, read_model, write_model
from ml.base_model import with_base
from ml.calibration import calibrate
from ml.catalogue import METHODS, parse_settings
from ml.catalogue.padim import PadimParameters
from ml.catalogue.patchcore import PatchcoreParameters
from ml.detector import Detector
from ml.errors import CalibrationError, CancelledError, ModelFileError, ParameterError, TrainingError
from ml.job import TrainingJob
from ml.memory_bank import MemoryBank, extending_coreset, greedy_coreset
from ml.methods.base import Geometry, Method, Past
from ml.methods.patchcore import EXTENSION
from ml.picture_list import ListedPicture, PictureList
from ml.training.pipeline import estimate, run
from ml.training.replay import Balanced
from tests.ml.small_models import QUICK, part, quick_job, write

OLD_PARTS, NEW_PARTS = 12, 6
ModelOf = Callable[[str], Path]
Pixels = NDArray[np.uint8]


def _changed(index: int) -> Pixels:
    """A good part of the changed batch: another colour."""
    return np.clip(part(500 + index).astype(int) + np.array([-30, -10, 25]), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    for index in range(OLD_PARTS):
        write(folder / f"part{index}.png", part(index))
    return folder


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    for index in range(NEW_PARTS):
        write(folder / f"part{index}.png", _changed(index))  # under the names of the old ones
    return folder


@pytest.fixture(scope="module")
def tuned_of(base_of: ModelOf, old: Path, new: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelOf:
    """`tuned_of(method)`: the base, fine-tuned on the changed batch."""
    folder, made = tmp_path_factory.mktemp("tuned"), dict[str, Path]()

    def tuned(method: str) -> Path:
        if method not in made:
            order = _order(base_of(method), new, folder / f"{method}.loupe", replay=old)
            made[method] = run(order).path
        return made[method]

    return tuned


@pytest.fixture(scope="module")
def base_of(old: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelOf:
    folder, made = tmp_path_factory.mktemp("bases"), dict[str, Path]()

    def trained(method: str) -> Path:
        if method not in made:
            made[method] = run(quick_job(old, folder / f"{method}.loupe", method)).path
        return made[method]

    return trained


def _order(base: Path, new: Path, out: Path, **fields: Any) -> TrainingJob:
    return TrainingJob.checked({"data": new, "out": out, "base": base, **fields})


def _normalised(detector: Detector, pictures: list[Pixels]) -> NDArray[np.float64]:
    calibration = detector.manifest.calibration
    return np.array([calibration.normalise(detector.score(pixels).score) for pixels in pictures])


# Every method


def _inputs(pictures: list[Pixels]) -> list[Tensor]:
    small = (cv2.resize(pixels, (64, 64), interpolation=cv2.INTER_AREA) for pixels in pictures)
    return [torch.from_numpy(one.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None] for one in small]


def _created(name: str, state: Any = None) -> Method:
    settings = dict(QUICK[name])
    if "steps" in settings:
        settings["steps"] = max(2, settings["steps"] // 6)
    return methods.create(name, parse_settings(name, settings), "whole", (64, 64), state=state)


@pytest.mark.parametrize("name", METHODS)
def test_that_every_method_learns_the_changed_batch_and_keeps_the_old_one(name: str) -> None:
    first = _created(name)
    with torch.no_grad():
        old, new = (
            [first.embed(one).clone() for one in _inputs([make(index) for index in range(9)])]
            for make in (part, _changed)
        )
    first.fit(old[:5], 0, validation=old[5:7])
    stored = first.tensors()

    def highest(method: Method, embedded: list[Tensor]) -> float:
        return float(np.median([float(method.score(one).cells.max()) for one in embedded]))

    before = highest(first, new[7:]) / highest(first, old[7:])
    past, shown = Past(stored, old[:5]), Balanced(old[5:7], new[5:7], 0)
    updated = _created(name, stored)
    updated.update(past, new[:5], 1, validation=shown)
    after = highest(updated, new[7:]) / highest(updated, old[7:])
    assert after < max(2.0, 0.9 * before)
    if first.replays:
        with pytest.raises(TrainingError, match="forgets the old ones"):
            first.update(Past(stored), new, 1)
    if first.only_lowers:
        assert all((updated.score(one).cells <= first.score(one).cells + 0.05).all() for one in (*old, *new))


THROUGHOUT = ["patchcore", "padim", "dfr"]
"""One of each kind (a bank, statistics, a network) goes the whole way from files to a model file."""


@pytest.mark.parametrize("method", THROUGHOUT)
def test_that_a_fine_tuned_model_accepts_both_batches_and_says_what_it_comes_from(
    method: str, base_of: ModelOf, tuned_of: ModelOf
) -> None:
    before, after = Detector.load(base_of(method), "cpu"), Detector.load(tuned_of(method), "cpu")
    changed, usual = [_changed(100 + index) for index in range(3)], [part(100 + index) for index in range(3)]
    assert np.median(_normalised(before, changed)) > 1
    assert np.median(_normalised(after, changed)) < 1
    assert np.median(_normalised(after, usual)) < 1
    manifest, known = after.manifest, before.manifest
    assert (manifest.parameters, manifest.preprocessing) == (known.parameters, known.preprocessing)
    assert manifest.calibration.source == "fine-tuning"
    assert set(manifest.calibration.batches) == {0, 1}
    assert manifest.data.base_hash == known.model_hash
    assert set(known.data.files) < set(manifest.data.files)
    assert len({name for name, _ in manifest.data.files}) == OLD_PARTS + NEW_PARTS


def test_that_the_same_seed_gives_the_same_model(
    base_of: ModelOf, tuned_of: ModelOf, old: Path, new: Path, tmp_path: Path
) -> None:
    again = run(_order(base_of("patchcore"), new, tmp_path / "again.loupe", replay=old))
    assert again.manifest.model_hash == read_manifest(tuned_of("patchcore")).model_hash


@pytest.mark.parametrize("method", ["padim", "dfr"])
def test_that_a_method_that_needs_old_pictures_says_which_are_missing(
    method: str, base_of: ModelOf, new: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"Add .*pictures .*\(--replay on the command line\)"):
        run(_order(base_of(method), new, tmp_path / "tuned.loupe"))
    assert not (tmp_path / "tuned.loupe").exists()


# What is updated


def _padim(geometry: Geometry, covariance: str, state: Any = None) -> Method:
    parameters = PadimParameters.model_validate({"channels": 6, "covariance": covariance})
    return methods.create("padim", parameters, geometry, (32, 32), state=state)


def _features(count: int, seed: int, channels: int = 6, shift: float = 0.0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=torch.Generator().manual_seed(0))
    drawn = (torch.randn(1, channels, 4, 4, generator=random) for _ in range(count))
    return [torch.einsum("nchw,cd->ndhw", one, mixing) + shift for one in drawn]


@pytest.mark.parametrize("geometry", ["whole", "patches"])
@pytest.mark.parametrize("covariance", ["pooled", "oas", "ledoit_wolf", "ridge"])
def test_that_padim_is_as_if_fitted_on_all_pictures_at_once(covariance: str, geometry: Geometry) -> None:
    old, new = _features(9, 1), _features(5, 2, shift=2.0)
    first, at_once = _padim(geometry, covariance), _padim(geometry, covariance)
    first.fit(old, seed=0)
    stored = first.tensors()
    updated = _padim(geometry, covariance, stored)
    updated.update(Past(stored), new[:2], seed=0)
    again = _padim(geometry, covariance, stored)
    again.update(Past(updated.tensors()), new[2:], seed=0)  # what was updated can be updated again
    at_once.fit([*old, *new], seed=0)
    for key, wanted in at_once.tensors().items():
        np.testing.assert_allclose(again.tensors()[key], wanted, rtol=1e-5, atol=1e-5, err_msg=key)


def test_that_an_earlier_padim_without_its_sums_is_recomputed_from_replayed_pictures_or_refused() -> None:
    old, new = _features(9, 1), _features(5, 2)
    first, at_once = _padim("whole", "pooled"), _padim("whole", "pooled")
    first.fit(old, seed=0)
    earlier = {key: value for key, value in first.tensors().items() if not key.startswith("moments.")}
    with pytest.raises(TrainingError, match="train it once anew"):
        first.update(Past(earlier), new, seed=0)
    first.update(Past(earlier, old), new, seed=0)
    at_once.fit([*old, *new], seed=0)
    np.testing.assert_array_equal(first.tensors()["whitening"], at_once.tensors()["whitening"])


def test_that_inference_does_not_keep_the_sums_of_padim(base_of: ModelOf) -> None:
    _, tensors = read_model(base_of("padim"))
    assert tensors["moments.products"].dtype == np.float64
    method = _padim("whole", "pooled")
    method.fit(_features(9, 1), seed=0)
    method.load_tensors(method.tensors())
    assert not any(key.startswith("moments.") for key in method.tensors())


def test_that_a_bank_is_extended_by_the_rows_that_it_lacks_most() -> None:
    random = torch.Generator().manual_seed(0)
    old, new = torch.rand(2000, 3, generator=random), torch.rand(2000, 3, generator=random) + 5
    bank = old[greedy_coreset(old, 100, 0)]
    mixed = torch.cat([old[:500], new])
    added = extending_coreset(bank, mixed, 100, 0)
    assert len(set(added.tolist())) == 100
    assert (added >= 500).all()  # what the bank covers is not added again
    radius = float(MemoryBank(bank).distances(old).max())
    assert float(MemoryBank(mixed[added]).distances(new).max()) < 1.1 * radius


def test_that_patchcore_keeps_its_bank_and_no_distance_rises() -> None:
    parameters = PatchcoreParameters.model_validate({"coreset_cap": 40})
    first = methods.create("patchcore", parameters, "whole", (64, 64))
    random = torch.Generator().manual_seed(3)
    old, new, probe = ([torch.randn(1, 152, 8, 8, generator=random) + shift for _ in range(4)] for shift in (0, 1, 0.5))
    first.fit(old, seed=0)
    stored, before = first.tensors(), [first.score(one).cells for one in probe]
    first.update(Past(stored), new, seed=0)
    updated = first.tensors()
    np.testing.assert_array_equal(updated["spread"], stored["spread"])
    np.testing.assert_array_equal(updated["bank"][: len(stored["bank"])], stored["bank"])
    assert len(updated["bank"]) == len(stored["bank"]) + EXTENSION * 40
    for cells, known in zip([first.score(one).cells for one in probe], before, strict=True):
        assert (cells <= known + 1e-3).all()


def test_that_networks_go_on_from_their_weights(base_of: ModelOf, tuned_of: ModelOf) -> None:
    """The encoder's scales are what its weights rest on; a network drawn anew would share no weight with the old."""
    (_, before), (_, after) = read_model(base_of("dfr")), read_model(tuned_of("dfr"))
    for key in ("statistic.mean", "statistic.spread"):
        np.testing.assert_array_equal(before[key], after[key])
    weights = [(before[key].ravel(), after[key].ravel()) for key in before if key.endswith("weight")]
    assert all(np.corrcoef(*pair)[0, 1] > 0.9 for pair in weights if pair[0].size > 1000)
    assert any(not np.array_equal(*pair) for pair in weights)


def test_that_old_and_new_pictures_count_the_same_however_many_there_are() -> None:
    old, new = ([torch.tensor([side]) for _ in range(count)] for side, count in ((0, 12), (1, 5)))
    both = Balanced(old, new, seed=0)
    assert [int(sum(both)), len(both)] == [12, 24]
    assert 2 <= int(sum(list(both)[:8])) <= 6  # the first few show both
    assert not Balanced(old, [], 0)


# The threshold


def test_that_the_threshold_holds_for_each_batch_and_not_only_for_both_together() -> None:
    old, new = np.linspace(1, 2, 200), np.linspace(3, 4, 20)
    scores = np.concatenate([old, new])
    names, batches = [str(index) for index in range(220)], ["old"] * 200 + ["new"] * 20
    found = calibrate(scores, scores, names, alpha=0.01, source="fine-tuning", batches=batches)
    alone = calibrate(new, new, names[200:], alpha=0.01, source="fine-tuning")
    pooled = calibrate(scores, scores, names, alpha=0.2, source="fine-tuning")
    assert found.threshold == pytest.approx(alone.threshold, rel=1e-6)
    assert found.rule == "log_normal"
    assert found.false_alarm_interval == alone.false_alarm_interval  # of the batch of which less is known
    assert np.mean(new >= pooled.threshold) == 1  # what pooled scores would promise
    assert np.mean(new >= found.with_alpha(0.2).threshold) <= 0.2
    with pytest.raises(CalibrationError, match="20 or more"):
        calibrate(scores[:202], scores[:202], names[:202], alpha=0.01, source="fine-tuning", batches=batches[:202])


def test_that_a_bank_keeps_the_scores_of_its_old_parts_and_scores_the_new_ones_in_turn(
    base_of: ModelOf, tuned_of: ModelOf
) -> None:
    known = read_manifest(base_of("patchcore")).calibration
    tuned = Detector.load(tuned_of("patchcore"), "cpu")
    found = tuned.manifest.calibration
    assert found.scores[:OLD_PARTS] == known.scores
    assert found.threshold >= known.threshold
    assert found.batches == (0,) * OLD_PARTS + (1,) * NEW_PARTS
    own = [tuned.score(_changed(index)).score for index in range(NEW_PARTS)]
    assert np.median(own) < np.median(found.scores[OLD_PARTS:])  # which were scored by models that had not seen them


def test_that_a_networks_old_parts_are_those_that_were_held_out_when_it_was_trained(
    base_of: ModelOf, tuned_of: ModelOf
) -> None:
    held_out = read_manifest(base_of("dfr")).data.held_out
    tuned = Detector.load(tuned_of("dfr"), "cpu")
    calibration = tuned.manifest.calibration
    for name, score in zip(held_out, calibration.scores, strict=False):
        assert tuned.score(part(int(name.removeprefix("part").removesuffix(".png")))).score == pytest.approx(score)
    assert tuned.manifest.data.held_out == held_out  # and stay so for the next time


def test_that_a_fine_tuned_model_can_be_fine_tuned_again(tuned_of: ModelOf, tmp_path: Path) -> None:
    first = tuned_of("patchcore")
    for index in range(4):
        write(tmp_path / f"third/part{index}.png", np.flip(_changed(30 + index), axis=2))
    second = run(_order(first, tmp_path / "third", tmp_path / "second.loupe"))
    assert set(second.manifest.calibration.batches) == {0, 1, 2}
    assert second.manifest.data.base_hash == read_manifest(first).model_hash


# What is told apart, and what is refused


def test_that_old_pictures_among_the_new_ones_are_known_by_their_content(
    base_of: ModelOf, old: Path, new: Path, tmp_path: Path
) -> None:
    listed = [ListedPicture(name=f"o{path.stem}", file=path) for path in old.iterdir()]
    listed += [ListedPicture(name=f"n{path.stem}", file=path) for path in new.iterdir()]
    PictureList(pictures=tuple(listed)).save(tmp_path / "all.json")
    result = run(_order(base_of("padim"), tmp_path / "all.json", tmp_path / "tuned.loupe"))
    assert len(result.manifest.data.files) == OLD_PARTS + NEW_PARTS
    with pytest.raises(TrainingError, match="knows all of these pictures"):
        run(_order(base_of("padim"), old, tmp_path / "again.loupe"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("method", "spade"), ("parameters", {"channels": 40}), ("size", 96), ("patch", 64), ("window", (0, 100))],
)
def test_that_a_job_that_says_otherwise_than_its_base_is_refused(field: str, value: Any, base_of: ModelOf) -> None:
    base = base_of("padim")
    job = _order(base, Path("new"), Path("m.loupe"), **{field: value})
    with pytest.raises(ParameterError, match=f"^{field}: a fine-tuned model keeps"):
        with_base(job, read_manifest(base))


def test_that_what_a_job_leaves_open_or_says_alike_is_its_bases(base_of: ModelOf) -> None:
    base = base_of("padim")
    job = _order(base, Path("new"), Path("m.loupe"), parameters={"channels": "50"}, size=64)
    filled = with_base(job, read_manifest(base))
    assert (filled.method, filled.parameters["channels"]) == ("padim", 50)
    with pytest.raises(ParameterError, match=r"^method"):  # patchcore is the default, but was asked for
        with_base(job, read_manifest(base), given={"method"})


@pytest.mark.parametrize("look", ["size", "grey", "deep"])
def test_that_pictures_of_another_recipe_are_refused(look: str, base_of: ModelOf, tmp_path: Path) -> None:
    for index in range(4):
        pixels: NDArray[Any] = part(index, *((80, 100) if look == "size" else (96, 128)))
        pixels = pixels[..., 0] if look == "grey" else pixels.astype(np.uint16) * 200 if look == "deep" else pixels
        write(tmp_path / f"parts/part{index}.png", pixels)
    with pytest.raises(TrainingError, match="model of another recipe"):
        run(_order(base_of("patchcore"), tmp_path / "parts", tmp_path / "m.loupe"))


def test_that_too_few_new_parts_are_refused(base_of: ModelOf, old: Path, tmp_path: Path) -> None:
    for index in range(2):
        write(tmp_path / f"parts/part{index}.png", _changed(index))
    with pytest.raises(TrainingError, match="2 different new good part"):
        run(_order(base_of("patchcore"), tmp_path / "parts", tmp_path / "m.loupe", replay=old))


def test_that_a_picture_kept_for_judging_is_not_learnt_from(
    base_of: ModelOf, tuned_of: ModelOf, new: Path, tmp_path: Path
) -> None:
    manifest, tensors = read_model(base_of("patchcore"))
    kept = read_manifest(tuned_of("patchcore")).data.files[-1]
    fields = {
        field: getattr(manifest, field)
        for field in ("method", "parameters", "preprocessing", "calibration", "backbone", "reference", "seed")
    }
    data = manifest.data.model_copy(update={"tests": (kept,)})
    write_model(tmp_path / "base.loupe", name="base", data=data, tensors=tensors, **fields)
    with pytest.raises(TrainingError, match="set aside for judging"):
        run(_order(tmp_path / "base.loupe", new, tmp_path / "m.loupe"))


def test_that_a_folder_of_other_pictures_to_replay_and_a_lost_base_are_told(
    base_of: ModelOf, new: Path, tmp_path: Path
) -> None:
    for index in range(3):
        write(tmp_path / f"others/part{index}.png", part(900 + index))
    with pytest.raises(TrainingError, match="none of these 3 pictures"):
        run(_order(base_of("dfr"), new, tmp_path / "m.loupe", replay=tmp_path / "others"))
    with pytest.raises(ModelFileError, match="no such file"):
        run(_order(tmp_path / "gone.loupe", new, tmp_path / "m.loupe"))
    with pytest.raises(ParameterError, match="give base too"):
        TrainingJob.checked({"data": new, "out": tmp_path / "m.loupe", "replay": new})


def test_that_an_interrupted_network_goes_on_to_the_same_model(
    base_of: ModelOf, tuned_of: ModelOf, old: Path, new: Path, tmp_path: Path
) -> None:
    job = _order(base_of("dfr"), new, tmp_path / "m.loupe", replay=old)
    seen: list[str] = []

    def progress(stage: str, done: int, total: int) -> None:
        if done:
            seen.append(stage)

    with pytest.raises(CancelledError):
        run(job, progress, lambda: seen.count("Building the model: training") >= 3)
    assert job.resume_file.exists()
    resumed = run(job, resume=True)
    assert resumed.manifest.model_hash == read_manifest(tuned_of("dfr")).model_hash
    assert not job.resume_file.exists()


def test_that_an_estimate_tells_the_steps_of_the_update_and_cancelling_writes_nothing(
    base_of: ModelOf, old: Path, new: Path, tmp_path: Path
) -> None:
    job = _order(base_of("dfr"), new, tmp_path / "m.loupe", replay=old)
    survey, plan = estimate(job)
    assert len(survey.names) == OLD_PARTS + NEW_PARTS
    assert plan.done.startswith("6 steps")  # a fifth of 30
    with pytest.raises(CancelledError):
        run(job, cancelled=lambda: True)
    assert not (tmp_path / "m.loupe").exists()
