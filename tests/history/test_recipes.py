"""Recipes and their revisions."""

import pytest
from sqlalchemy import Engine, update

from ml.preprocessing import RegionOfInterest
from station.core.errors import RecipeError
from station.core.recipe import QualityLimits, Recipe
from station.database.tables import recipes
from station.database.transactions import writing
from station.history import RecipeBook
from tests.history.parts import MODEL

RECIPE = Recipe(
    name="Valve seat A",
    model_hash=MODEL,
    width_px=640,
    height_px=480,
    window=(0, 4095),
    region=RegionOfInterest(x=10, y=20, width=300, height=200),
    quality=QualityLimits(focus_min=1.5),
)


@pytest.fixture
def book(engine: Engine) -> RecipeBook:
    return RecipeBook(engine)


def test_that_each_save_is_the_next_revision_and_none_is_lost(book: RecipeBook) -> None:
    first = book.save(RECIPE)
    second = book.save(first.model_copy(update={"notes": "new lamp"}))
    book.save(RECIPE.model_copy(update={"name": "cookie"}))
    assert (first.revision, second.revision) == (1, 2)
    assert book.get("Valve seat A", 1) == first == RECIPE
    assert book.latest("Valve seat A") == second
    assert book.names() == ["cookie", "Valve seat A"]


def test_that_there_is_no_recipe_before_one_is_saved(book: RecipeBook) -> None:
    assert book.names() == []
    assert book.latest("Valve seat A") is None
    with pytest.raises(RecipeError, match="no revision 1 of the recipe 'Valve seat A'"):
        book.get("Valve seat A", 1)


def test_that_a_stored_recipe_that_cannot_be_used_names_the_field(book: RecipeBook, engine: Engine) -> None:
    book.save(RECIPE)
    with writing(engine) as connection:
        connection.execute(update(recipes).values(document=RECIPE.model_dump(mode="json") | {"model_hash": "?"}))
    with pytest.raises(RecipeError, match=r"'Valve seat A', revision 1.*model_hash"):
        book.latest("Valve seat A")
