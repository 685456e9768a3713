"""What a fine-tuning knows of the pictures that its model has seen: what other projects say of them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from ml.annotation.exchange import AnnotatedPicture, annotated_by_mask
from ml.annotation.store import AnnotationStore
from ml.artifact import DataFingerprint, Manifest
from ml.picture_list import ListedPicture, PictureList
from ml.pictures import encode_png
from station.history.models import ModelShelf
from station.history.store import PictureStore
from station.projects import picture_choices as choices
from station.projects.base_pictures import BasePictures
from station.projects.order import PICTURES_FILE
from station.projects.project import Candidate, Project, ProjectPicture
from station.projects.sources import Offer, admit, from_paths
from station.projects.splitting import split
from station.projects.store import ProjectStore
from tests.projects.evidence import write_candidate
from tests.projects.test_pictures import picture, write

BASE = "a" * 64
OWN = "0123456789ab"
SIDE_PX = 64


class _Shelf(ModelShelf):
    """With one model."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    def manifest(self, model_hash: str) -> Manifest:
        assert model_hash == BASE
        return self._manifest


class Station:
    """A store of contents, projects, and a model that has seen pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = PictureStore(folder / "store")
        self.projects = ProjectStore(folder / "projects")

    def file(self, seed: int) -> Path:
        return write(self.folder / "in" / f"{seed}.png", seed, SIDE_PX)

    def kept(self, seed: int) -> str:
        return self.store.put(self.file(seed).read_bytes(), ".png")

    def base(self, **data: object) -> BasePictures:
        fingerprint = DataFingerprint.model_validate({"files": (), **data})
        manifest = write_candidate(self.folder / "model.loupe", data=fingerprint)
        return BasePictures(BASE, OWN, _Shelf(manifest), self.store, self.projects)

    def project(self, *pictures: ProjectPicture, **fields: object) -> Project:
        made = Project.model_validate({"name": "First", "pictures": pictures, **fields})
        self.projects.save(made)
        return made


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path)


def mask_at(path: Path) -> Path:
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    mask[10:20, 30:40] = 255
    path.write_bytes(encode_png(mask))
    return path


def shown(content: str, **changes: object) -> ProjectPicture:
    return picture(1, sha256=content, width_px=SIDE_PX, height_px=SIDE_PX, **changes)


def only(base: BasePictures) -> Offer:
    (offer,) = base.offers().pictures
    return offer


def test_that_a_fine_tuning_begins_with_what_its_model_has_seen(station: Station) -> None:
    contents = [station.kept(seed) for seed in range(5)]
    base = station.base(
        files=(("0.png", contents[0]), ("gone.png", "f" * 64), ("made.png", "e" * 64)),
        generated=("made.png",),
        defects=(("bad.png", contents[1]),),
        tests=(("test/good/2.png", contents[2]), ("test/crack/3.png", contents[3]), ("loose.png", contents[4])),
    )
    offers = base.offers()
    assert [(one.name, one.label, one.use, one.kind) for one in offers.pictures] == [
        ("0.png", "good", "learn", None),
        ("bad.png", "bad", "learn", None),
        ("test/good/2.png", "good", "test", None),
        ("test/crack/3.png", "bad", "test", "crack"),
        ("loose.png", "unsure", "test", None),
    ]
    assert all(one.origin == "base" and one.use_given for one in offers.pictures)
    assert [one.name for one in offers.refused] == ["gone.png"]


def test_that_another_project_tells_label_kind_and_mask_of_an_old_test_picture(station: Station) -> None:
    content = station.kept(0)
    mask = mask_at(station.folder / "mask.png")
    station.project(shown(content, label="bad", use="test", kind="dent", imported_mask=mask))
    offer = only(station.base(tests=(("loose.png", content),)))
    assert (offer.label, offer.use, offer.kind) == ("bad", "test", "dent")
    assert offer.mask is not None and offer.mask.read_bytes() == mask.read_bytes()
    assert offer.mask.is_relative_to(station.store.folder), "the other project may be removed"


def test_that_what_was_drawn_in_another_project_comes_as_a_mask(station: Station) -> None:
    content = station.kept(0)
    made = station.project(shown(content, label="bad", use="test", outlined=True))
    mask = mask_at(station.folder / "mask.png")
    as_exchanged = AnnotatedPicture("0.png", station.file(0), SIDE_PX, SIDE_PX, content, "bad", "test", "dent", None)
    annotations = AnnotationStore(station.projects.annotations_folder(made))
    annotations.save(content, annotated_by_mask(as_exchanged, mask))
    offer = only(station.base(tests=(("loose.png", content),)))
    assert offer.mask is not None
    wanted, found = (cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in (mask, offer.mask))
    assert wanted is not None and found is not None and np.array_equal(wanted, found)


def test_that_the_list_of_a_candidate_tells_what_its_project_no_longer_does(station: Station) -> None:
    content = station.kept(0)
    candidate = Candidate(title="First", order={})
    made = station.project(candidates=(candidate,))
    mask = mask_at(station.folder / "mask.png")
    folder = station.projects.candidate_folder(made, candidate.id)
    folder.mkdir(parents=True)
    listed = ListedPicture(name="0.png", file=station.file(0), sha256=content, label="bad", use="test", mask=mask)
    PictureList(pictures=(listed,)).save(folder / PICTURES_FILE)
    offer = only(station.base(tests=(("loose.png", content),)))
    assert offer.label == "bad" and offer.mask is not None


def test_that_old_pictures_keep_the_part_that_several_show(station: Station) -> None:
    contents = [station.kept(seed) for seed in range(3)]
    names = ("7-a.png", "7-b.png", "8-a.png")
    station.project(
        *(
            picture(seed, name=name, sha256=content)
            for seed, (name, content) in enumerate(zip(names, contents, strict=True))
        ),
        group_by=r"^(\d+)-",
    )
    base = station.base(files=tuple(zip(names, contents, strict=True)))
    assert [one.part for one in base.offers().pictures] == ["7", "7", None]


def test_that_neither_the_own_project_nor_an_unsure_or_unreadable_one_says_anything(station: Station) -> None:
    content = station.kept(0)
    station.project(shown(content, label="bad"), id=OWN)
    station.project(shown(content, label="unsure"))
    damaged = station.project(shown(content, label="bad"))
    (station.projects.folder(damaged) / "pictures.json").write_text("{")
    assert only(station.base(tests=(("loose.png", content),))).label == "unsure"


def test_that_what_the_base_has_seen_keeps_its_use_when_added_by_hand(station: Station) -> None:
    """Its contents are not in the store, so that the engineer adds the old folder."""
    files = [station.file(seed) for seed in range(40)]
    facts = [admit(Offer(file.name, file), ()).picture.sha256 for file in files]
    base = station.base(
        files=tuple((f"old/{file.name}", content) for file, content in zip(files[:30], facts, strict=False)),
        tests=tuple((f"old/{file.name}", content) for file, content in zip(files[30:35], facts[30:35], strict=True)),
    )
    assert len(base.offers().refused) == 35
    offers = base.claiming(from_paths([station.folder / "in"]))
    taken = [admit(one, (), offers.seen).picture for one in offers.pictures]
    project = split(Project(id=OWN, name="Next", base_model=BASE, test_share=0.5, pictures=tuple(taken)))
    by_name = {one.name: one for one in project.pictures}
    learnt, tested, new = ([by_name[file.name] for file in some] for some in (files[:30], files[30:35], files[35:]))
    assert {(one.use, one.use_given, one.origin) for one in learnt} == {("learn", True, "base")}
    assert {(one.use, one.use_given, one.origin, one.label) for one in tested} == {("test", True, "base", "unsure")}
    assert {one.origin for one in new} == {"folder"}


def test_that_a_layout_added_by_hand_tells_what_the_base_does_not(station: Station) -> None:
    layout = station.folder / "layout"
    file = write(layout / "test" / "crack" / "0.png", 0, SIDE_PX)
    write(layout / "train" / "good" / "1.png", 1, SIDE_PX)
    content = admit(Offer("0.png", file), ()).picture.sha256
    base = station.base(tests=(("loose.png", content),))
    offers = base.claiming(from_paths([layout]))
    found = {one.name: admit(one, (), offers.seen).picture for one in offers.pictures}
    again = found["test/crack/0.png"]
    assert (again.label, again.kind, again.use, again.origin) == ("bad", "crack", "test", "base")


def test_that_only_what_is_missing_is_offered_and_what_was_taken_out_stays_out(station: Station) -> None:
    contents = [station.kept(seed) for seed in range(3)]
    base = station.base(files=tuple((f"{seed}.png", content) for seed, content in enumerate(contents)))
    some = tuple(admit(one, ()).picture for one in base.offers().pictures[:2])  # then the power failed
    before = Project(id=OWN, name="Next", base_model=BASE, pictures=some)
    after = choices.base_noted(choices.removed(before, ["0.png"]), before)
    assert after.base_left_out == (contents[0],)
    but = {*after.base_left_out, *(one.sha256 for one in after.pictures)}
    assert [one.name for one in base.offers(but).pictures] == ["2.png"]
    back = choices.base_noted(after.model_copy(update={"pictures": before.pictures}), after)
    assert back.base_left_out == (), "the removal was taken back"
