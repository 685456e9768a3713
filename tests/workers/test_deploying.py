"""A model is deployed in the background: the recipe as stored, or why none has changed."""

from pathlib import Path

from pytestqt.qtbot import QtBot

from station.history.archive import Archive
from station.history.deployment import Deployment
from station.home import Home
from station.workers.deploying import Deploying
from tests.history.test_models import write


def test_that_a_deployed_model_is_on_the_shelf_before_it_is_told(qtbot: QtBot, tmp_path: Path) -> None:
    written = write(tmp_path / "ring.loupe")
    with Archive.open(Home(tmp_path)) as archive:
        deploying = Deploying(archive)
        with qtbot.waitSignal(deploying.deployed) as deployed:
            deploying.deploy(Deployment(tmp_path / "ring.loupe", "Ring", "demo", acknowledge_ng=True))
        recipe = archive.recipes.latest("Ring")
        assert deployed.args == [recipe]
        assert recipe is not None and recipe.acknowledge_ng
        assert archive.models.path(written.model_hash).is_file()
        deploying.close()


def test_that_a_bad_model_file_changes_no_recipe(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "bad.loupe").write_bytes(b"no model")
    with Archive.open(Home(tmp_path)) as archive:
        deploying = Deploying(archive)
        with qtbot.waitSignal(deploying.failed) as failed:
            deploying.deploy(Deployment(tmp_path / "bad.loupe", "Ring", "demo"))
        assert "bad.loupe" in failed.args[0]
        assert archive.recipes.names() == []
        deploying.close()
