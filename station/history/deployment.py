"""A trained model becomes a recipe's next revision: its file on the shelf first, then the recipe that names it."""

from dataclasses import dataclass
from pathlib import Path

from station.core.recipe import Recipe
from station.core.recipe_rules import recipe_for
from station.history.models import ModelShelf
from station.history.recipes import RecipeBook


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is to be deployed where."""

    model_file: Path
    recipe: str
    source: str
    acknowledge_ng: bool = False
    serial_required: bool = False


def deploy(deployment: Deployment, models: ModelShelf, recipes: RecipeBook) -> Recipe:
    """Returns the recipe as stored. Raises ModelFileError or StorageError; then no recipe has changed."""
    manifest = models.add(deployment.model_file)
    return recipes.save(
        recipe_for(
            manifest,
            deployment.recipe,
            deployment.source,
            acknowledge_ng=deployment.acknowledge_ng,
            serial_required=deployment.serial_required,
        )
    )
