"""The models that a recipe has used, newest first, and the way back to an earlier one."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from ml.artifact import Manifest
from ml.errors import ModelFileError
from station.core.errors import StorageError
from station.core.people import Person
from station.history.archive import Archive
from station.history.versions import Approval, DeployedVersion
from station.ui import theme, tokens
from station.ui.training.words import computing_words
from station.ui.widgets.card import Card
from station.ui.widgets.problem_label import ProblemLabel
from station.workers.deploying import Deploying
from station.workers.queries import Queries

SHOWN = 50
"""Of a recipe's revisions; the command line lists all."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What is known of one recipe: its revisions, who approved each model, which one a roll-back would repeat.

    `manifests` by model hash; without those of models whose files are gone or damaged.
    """

    recipe: str
    versions: tuple[DeployedVersion, ...] = ()
    approvals: tuple[tuple[Approval, ...], ...] = ()
    earlier: int | None = None
    manifests: Mapping[str, Manifest] = field(default_factory=dict)


class VersionsCard(Card):
    """Reads in the background; asks nothing for an empty name."""

    def __init__(self, archive: Archive, deploying: Deploying, by: Person, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._archive, self._deploying, self._by = archive, deploying, by
        self._recipe = ""
        self._earlier: int | None = None
        self._is_asked = False  # whether the roll-back that is told of is this card's
        self._queries = Queries(self)
        self._title = theme.label(self.tr("Models of the recipe"), "emphasised", bold=True)
        self._back = QPushButton(" " + self.tr("Roll back"))
        self._back.setIcon(theme.icon("arrow-counter-clockwise"))
        self._back.setEnabled(False)
        self._problem = ProblemLabel()
        self._rows = QVBoxLayout()
        self._rows.setSpacing(tokens.S)
        self._arrange()
        self._back.clicked.connect(self._roll_back)
        deploying.deployed.connect(self._on_deployed)
        deploying.failed.connect(self._on_failed)

    @Slot(str)
    def show_recipe(self, recipe: str) -> None:
        """Read what is known of `recipe`."""
        self._recipe = recipe
        archive = self._archive
        self._queries.ask(lambda: _read(archive, recipe), then=self._show, otherwise=self._tell, withdraw_waiting=True)

    def close_down(self) -> None:
        self._queries.close()

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self._title, 1)
        head.addWidget(self._back)
        self.add(head)
        self.add(self._problem)
        content = QWidget()
        content.setLayout(self._rows)
        self._rows.setContentsMargins(0, 0, tokens.S, 0)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        self.add(scroll, 1)

    def _show(self, known: Versions) -> None:
        if known.recipe != self._recipe:
            return
        self._tell("")
        self._earlier = known.earlier
        self._title.setText(self.tr("Models of '{}'").format(known.recipe) if known.recipe else self.tr("Models"))
        self._back.setEnabled(known.earlier is not None)
        self._back.setToolTip(
            self.tr("Revision {} judges again from the next part on").format(known.earlier)
            if known.earlier is not None
            else self.tr("There was no other model before")
        )
        while (item := self._rows.takeAt(0)) is not None:
            if (row := item.widget()) is not None:
                row.deleteLater()
        for number, version in enumerate(known.versions[:SHOWN]):
            manifest = known.manifests.get(version.model_hash)
            row = _VersionRow(version, known.approvals[number], manifest, is_current=number == 0)
            row.use_requested.connect(self._use_again)
            self._rows.addWidget(row)
        if not known.versions:
            self._rows.addWidget(theme.label(self.tr("No model has judged here yet."), "body", "secondary"))
        self._rows.addStretch(1)

    @Slot()
    def _roll_back(self) -> None:
        if self._earlier is not None:
            self._use_again(self._earlier)

    @Slot(int)
    def _use_again(self, revision: int) -> None:
        self._back.setEnabled(False)
        self._is_asked = True
        self._deploying.roll_back(self._recipe, self._by, revision)

    @Slot()
    def _on_deployed(self) -> None:
        self._is_asked = False
        self.show_recipe(self._recipe)

    @Slot(str)
    def _on_failed(self, reason: str) -> None:
        if self._is_asked:
            self._is_asked = False
            self._tell(reason)
            self._back.setEnabled(self._earlier is not None)

    def _tell(self, reason: str) -> None:
        self._problem.show_problem(reason)


class _VersionRow(QFrame):
    """One revision: which model, since when, by whom, approved by whom, why."""

    use_requested = Signal(int)
    """Its revision is to judge again."""

    def __init__(
        self, version: DeployedVersion, approvals: tuple[Approval, ...], manifest: Manifest | None, is_current: bool
    ) -> None:
        super().__init__()
        theme.mark(self, "card", True)
        self._revision = version.revision
        title = theme.label(
            self.tr("Revision {}   {}").format(version.revision, version.model_name or version.model_hash[:12]),
            "body",
            bold=True,
        )
        words = theme.label(_told(self, version, approvals, manifest), "caption", "secondary")
        words.setWordWrap(True)
        texts = QVBoxLayout()
        texts.setSpacing(tokens.XS)
        texts.addWidget(title)
        texts.addWidget(words)
        line = QHBoxLayout(self)
        line.setContentsMargins(tokens.M, tokens.S, tokens.M, tokens.S)
        line.addLayout(texts, 1)
        if is_current:
            line.addWidget(theme.label(self.tr("in use"), "body", "ok", bold=True))
        else:
            use = QPushButton(self.tr("Use again"))
            use.setAccessibleName(self.tr("Use revision {} again").format(version.revision))
            use.clicked.connect(self._tell)
            line.addWidget(use)

    @Slot()
    def _tell(self) -> None:
        self.use_requested.emit(self._revision)


def _told(row: QWidget, version: DeployedVersion, approvals: tuple[Approval, ...], manifest: Manifest | None) -> str:
    when = version.deployed_at.astimezone().strftime("%Y-%m-%d %H:%M")
    lines = [row.tr("Model {}, {}").format(version.model_hash[:12], when)]
    if version.deployed_by:
        lines[0] += row.tr(", by {}").format(version.deployed_by)
    if manifest is not None and manifest.graph is None:  # what is computed as usual needs no words
        lines.append(row.tr("Computed by {}").format(computing_words(manifest)))
    if version.rolled_back_to is not None:
        lines.append(row.tr("Back to revision {}").format(version.rolled_back_to))
    for approval in approvals:
        checked = "" if approval.is_authenticated else row.tr(" (typed name, not authenticated)")
        lines.append(row.tr("Approved by {}{}").format(approval.approver, checked))
    if version.notes:
        lines.append(version.notes)
    return "\n".join(lines)


def _read(archive: Archive, recipe: str) -> Versions:
    """Called outside the GUI thread."""
    versions = archive.versions.of_recipe(recipe) if recipe else ()
    approvals = tuple(archive.versions.approvals(one.model_hash) for one in versions[:SHOWN])
    earlier = archive.versions.can_roll_back(recipe) if recipe else None
    return Versions(recipe, versions, approvals, earlier, _manifests(archive, versions[:SHOWN]))


def _manifests(archive: Archive, versions: Sequence[DeployedVersion]) -> dict[str, Manifest]:
    found = {}
    for model_hash in {version.model_hash for version in versions}:
        with suppress(ModelFileError, StorageError):  # told when it is to judge
            found[model_hash] = archive.models.manifest(model_hash)
    return found
