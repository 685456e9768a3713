"""Candidates in their queue: what is next, what they are called, and what a crash or a power cut leaves of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from station.projects.project import Project, SampleApproval
from station.projects.queue import (
    again,
    can_resume,
    is_queued,
    next_waiting,
    recovered,
    settled,
    title_of,
    trained,
    with_shown,
    without,
)
from station.projects.steps import method, training
from tests.projects.pictures import project_of
from tests.ui.demo_history import write_demo_model


def queued(project: Project, *orders: dict[str, object]) -> Project:
    for order in orders:
        project = with_shown(project.model_copy(update={"order": order}))
    return project


def in_state(project: Project, state: str) -> Project:
    (one,) = project.candidates
    return project.with_candidate(one.model_copy(update={"state": state}))


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[[str], Path]:
    return lambda candidate: tmp_path / "candidates" / candidate


@pytest.mark.parametrize(
    ("order", "title"),
    [
        ({}, "PatchCore, balanced"),
        ({"method": "padim", "preset": "fast", "size": 999}, "PaDiM, fast, 999 px"),
        ({"patch": 256, "conv_processing": 3}, "PatchCore, balanced, patches of 256 px, map filter 3"),
        (
            {"parameters": {"few_shot": True, "strides": [8], "coreset": 0.2, "neighbours": 1}},
            "PatchCore, balanced, few shot on, strides 8, coreset 0.2, 1 more",
        ),
    ],
)
def test_that_a_title_says_what_is_special(order: dict[str, object], title: str) -> None:
    assert title_of(order) == title


def test_that_candidates_are_trained_in_their_order_and_told_apart() -> None:
    project = queued(Project(name="Seat"), {"method": "padim"}, {"method": "dfr"})
    first, second = project.candidates
    assert next_waiting(project) == first and is_queued(project)
    project = project.with_candidate(first.model_copy(update={"state": "failed"}))
    assert next_waiting(project) == second
    once_more = again(project, second).candidates[-1]
    assert once_more.order == second.order and once_more.title == f"{second.title} (2)"
    assert [one.id for one in without(project, first.id).candidates] == [second.id]


def test_that_later_advice_does_not_change_what_was_queued_without_it() -> None:
    project = with_shown(settled(Project(name="Seat")))
    assert project.order == project.candidates[0].order == {"method": "patchcore", "preset": "balanced"}
    assert settled(project) is project
    tuning = Project(name="Seat", base_model="ab" * 32)
    assert settled(tuning) is tuning


def test_that_another_approval_is_another_order() -> None:
    project = queued(Project(name="Seat"), {"method": "padim"})
    approved = SampleApproval(generator="appearance", settings={}, count=20)
    other = project.model_copy(update={"approved": approved})
    assert not is_queued(other)
    assert "20 generated" in with_shown(other).candidates[-1].title


def test_that_a_run_cut_off_before_it_learnt_anything_waits_again(folder_of: Callable[[str], Path]) -> None:
    project = in_state(queued(Project(name="Seat"), {}), "running")
    assert recovered(project, folder_of).candidates[0].state == "waiting"


def test_that_a_run_cut_off_can_go_on(folder_of: Callable[[str], Path]) -> None:
    project = in_state(queued(Project(name="Seat"), {}), "running")
    folder = folder_of(project.candidates[0].id)
    folder.mkdir(parents=True)
    (folder / "model.loupe.resume").touch()
    (one,) = recovered(project, folder_of).candidates
    assert one.state == "cancelled" and "Interrupted" in one.problem and can_resume(folder)


def test_that_a_model_completed_unseen_counts(folder_of: Callable[[str], Path]) -> None:
    project = in_state(queued(Project(name="Seat"), {}), "running")
    folder = folder_of(project.candidates[0].id)
    folder.mkdir(parents=True)
    manifest = write_demo_model(folder / "model.loupe")
    (one,) = trained(recovered(project, folder_of))
    assert one.model_hash == manifest.model_hash


def test_that_a_run_that_is_still_going_on_stays(folder_of: Callable[[str], Path]) -> None:
    project = in_state(queued(Project(name="Seat"), {}), "running")
    assert recovered(project, folder_of, folder_of(project.candidates[0].id)) == project


def test_that_judging_needs_a_trained_candidate() -> None:
    project = Project(name="Seat")
    assert "Queue" in training.readiness(project).obstacle
    project = queued(project, {})
    assert "Start" in training.readiness(project).obstacle
    assert "running" in training.readiness(in_state(project, "running")).obstacle
    assert "try one again" in training.readiness(in_state(project, "failed")).obstacle
    done = training.readiness(in_state(project, "trained"))
    assert done.obstacle == "" and "1 candidate" in done.consequence


def test_that_a_method_wants_pictures_and_choices_that_go_together(tmp_path: Path) -> None:
    project = project_of(tmp_path, good=5, bad=2)
    found = method.readiness(project)
    assert found.obstacle == "" and "5 pictures" in found.consequence and "2 are set aside" in found.consequence
    assert "(queued)" in method.readiness(with_shown(project)).consequence
    few = project.model_copy(update={"pictures": project.pictures[:2]})
    assert "3 are needed" in method.readiness(few).obstacle
    labelled = {"method": "student_teacher", "parameters": {"teacher": "labelled"}}
    assert "defective parts" in method.readiness(project.model_copy(update={"order": labelled})).obstacle
    clash = {"size": 256, "patch": 128}
    assert "size or patch" in method.readiness(project.model_copy(update={"order": clash})).obstacle


def test_that_fine_tuning_wants_new_pictures(tmp_path: Path) -> None:
    project = project_of(tmp_path, good=2, base_model="ab" * 32)
    assert method.readiness(project).obstacle == "" and "2 new" in method.readiness(project).consequence
    old = tuple(one.model_copy(update={"origin": "base"}) for one in project.pictures)
    assert "new good parts" in method.readiness(project.model_copy(update={"pictures": old})).obstacle
