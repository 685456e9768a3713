"""A trained model becomes a recipe's next revision: its file on the shelf first, then the recipe that names it."""

from dataclasses import dataclass
from pathlib import Path

from ml.artifact import Manifest
from station.core.people import Person
from station.core.recipe import Recipe
from station.core.recipe_rules import recipe_for
from station.history.archive import Archive
from station.history.versions import ApprovalError

LOCAL = Person("local")


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is to be deployed where. `approver`: who approves the model with it, beside those who have before."""

    model_file: Path
    recipe: str
    source: str
    acknowledge_ng: bool = False
    serial_required: bool = False
    by: Person = LOCAL
    notes: str = ""
    approver: Person | None = None
    needs_approval: bool = False


def deploy(deployment: Deployment, archive: Archive) -> Recipe:
    """Returns the recipe as stored. Raises ModelFileError, StorageError or ApprovalError; then no recipe has changed.

    The pictures that the model rests on are pinned, as far as the station has them.
    """
    _refuse_own_approval(deployment)
    manifest = archive.models.add(deployment.model_file)
    _pin(manifest, archive)
    if deployment.approver is not None:
        archive.versions.approve(manifest.model_hash, deployment.approver, deployment.notes)
    recipe = recipe_for(
        manifest,
        deployment.recipe,
        deployment.source,
        acknowledge_ng=deployment.acknowledge_ng,
        serial_required=deployment.serial_required,
    )
    before = archive.recipes.latest(deployment.recipe)
    if before is not None:
        recipe = recipe.model_copy(update={"scan_triggers": before.scan_triggers, "notes": before.notes})
    return archive.versions.deploy(recipe, deployment.by, deployment.notes, needs_approval=deployment.needs_approval)


def _refuse_own_approval(deployment: Deployment) -> None:
    approver = deployment.approver
    if deployment.needs_approval and approver is not None and approver.is_same_as(deployment.by):
        raise ApprovalError(
            f"{approver.name} deploys this model and cannot be the second person who approves it. Somebody else "
            "looks at it and types their name."
        )


def _pin(manifest: Manifest, archive: Archive) -> None:
    data = manifest.data
    rests_on = (digest for _, digest in (*data.files, *data.defects, *data.defect_masks, *data.tests))
    archive.snapshots.pin(f"model:{manifest.model_hash}", (one for one in rests_on if archive.pictures.has(one)))
