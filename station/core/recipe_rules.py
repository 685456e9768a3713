"""How a recipe comes from a model, and when the two do not fit."""

from ml.artifact import Manifest, PictureReference
from station.core.errors import RecipeError
from station.core.recipe import QualityLimits, Recipe

# Room around what the training pictures showed. Wide on purpose: these limits catch a covered lens, an empty fixture
# and a lost focus, not a part that is a little darker than usual.
BRIGHTNESS_ROOM = 0.5
CONTRAST_ROOM = 0.5
FOCUS_ROOM = 0.6
LIKENESS_ROOM = 0.35
LIKENESS_MEANINGFUL = 0.7
"""Below this the training parts already lie so differently that likeness tells nothing."""


def quality_limits(reference: PictureReference) -> QualityLimits:
    """Limits with room around the training pictures' own figures."""
    darkest, brightest = reference.brightness
    likeness = reference.likeness_min
    return QualityLimits(
        brightness_min=darkest * (1 - BRIGHTNESS_ROOM),
        brightness_max=brightest + (1 - brightest) * BRIGHTNESS_ROOM,
        contrast_min=reference.contrast[0] * (1 - CONTRAST_ROOM),
        focus_min=reference.focus[0] * (1 - FOCUS_ROOM),
        likeness_min=likeness - LIKENESS_ROOM if likeness is not None and likeness > LIKENESS_MEANINGFUL else None,
    )


def recipe_for(
    manifest: Manifest,
    name: str,
    source: str,
    *,
    acknowledge_ng: bool = False,
    serial_required: bool = False,
) -> Recipe:
    """A first revision for a model: its window and region, its training pictures' size and quality.

    The picture size stays open where the training pictures differed in size.
    """
    preprocessing, reference = manifest.preprocessing, manifest.reference
    return Recipe(
        name=name,
        model_hash=manifest.model_hash,
        source=source,
        width_px=reference.width_px if reference.has_one_size else None,
        height_px=reference.height_px if reference.has_one_size else None,
        window=(preprocessing.window_low, preprocessing.window_high),
        region=preprocessing.region_of_interest,
        quality=quality_limits(reference),
        acknowledge_ng=acknowledge_ng,
        serial_required=serial_required,
    )


def refuse_mismatch(recipe: Recipe, manifest: Manifest) -> None:
    """Raise RecipeError where a recipe says other than its model about what `ml` will do to the pixels."""
    preprocessing = manifest.preprocessing
    if recipe.model_hash != manifest.model_hash:
        raise RecipeError(
            f"Recipe '{recipe.name}' names model {recipe.model_hash[:12]}, but the file holds "
            f"{manifest.model_hash[:12]}. Deploy the model to the recipe again."
        )
    if recipe.window != (preprocessing.window_low, preprocessing.window_high):
        raise RecipeError(
            f"Recipe '{recipe.name}' has the value window {recipe.window}, its model was trained with "
            f"{(preprocessing.window_low, preprocessing.window_high)}. Train again or correct the recipe."
        )
    region = recipe.region
    if (None if region is None else region.box) != preprocessing.region:
        raise RecipeError(
            f"Recipe '{recipe.name}' has another region of interest than its model. Train again with this region."
        )
