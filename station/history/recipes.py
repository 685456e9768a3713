"""Recipes in all their revisions."""

from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, func, insert, select

from station.core.errors import RecipeError
from station.core.recipe import Recipe
from station.database.tables import recipes
from station.database.transactions import reading, writing


class RecipeBook:
    """Saving never overwrites: it adds the next revision, so every stored part keeps the recipe it was judged by."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, recipe: Recipe) -> Recipe:
        """Store as the next revision of its name, whatever revision it carries; returns it as stored.

        Raises StorageError.
        """
        with writing(self._engine) as connection:
            return add_revision(connection, recipe)

    def names(self) -> list[str]:
        """Every recipe's name, in alphabetical order. Raises StorageError."""
        with reading(self._engine) as connection:
            names = connection.execute(select(recipes.c.name).distinct()).scalars().all()
        return sorted(names, key=str.casefold)

    def latest(self, name: str) -> Recipe | None:
        """The newest revision; None when there is no recipe of this name. Raises RecipeError, StorageError."""
        with reading(self._engine) as connection:
            revision = _last_revision(connection, name)
        return self.get(name, revision) if revision else None

    def get(self, name: str, revision: int) -> Recipe:
        """One revision. Raises RecipeError when it does not exist or cannot be read, StorageError."""
        query = select(recipes.c.document).where(recipes.c.name == name, recipes.c.revision == revision)
        with reading(self._engine) as connection:
            document = connection.execute(query).scalar_one_or_none()
        if document is None:
            raise RecipeError(f"There is no revision {revision} of the recipe {name!r}.")
        try:
            return Recipe.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise RecipeError(
                f"The stored recipe {name!r}, revision {revision}, cannot be used: {field}: {first['msg']}."
            ) from error


def add_revision(connection: Connection, recipe: Recipe) -> Recipe:
    """`RecipeBook.save` as part of a larger transaction."""
    saved = recipe.model_copy(update={"revision": _last_revision(connection, recipe.name) + 1})
    row = {
        "name": saved.name,
        "revision": saved.revision,
        "document": saved.model_dump(mode="json"),
        "created_at": datetime.now(UTC),
    }
    connection.execute(insert(recipes), row)
    return saved


def _last_revision(connection: Connection, name: str) -> int:
    query = select(func.max(recipes.c.revision)).where(recipes.c.name == name)
    return connection.execute(query).scalar_one() or 0
