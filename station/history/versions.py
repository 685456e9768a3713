"""Which model a recipe used when, who put it there, who approved it, and the way back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, and_, func, insert, select

from station.core.errors import RecipeError, StationError
from station.core.people import Person
from station.core.recipe import Recipe
from station.database.tables import approvals, deployments, model_versions, recipes
from station.database.transactions import reading, writing
from station.history.recipes import RecipeBook, add_revision


class ApprovalError(StationError):
    """A model may not be deployed, or not be approved by this person."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody has looked at a model and wants it on the line; a later one adds to it."""

    model_hash: str
    approved_at: datetime
    approver: str
    is_authenticated: bool
    note: str


@dataclass(frozen=True, slots=True)
class DeployedVersion:
    """One revision of a recipe. `rolled_back_to`: the revision that it repeats. `deployed_by` is empty for revisions
    from before that was written down."""

    recipe: str
    revision: int
    model_hash: str
    model_name: str
    method: str
    deployed_at: datetime
    deployed_by: str
    rolled_back_to: int | None
    notes: str


class VersionBook:
    """Append-only: going back is a new revision that repeats an old one. Every method raises StorageError."""

    def __init__(self, engine: Engine, recipes: RecipeBook) -> None:
        self._engine = engine
        self._recipes = recipes

    def deploy(self, recipe: Recipe, by: Person, notes: str = "", *, needs_approval: bool = False) -> Recipe:
        """Store the recipe as its next revision, whose model is on the shelf; returns it as stored.

        Raises ApprovalError where an approval is needed and nobody but `by` has given one.
        """
        if needs_approval and not self.is_approved(recipe.model_hash, by):
            raise ApprovalError(
                f"This model needs the approval of a second person. Somebody other than {by.name} looks at it and "
                "types their name, here or with `loupe models approve`."
            )
        return self._add(recipe, by, notes, None)

    def roll_back(self, recipe: str, by: Person, to_revision: int | None = None, notes: str = "") -> Recipe:
        """Make an earlier revision judge again; None takes the last one with another model.

        What was on the line before needs no second approval: going back must be quick. Raises RecipeError where there
        is no such revision, or none to go back to.
        """
        current = self._recipes.latest(recipe)
        if current is None:
            raise RecipeError(f"There is no recipe {recipe!r}.")
        if to_revision is None:
            to_revision = self._revision_before(current)
        earlier = self._recipes.get(recipe, to_revision)
        if earlier.revision == current.revision:
            raise RecipeError(f"Revision {to_revision} of {recipe!r} is the one in use.")
        return self._add(earlier, by, notes, to_revision)

    def approve(self, model_hash: str, by: Person, note: str = "") -> Approval:
        """Raises ApprovalError for a model that is not on the shelf."""
        approval = Approval(model_hash, datetime.now(UTC), by.name, by.is_authenticated, note)
        with writing(self._engine) as connection:
            known = select(model_versions.c.hash).where(model_versions.c.hash == model_hash)
            if connection.execute(known).first() is None:
                raise ApprovalError(f"The model {model_hash} is not on this station, so it cannot be approved.")
            row = {
                "model_hash": approval.model_hash,
                "approved_at": approval.approved_at,
                "approver": approval.approver,
                "is_authenticated": approval.is_authenticated,
                "note": approval.note,
            }
            connection.execute(insert(approvals), row)
        return approval

    def approvals(self, model_hash: str) -> tuple[Approval, ...]:
        """Oldest first."""
        table = approvals.c
        columns = (table.model_hash, table.approved_at, table.approver, table.is_authenticated, table.note)
        query = select(*columns).where(table.model_hash == model_hash).order_by(table.sequence)
        with reading(self._engine) as connection:
            return tuple(Approval(*row) for row in connection.execute(query))

    def is_approved(self, model_hash: str, deployer: Person) -> bool:
        """Whether a person other than `deployer` has approved it."""
        return any(not Person(one.approver).is_same_as(deployer) for one in self.approvals(model_hash))

    def of_recipe(self, recipe: str) -> tuple[DeployedVersion, ...]:
        """All revisions, newest first."""
        return self._versions(recipe)

    def of_model(self, model_hash: str) -> tuple[DeployedVersion, ...]:
        """Where a model has been, newest first."""
        return tuple(one for one in self._versions(None) if one.model_hash == model_hash)

    def can_roll_back(self, recipe: str) -> int | None:
        """The revision that `roll_back` would repeat; None where there is none."""
        current = self._recipes.latest(recipe)
        try:
            return None if current is None else self._revision_before(current)
        except RecipeError:
            return None

    def _versions(self, recipe: str | None) -> tuple[DeployedVersion, ...]:
        model_hash = recipes.c.document["model_hash"].as_string()
        query = (
            select(
                recipes.c.name,
                recipes.c.revision,
                model_hash,
                func.coalesce(model_versions.c.name, ""),
                func.coalesce(model_versions.c.method, ""),
                recipes.c.created_at,
                func.coalesce(deployments.c.deployed_by, ""),
                deployments.c.rolled_back_to,
                func.coalesce(deployments.c.notes, ""),
            )
            .outerjoin(
                deployments,
                and_(deployments.c.recipe == recipes.c.name, deployments.c.revision == recipes.c.revision),
            )
            .outerjoin(model_versions, model_versions.c.hash == model_hash)
            .order_by(recipes.c.sequence.desc())
        )
        if recipe is not None:
            query = query.where(recipes.c.name == recipe)
        with reading(self._engine) as connection:
            return tuple(DeployedVersion(*row) for row in connection.execute(query))

    def _revision_before(self, current: Recipe) -> int:
        """The last revision with another model; of a roll-back, the one before what it went back to."""
        start = self._repeated(current.name, current.revision)
        for revision in range(start - 1, 0, -1):
            if self._recipes.get(current.name, revision).model_hash != current.model_hash:
                return revision
        raise RecipeError(f"The recipe {current.name!r} has had no other model: there is nothing to go back to.")

    def _repeated(self, recipe: str, revision: int) -> int:
        """The revision whose content a chain of roll-backs leads to."""
        repeats = {one.revision: one.rolled_back_to for one in self._versions(recipe)}
        while (earlier := repeats.get(revision)) is not None:
            revision = earlier
        return revision

    def _add(self, recipe: Recipe, by: Person, notes: str, rolled_back_to: int | None) -> Recipe:
        with writing(self._engine) as connection:
            saved = add_revision(connection, recipe)
            row = {
                "recipe": saved.name,
                "revision": saved.revision,
                "model_hash": saved.model_hash,
                "deployed_at": datetime.now(UTC),
                "deployed_by": by.name,
                "rolled_back_to": rolled_back_to,
                "notes": notes,
            }
            connection.execute(insert(deployments), row)
        return saved


def in_use(recipes: RecipeBook) -> dict[str, Sequence[str]]:
    """By model hash, the recipes that judge with it now. Raises StorageError."""
    found: dict[str, list[str]] = {}
    for name in recipes.names():
        latest = recipes.latest(name)
        if latest is not None:
            found.setdefault(latest.model_hash, []).append(name)
    return dict(found)
