"""`loupe recommend`: the command that it names can be carried out as it stands."""

from pathlib import Path

from ml.alignment import Alignment
from ml.recommendation import choose
from station.commands.recommend import train_command


def test_that_the_command_names_the_defects_that_the_method_learns_from() -> None:
    alignment = Alignment("aligned", 0.5, 0.5, 0.0, 0.0, 40)
    learnt = train_command(choose(alignment, 40, 300, defects=40), Path("good parts"), Path("bad parts"))
    assert learnt.endswith("--set teacher=labelled --defects 'bad parts'")
    assert "--defects" not in train_command(choose(alignment, 40, 300, defects=2), Path("good"), Path("bad"))


def test_that_the_command_asks_for_native_resolution_in_tiles_or_patches() -> None:
    alignment = Alignment("aligned", 0.5, 0.5, 0.0, 0.0, 40)
    in_tiles, in_patches = (choose(alignment, 40, 4000, has_weights=known) for known in (True, False))
    assert "--method patchcore --tiles" in train_command(in_tiles, Path("good"), None)
    assert "--method patch_svdd --patch 256" in train_command(in_patches, Path("good"), None)
