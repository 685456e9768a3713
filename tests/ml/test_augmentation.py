"""Training on good and generated pictures: made from what is learnt from alone, never held out, gone afterwards."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from ml.artifact import Manifest, read_manifest
from ml.errors import CancelledError, LoupeError, ParameterError, TrainingError
from ml.generation import appearance
from ml.generation.catalogue.appearance import AppearanceParameters
from ml.generation.generator import GeneratedPicture, Generator
from ml.generation.marking import Mark, encode_marked
from ml.job import Augmentation
from ml.pictures import Pixels, read_picture
from ml.progress import Cancelled, Progress, never, silent
from ml.training import augmentation, embedded
from ml.training.augmentation import check_augmentation, generating_seconds
from ml.training.monitor import Monitor
from ml.training.pipeline import estimate, run
from ml.training.splits import hold_out
from ml.training.survey import survey_pictures
from tests.ml.small_models import part, quick_job, write_parts

APPEARANCE = {"generator": "appearance", "count": 4}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(tmp_path_factory.mktemp("augmentation") / "parts", 8)


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Generated pictures lie in the temporary folder while they are needed, and not longer."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert not [path for path in folder.iterdir() if path.name.startswith("loupe-augmented")]


def trained(parts: Path, out: Path, method: str = "patchcore", **fields: Any) -> Manifest:
    return run(quick_job(parts, out, method, **{"augment": APPEARANCE, **fields})).manifest


@pytest.fixture(scope="module")
def with_generated(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return trained(parts, tmp_path_factory.mktemp("with") / "m.loupe")


@pytest.fixture(scope="module")
def without(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return trained(parts, tmp_path_factory.mktemp("without") / "m.loupe", augment=None)


def test_that_the_same_job_gives_the_same_model_whatever_memory_there_is(
    parts: Path, tmp_path: Path, with_generated: Manifest, without: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "FEATURE_BUDGET_BYTES", 0)

    assert trained(parts, tmp_path / "m.loupe").model_hash == with_generated.model_hash != without.model_hash


def test_that_the_model_file_says_what_was_generated(parts: Path, tmp_path: Path, with_generated: Manifest) -> None:
    stronger = {**APPEARANCE, "settings": {"strength": "1.2"}}
    assert trained(parts, tmp_path / "m.loupe", augment=stronger).model_hash != with_generated.model_hash
    data = read_manifest(tmp_path / "m.loupe").data

    assert data.augmentation is not None
    assert (data.augmentation.generator, data.augmentation.count) == ("appearance", 4)
    assert data.augmentation.settings == AppearanceParameters.model_validate({"strength": 1.2}).model_dump()
    assert data.generated == tuple(f"augmented/generated_appearance_000{number}.png" for number in range(1, 5))
    assert len(data.files) == 8 + 4 and set(data.generated) < {name for name, _ in data.files}


@pytest.mark.parametrize("method", ["padim", "spade", "dfr"])
def test_that_any_method_learns_from_generated_pictures_and_holds_captured_ones_out(
    parts: Path, tmp_path: Path, method: str
) -> None:
    """Also a method whose parts are held out in turn otherwise: the generator is fitted only once."""
    manifest = trained(parts, tmp_path / "m.loupe", method)

    assert manifest.calibration.source == "hold-out"
    assert manifest.calibration.n == 3
    assert len(manifest.data.generated) == 4


class Recorder(Generator):
    """Keeps what it was fitted on, and gives it back as it is."""

    name = "appearance"
    seen: Sequence[Pixels] = ()

    def fit(
        self, pictures: Sequence[Pixels], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        Recorder.seen = [pictures[index] for index in range(len(pictures))]

    def sample(self, count: int, seed: int) -> Iterator[GeneratedPicture]:
        for number in range(count):
            source = number % len(self.seen)
            yield GeneratedPicture(self.seen[source], np.zeros(self.seen[source].shape[:2], bool), "copy", source)


def test_that_the_generator_sees_what_is_learnt_from_and_nothing_that_is_held_out(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augmentation, "create", lambda name, parameters: Recorder(parameters))
    fitted_on: list[int] = []
    monkeypatch.setattr(embedded.EmbeddedPictures, "detect", _recording(embedded.EmbeddedPictures.detect, fitted_on))

    trained(parts, tmp_path / "m.loupe")

    split = hold_out([f"part{index}.png" for index in range(8)], 0)
    learnt = [read_picture(parts / f"part{index}.png").pixels for index in split.learnt]
    assert len(Recorder.seen) == len(learnt)
    assert all(np.array_equal(seen, read) for seen, read in zip(Recorder.seen, learnt, strict=True))
    assert tuple(fitted_on) == split.calibration  # what was scored for the threshold


def _recording(detect: Any, indices: list[int]) -> Any:
    def recorded(self: embedded.EmbeddedPictures, index: int) -> Any:
        indices.append(index)
        return detect(self, index)

    return recorded


def test_that_with_few_parts_perturbed_copies_of_captured_ones_give_the_threshold(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "few", 4)
    manifest = trained(parts, tmp_path / "m.loupe")

    assert manifest.calibration.source == "perturbations"
    assert manifest.calibration.n == 40
    assert len(manifest.data.generated) == 4


def test_that_generated_pictures_change_nothing_of_what_parts_look_like(
    with_generated: Manifest, without: Manifest
) -> None:
    """Recipes take their limits of brightness and focus from it."""
    assert with_generated.reference == without.reference
    assert with_generated.thumbnail_sha256 == without.thumbnail_sha256


def test_that_a_stop_while_generating_leaves_nothing(parts: Path, tmp_path: Path) -> None:
    stages: list[str] = []

    with pytest.raises(CancelledError):
        run(
            quick_job(parts, tmp_path / "m.loupe", augment=APPEARANCE),
            lambda stage, done, total: stages.append(stage),
            lambda: "Generating pictures (Appearance)" in stages,
        )

    assert not (tmp_path / "m.loupe").exists()


def test_that_an_interrupted_training_goes_on_with_the_same_generated_pictures_and_no_others(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopping(Monitor):
        is_reached = False

        def losses(self, step: int, steps: int, losses: Mapping[str, float], validation: float | None) -> None:
            self.is_reached = step >= 2

    settings: dict[str, Any] = {
        "augment": APPEARANCE,
        "parameters": {"width": 4, "crop_px": 64, "steps": 4, "batch": 2},
    }
    whole = run(quick_job(parts, tmp_path / "whole.loupe", "riad", **settings)).manifest
    job, stopping = quick_job(parts, tmp_path / "m.loupe", "riad", **settings), Stopping()
    with pytest.raises(CancelledError):
        run(job, cancelled=lambda: stopping.is_reached, monitor=stopping)

    kept = job.resume_file.read_bytes()
    assert run(job, resume=True).manifest.model_hash == whole.model_hash

    job.resume_file.write_bytes(kept)
    monkeypatch.setattr(appearance, "LEAST_STRUCTURE", 1.0)  # which makes other pictures
    with pytest.raises(TrainingError, match="generator has made other pictures"):
        run(job, resume=True)


@pytest.mark.parametrize(
    ("augment", "says"),
    [
        ({"generator": "synthetic_defects"}, "makes pictures with defects.*appearance, histaugan, singan"),
        ({"generator": "appearances"}, "did you mean appearance"),
        ({"generator": "appearance", "settings": {"strength": 3}}, "strength=3 is not allowed"),
    ],
)
def test_that_a_wrong_augmentation_is_refused_before_any_picture_is_read(
    tmp_path: Path, augment: dict[str, Any], says: str
) -> None:
    with pytest.raises(ParameterError, match=says):
        trained(tmp_path / "nowhere", tmp_path / "m.loupe", augment=augment)


def test_that_a_generator_that_needs_more_pictures_than_are_learnt_from_says_so(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "few", 6)  # one to learn from: three calibrate, one validates
    with pytest.raises(TrainingError, match=r"HistAuGAN makes pictures of good ones: \d are given"):
        trained(parts, tmp_path / "m.loupe", augment={"generator": "histaugan"})


def test_that_the_estimate_knows_of_the_generators_minutes(parts: Path, tmp_path: Path) -> None:
    assert generating_seconds(Augmentation(generator="histaugan", settings={"minutes": "2.5"})) == 150
    assert generating_seconds(Augmentation(generator="appearance")) == generating_seconds(None) == 0
    _, plan = estimate(
        quick_job(parts, tmp_path / "m.loupe", augment={"generator": "singan", "settings": {"minutes": 30}})
    )
    assert 1800 < plan.seconds < 1860


def test_that_no_augmentation_needs_no_check() -> None:
    check_augmentation(None)


def test_that_marked_pictures_in_the_folder_are_learnt_from_and_never_scored(
    parts: Path, tmp_path: Path, without: Manifest
) -> None:
    """Of a method whose parts are held out in turn."""
    folder = write_parts(tmp_path / "mixed", 8)
    survey = survey_pictures(quick_job(parts, tmp_path / "m.loupe"))
    for index in range(3):
        mark = Mark(generator="appearance", source_sha256=survey.hashes[index])
        (folder / f"z{index}.png").write_bytes(encode_marked(part(50 + index), mark))

    manifest = trained(folder, tmp_path / "m.loupe", augment=None)

    assert (manifest.calibration.source, manifest.calibration.n) == ("5-fold", 8)
    assert manifest.data.generated == ("z0.png", "z1.png", "z2.png")
    assert manifest.data.augmentation is None
    assert manifest.reference == without.reference
    assert manifest.model_hash != without.model_hash


def test_that_marked_pictures_are_no_sources_of_further_ones(parts: Path, tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "mixed", 8)
    (folder / "z.png").write_bytes(encode_marked(part(50), Mark(generator="appearance")))
    survey = survey_pictures(quick_job(folder, tmp_path / "m.loupe"))
    sources: list[BaseModel] = []
    job = quick_job(folder, tmp_path / "m.loupe", augment=APPEARANCE)

    with augmentation.augmented(job, survey, list(survey.names), None, silent, never) as learnt:
        sources += [mark for index, mark in learnt.survey.marks.items() if index > 8]
        assert len(learnt.survey.names) == 13 and len(learnt.parts) == 13
        assert all(learnt.survey.read(index).pixels.shape == (96, 128, 3) for index in range(13))

    assert {getattr(mark, "source", None) for mark in sources} <= {f"part{index}.png" for index in range(8)}
    with pytest.raises(LoupeError, match="start again"):
        learnt.survey.read(12)
