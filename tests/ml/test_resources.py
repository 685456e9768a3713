"""What a training needs and what there is: told in words before the start, and never too little."""

from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ml.catalogue import METHODS
from ml.job import TrainingJob
from ml.pictures import encode_png
from ml.training import resources
from ml.training.resources import MIB, Resources, Workload, look_for_shortage, needed, shortage, workload_of
from tests.ml.lists import bad, good, listed
from tests.ml.small_models import part, write_parts

PLENTY = Resources(memory=2**40, disk=2**40, temporary=2**40)
SOME = Workload(pictures=300, tests=100, height_px=960, width_px=1280)


def _job(**fields: Any) -> TrainingJob:
    return TrainingJob.checked({"data": "d", "out": "m.loupe", **fields})


@pytest.mark.parametrize(
    ("method", "pictures", "height_px", "width_px", "measured_mib"),
    [  # the largest peaks of docs/benchmarks.md, preset balanced
        ("patchcore", 300, 280, 320, 1225),
        ("padim", 300, 280, 320, 1393),
        ("spade", 300, 280, 320, 1486),
        ("dfr", 300, 280, 320, 1297),
        ("student_teacher", 300, 280, 320, 1244),
        ("efficientad", 300, 280, 320, 1493),
        ("patch_svdd", 300, 280, 320, 1349),
        ("riad", 31, 537, 736, 1585),
        ("ganomaly", 38, 1000, 700, 1063),
        ("skip_ganomaly", 38, 1000, 700, 1432),
        ("patch_ganomaly", 300, 280, 320, 1356),
        ("tl_ganomaly", 300, 280, 320, 1779),
        ("conv_autoencoder", 300, 280, 320, 1342),
        ("patch_cnn", 300, 280, 320, 1491),
        ("template", 31, 537, 736, 1586),
    ],
)
def test_that_the_estimate_lies_between_the_memory_measured_and_twice_as_much(
    method: str, pictures: int, height_px: int, width_px: int, measured_mib: int
) -> None:
    memory_mib = needed(_job(method=method), Workload(pictures, 0, height_px, width_px)).memory / MIB
    assert measured_mib <= memory_mib <= resources.HOPELESS * measured_mib


@pytest.mark.parametrize("method", METHODS)
def test_that_no_preset_needs_less_than_a_smaller_one(method: str) -> None:
    fast, balanced, thorough = (needed(_job(method=method, preset=preset), SOME) for preset in METHODS[method].presets)
    assert fast.memory <= balanced.memory <= thorough.memory
    assert fast.disk <= balanced.disk <= thorough.disk


def test_that_more_or_larger_pictures_need_no_less() -> None:
    small, usual = Workload(10, 0, 480, 640), needed(_job(), SOME)
    assert needed(_job(), small).memory < usual.memory
    assert needed(_job(), small).disk < usual.disk
    patches = needed(_job(patch=256), SOME)
    assert patches.memory > usual.memory and patches.disk > usual.disk  # as many inputs as patches
    assert needed(_job(size=512), SOME).memory > usual.memory
    generated = needed(_job(augment={"generator": "appearance", "count": 50}), SOME)
    assert generated.temporary == 50 * 960 * 1280 * 3
    assert usual.temporary == 0


def test_that_each_part_on_a_picture_is_one_more_input() -> None:
    template = b64encode(encode_png(part(0, 64, 64)[..., 0].copy())).decode()

    def maps(**fields: Any) -> int:
        job = _job(parts={"template_png": template, "width_px": 320, "height_px": 320, **fields})
        judged, unjudged = (needed(job, Workload(9, tests, 960, 1280)).disk for tests in (100, 0))
        return judged - unjudged

    one = maps(count=1)
    assert maps(count=4) - one == pytest.approx(3 * one, rel=0.05)
    assert maps() == maps(count=12)  # as many as the picture has room for


def test_that_features_beyond_what_is_kept_need_nothing_more() -> None:
    many, more = (needed(_job(patch=256), Workload(count, 0, 4000, 6000)).memory for count in (1000, 100_000))
    assert many == more


def test_that_enough_of_everything_is_no_shortage() -> None:
    assert shortage(_job(), needed(_job(), SOME), PLENTY) == resources.Shortage()


def test_that_scarce_memory_is_a_warning_and_hopeless_memory_an_obstacle() -> None:
    needs = Resources(memory=2000 * MIB, disk=0)
    scarce = shortage(_job(), needs, Resources(1500 * MIB, 2**40))
    assert scarce.obstacle == ""
    assert "needs up to 2.0 GiB of memory, and 1.5 GiB are free" in scarce.warning
    assert "'fast'" in scarce.warning and "may be stopped half-way" in scarce.warning
    hopeless = shortage(_job(), needs, Resources(900 * MIB, 2**40))
    assert "and 900 MiB are free" in hopeless.obstacle and hopeless.warning == ""


def test_that_a_disk_without_room_is_an_obstacle(tmp_path: Path) -> None:
    job = _job(out=tmp_path / "m.loupe")
    needs = Resources(memory=0, disk=300 * MIB, temporary=10 * MIB)
    full = shortage(job, needs, Resources(1, 20 * MIB, 2**40))
    assert str(tmp_path) in full.obstacle
    assert "300 MiB are needed" in full.obstacle and "20 MiB are free" in full.obstacle
    assert "generated pictures" in shortage(job, needs, Resources(1, 2**40, MIB)).obstacle


def test_that_the_work_is_read_from_folder_or_list(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "parts", 5)
    (folder / "broken.png").write_bytes(b"")
    assert workload_of(_job(data=folder)) == Workload(6, 0, 96, 128, 3)
    pictures = [*(good(tmp_path, index) for index in range(4)), bad(tmp_path, 1, use="test"), bad(tmp_path, 2)]
    assert workload_of(_job(data=listed(tmp_path, pictures))) == Workload(4, 1, 96, 128, 3)


def test_that_a_job_is_held_against_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = _job(data=write_parts(tmp_path / "parts", 3), out=tmp_path / "not/there/yet/m.loupe")
    assert look_for_shortage(job).obstacle == ""
    monkeypatch.setattr(resources, "disk_usage", lambda folder: SimpleNamespace(free=MIB))
    assert "1 MiB are free" in look_for_shortage(job).obstacle


def test_that_a_fine_tuning_needs_what_its_base_needs_and_its_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    known = SimpleNamespace(data=SimpleNamespace(files=(("a.png", "0" * 64),) * 100))
    own = _job(method="padim", size=64)
    monkeypatch.setattr(resources, "read_manifest", lambda path: known)
    monkeypatch.setattr(resources, "with_base", lambda job, base: own)
    tuned = needed(_job(base="base.loupe"), SOME)
    assert tuned.disk == needed(own, SOME).disk
    assert tuned.memory - needed(own, SOME).memory == 100 * 64 * 64 * resources.FEATURE_BYTES_PER_PX
