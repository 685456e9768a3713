"""`loupe models`: what is on the station, who approved it, and the way back."""

import json
from pathlib import Path

import pytest

from station.core.people import Person
from station.history.archive import Archive
from station.history.deployment import Deployment, deploy
from station.home import Home
from tests.cli.conftest import Loupe
from tests.history.test_models import write


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A station whose recipe Ring has had two models."""
    folder = tmp_path / "home"
    folder.mkdir()
    with Archive.open(Home(folder)) as archive:
        for seed in (1, 2):
            path = tmp_path / f"{seed}.loupe"
            write(path, seed=seed, name=f"[ring] {seed}")
            deploy(Deployment(path, "Ring", "demo", by=Person("Engineer"), notes=f"batch {seed}"), archive)
    return folder


def test_that_the_list_tells_where_models_judge_and_who_approved_them(loupe: Loupe, home: Path) -> None:
    models = json.loads(loupe("models", "list", "--home", home, "--json").out)
    assert [(one["name"], one["in_use"]) for one in models] == [("[ring] 2", ["Ring"]), ("[ring] 1", [])]
    told = loupe("models", "list", "--home", home)
    assert told.code == 0
    assert "[ring] 2" in told.out


def test_that_one_model_is_found_by_the_beginning_of_its_hash(loupe: Loupe, home: Path) -> None:
    model = json.loads(loupe("models", "list", "--home", home, "--json").out)[0]["hash"]
    assert loupe("models", "approve", model[:8], "--by", "Second", "--note", "fine", "--home", home).code == 0
    shown = json.loads(loupe("models", "show", model[:8], "--home", home, "--json").out)
    assert [one["approver"] for one in shown["approvals"]] == ["Second"]
    assert [one["notes"] for one in shown["deployments"]] == ["batch 2"]
    told = loupe("models", "show", model[:8], "--home", home).out
    assert "Second (typed name, not authenticated): fine" in told
    unknown = loupe("models", "show", "ffffff", "--home", home)
    assert unknown.code == 1
    assert "No model of this station begins with 'ffffff'" in unknown.err


def test_that_a_recipe_goes_back_to_its_last_other_model(loupe: Loupe, home: Path) -> None:
    back = loupe("models", "rollback", "Ring", "--by", "Engineer", "--home", home)
    assert back.code == 0
    assert "'Ring', revision 3" in back.out
    models = json.loads(loupe("models", "list", "--home", home, "--json").out)
    assert [one["in_use"] for one in models] == [[], ["Ring"]]
    assert loupe("models", "rollback", "Seat", "--by", "Engineer", "--home", home).code == 1


def test_that_a_running_station_is_not_rolled_back_behind_its_back(loupe: Loupe, home: Path) -> None:
    with Home(home).lock():
        refused = loupe("models", "rollback", "Ring", "--by", "Engineer", "--home", home)
    assert refused.code == 1
    assert "in use by process" in refused.err
    assert "Training rolls back" in " ".join(refused.err.split())


def test_that_a_folder_without_station_is_named(loupe: Loupe, tmp_path: Path) -> None:
    refused = loupe("models", "list", "--home", tmp_path)
    assert refused.code == 1
    assert str(tmp_path) in refused.err.replace("\n", "")
    assert not list(tmp_path.iterdir())
