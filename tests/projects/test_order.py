"""A candidate as `loupe train` takes it: pictures that nothing can change, and a job that says all that was chosen."""

from hashlib import sha256
from pathlib import Path

import pytest

from ml.errors import ParameterError
from ml.picture_list import PictureList
from ml.preprocessing import Clahe, RingSearch
from station.history.store import PictureStore
from station.projects.order import content_hashes, described_job, listed_pictures, shown_order, training_job
from station.projects.project import Candidate, Looks, SampleApproval
from station.projects.store import ProjectError
from tests.projects.pictures import listed, project_of, write_picture

CANDIDATE = Candidate(title="PatchCore", order={"method": "patchcore", "preset": "fast"})


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path / "store")


def test_that_the_list_names_every_used_picture_where_nothing_changes_it(tmp_path: Path, store: PictureStore) -> None:
    project = project_of(tmp_path / "in", good=3, bad=1)
    aside, unsure = (listed(write_picture(tmp_path / "in", number)) for number in (50, 51))
    others = (aside.model_copy(update={"set_aside": "blurred"}), unsure.model_copy(update={"label": "unsure"}))
    project = project.model_copy(update={"pictures": project.pictures + others})
    mask = write_picture(tmp_path / "masks", 7)
    job = training_job(project, CANDIDATE, store, tmp_path / "candidate", {"part_100.png": mask})
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    found = PictureList.load(job.data)
    assert [one.name for one in found.pictures] == [f"part_{number:03}.png" for number in (0, 1, 2, 100)]
    assert all(sha256(one.file.read_bytes()).hexdigest() == one.sha256 for one in found.pictures)
    bad = found.pictures[-1]
    assert (bad.label, bad.use, bad.kind) == ("bad", "test", "cut")
    assert bad.mask is not None and bad.mask.read_bytes() == mask.read_bytes() and bad.mask.is_relative_to(store.folder)
    assert len(content_hashes(found)) == 5
    again = training_job(project, CANDIDATE, store, tmp_path / "second", {})  # the first has kept the contents
    assert len(PictureList.load(again.data).pictures) == 4


def test_that_pictures_that_changed_or_are_gone_are_named(tmp_path: Path, store: PictureStore) -> None:
    project = project_of(tmp_path / "in", good=6)
    (tmp_path / "in" / "part_001.png").unlink()
    write_picture(tmp_path / "in", 9).rename(tmp_path / "in" / "part_002.png")
    with pytest.raises(ProjectError, match=r"2 pictures have changed.*part_001.*gone.*part_002.*another picture"):
        training_job(project, CANDIDATE, store, tmp_path / "candidate", {})
    assert not (tmp_path / "candidate").exists()


def test_that_the_job_carries_order_looks_and_name(tmp_path: Path) -> None:
    looks = Looks(clahe=Clahe(clip=3.0, tiles=8))
    project = project_of(tmp_path, good=1, looks=looks)
    order = {"method": "padim", "preset": "thorough", "ring": {}, "parameters": {"components": 50}}
    job = described_job(project, order, tmp_path / "candidate")
    assert job.name == "Seat" and job.method == "padim" and job.clahe == looks.clahe and job.ring == RingSearch()
    assert job.out == tmp_path / "candidate" / "model.loupe" and job.data.parent == job.out.parent


def test_that_choices_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="size or patch"):
        described_job(project_of(tmp_path, good=1), {"size": 256, "patch": 128}, tmp_path)


def test_that_samples_are_learnt_from_only_as_approved(tmp_path: Path) -> None:
    order = {"method": "padim", "augment": {"generator": "appearance", "count": 9}}
    project = project_of(tmp_path, good=1, order=order)
    assert "augment" not in shown_order(project)
    approved = SampleApproval(generator="appearance", settings={"strength": 0.5}, count=20)
    job = described_job(project, shown_order(project.model_copy(update={"approved": approved})), tmp_path)
    assert job.augment is not None and job.augment.count == 20 and job.augment.settings == {"strength": 0.5}


def test_that_a_fine_tuned_model_keeps_its_own_looks(tmp_path: Path) -> None:
    looks = Looks(clahe=Clahe(clip=3.0, tiles=8))
    project = project_of(tmp_path, good=1, looks=looks, base_model="ab" * 32)
    job = described_job(project, shown_order(project), tmp_path, base=tmp_path / "base.loupe")
    assert job.base == tmp_path / "base.loupe" and job.clahe is None


def test_that_pictures_can_be_listed_where_they_lie(tmp_path: Path) -> None:
    project = project_of(tmp_path / "in", good=2)
    assert [one.file.parent for one in listed_pictures(project, {}).pictures] == [tmp_path / "in"] * 2
