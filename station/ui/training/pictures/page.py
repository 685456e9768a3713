"""The page "Pictures": where they come from, which of them show good parts, which are left out."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QFocusEvent, QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ml.picture_list import Label
from station.projects import picture_choices as choices
from station.projects.base_pictures import BasePictures
from station.projects.flow import Flow
from station.projects.project import Finding, FindingKind, ProjectPicture
from station.projects.sources import from_paths
from station.ui import theme, tokens
from station.ui.training.picture_words import PictureFilter
from station.ui.training.pictures.detail import PictureDetail, PictureReader, Shown
from station.ui.training.pictures.editor import Choice, Pictures, PicturesEditor
from station.ui.training.pictures.gathering_report import GatheringReport
from station.ui.training.pictures.proposal_bar import ProposalBar
from station.ui.training.pictures.source_panels import Source, SourcePanels
from station.ui.training.pictures.stage import PictureStage
from station.ui.training.tile_thumbnails import TileThumbnails
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.workers.picture_gathering import Gathered, PictureGathering, Progress

LABEL_OF_KEY: dict[int, Label] = {Qt.Key.Key_G: "good", Qt.Key.Key_B: "bad", Qt.Key.Key_U: "unsure"}


class PicturesPage(WizardPage):
    """Everything that is decided is stored at once and can be taken back."""

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(flow, ports, parent)
        self.setAcceptDrops(True)
        self._editor = PicturesEditor(flow, self)
        self._gathering = PictureGathering(flow.folder, self)
        self._thumbnails = TileThumbnails(self._thumbnail_file, self)
        self._reader = PictureReader(self)
        self._base = _base_of(flow, ports)
        self._has_looked_at_base = False
        self._shown_content = ""
        self._problem = ""
        self._folder = self._tool(self.tr("Add folder"), "folder-open", self.tr("Pictures from a folder  (Ctrl+O)"))
        self._camera = self._tool(self.tr("From camera"), "camera", self.tr("Capture pictures now"))
        self._history = self._tool(
            self.tr("From history"), "clock-counter-clockwise", self.tr("Parts inspected before")
        )
        self._back = self._tool("", "arrow-u-up-left", self.tr("Undo  (Ctrl+Z)"))
        self._forth = self._tool("", "arrow-u-up-right", self.tr("Redo  (Ctrl+Shift+Z)"))
        self._sources = SourcePanels(flow, ports)
        self._filters = self._sources.filters
        self._bar = ProposalBar()
        self._stage = PictureStage(self._thumbnails)
        self._grid = self._stage.grid
        self._report = GatheringReport()
        self._detail = PictureDetail()
        self._arrange()
        self._connect()
        self._bind_keys()

    def question(self) -> str:
        if self._flow.project.is_fine_tuning:
            return self.tr("Which new pictures show good parts?")
        return self.tr("Which pictures show good parts?")

    def enter(self) -> None:
        """Files may have gone since the page was left."""
        self._editor.take_up()
        self._show()
        self._add_base()
        if self._editor.is_checked:
            self._gathering.look_for_files(self._flow.project.pictures)
        else:
            self._gathering.check(self._flow.project.pictures)

    def leave(self) -> None:
        self._sources.show_filters()

    def close_down(self) -> None:
        for one in (self._gathering, self._thumbnails, self._reader):
            one.close()
        self._sources.close_down()

    # Input

    def focusInEvent(self, event: QFocusEvent) -> None:
        (self._grid if self._flow.project.pictures else self._folder).setFocus()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _dropped(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = _dropped(event)
        if paths:
            event.acceptProposedAction()
            self.add_paths(paths)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What the grid and the large picture leave over."""
        key = event.key()
        if key in LABEL_OF_KEY:
            self._set_label(LABEL_OF_KEY[key])
        elif key == Qt.Key.Key_X:
            self._toggle_aside()
        elif key == Qt.Key.Key_K:
            self._keep()
        elif key == Qt.Key.Key_Delete:
            self._remove()
        elif not self._stage.take_key(event):
            super().keyPressEvent(event)

    def add_paths(self, paths: Sequence[Path]) -> None:
        """Folders and files, as if they had been dropped."""
        chosen = tuple(paths)
        self._gather(lambda: from_paths(chosen))

    # Decisions

    def _decide(self, choice: Choice) -> None:
        self._editor.decide(choice, self._grid.selected())

    @Slot(str)
    def _set_label(self, label: Label) -> None:
        self._decide(lambda project, names: choices.labelled(project, names, label))

    @Slot()
    def _toggle_aside(self) -> None:
        is_aside = all(one.set_aside for one in self._selected())
        self._decide(choices.taken_back if is_aside else choices.set_aside)

    @Slot()
    def _keep(self) -> None:
        self._decide(choices.kept)

    @Slot()
    def _remove(self) -> None:
        self._decide(choices.removed)

    @Slot(str)
    def _set_kind(self, kind: str) -> None:
        self._decide(lambda project, names: choices.with_kind(project, names, kind))

    @Slot(bool)
    def _set_learning(self, is_learnt: bool) -> None:
        self._decide(lambda project, names: choices.learnt_from(project, names, is_learnt))

    @Slot(object)
    def _follow(self, kind: FindingKind | None) -> None:
        self._editor.follow(kind)

    @Slot()
    def _step_back(self) -> None:
        self._editor.undo()
        self._check_what_came_back()

    @Slot()
    def _step_forth(self) -> None:
        self._editor.redo()
        self._check_what_came_back()

    def _check_what_came_back(self) -> None:
        if not self._editor.is_checked:
            self._gathering.check(self._flow.project.pictures)

    @Slot(float)
    def _set_share(self, share: float) -> None:
        self._editor.set_share(share)

    @Slot(object)
    def _set_grouping(self, pattern: str | None) -> None:
        self._editor.set_grouping(pattern)

    @Slot()
    def _on_changed(self) -> None:
        self._show()
        self.changed.emit()

    # Sources

    @Slot(object)
    def _gather(self, source: Source) -> None:
        self._problem = ""
        self._report.clear()
        self._report.show_progress(Progress(self.tr("Looking for pictures"), 0, 0))
        base = self._base
        self._gathering.gather(source if base is None else lambda: base.claiming(source()), lambda: self._flow.project)

    def _add_base(self) -> None:
        """What the model that is fine-tuned has seen and is not here yet, once each time the project is opened."""
        base, project = self._base, self._flow.project
        if base is None or self._has_looked_at_base:
            return
        self._has_looked_at_base = True
        but = {*project.base_left_out, *(one.sha256 for one in project.pictures)}
        self._gather(lambda: base.offers(but))

    @Slot()
    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder with pictures"), str(Path.home()))
        if chosen:
            self.add_paths([Path(chosen)])

    @Slot()
    def _focus_grid(self) -> None:
        self._grid.setFocus()

    # What the background tells

    @Slot(object)
    def _on_admitted(self, pictures: Pictures) -> None:
        self._editor.add(pictures)

    @Slot(object)
    def _on_ended(self, gathered: Gathered) -> None:
        self._editor.take_up()
        if self._problem:
            self._report.show_problem(self._problem)
            return
        self._report.show_end(gathered)
        if not self._editor.is_checked:
            self._gathering.check(self._flow.project.pictures)

    @Slot(object)
    def _on_checked(self, found: dict[str, tuple[Finding, ...]]) -> None:
        self._report.end_progress()
        self._thumbnails.look_again()
        self._editor.learn(found)

    @Slot(str)
    def _on_unstored(self, reason: str) -> None:
        """Nothing more is added to a project that cannot be stored."""
        self._problem = reason
        self._gathering.cancel()
        self._report.show_problem(reason)

    @Slot(str)
    def _on_failure(self, reason: str) -> None:
        self._report.show_problem(reason)

    @Slot(str, object)
    def _on_read(self, sha256: str, shown: Shown) -> None:
        if sha256 == self._shown_content:
            self._detail.show_pixels(shown)
            self._stage.large.show_picture(*shown)

    @Slot(str, str)
    def _on_unread(self, sha256: str, reason: str) -> None:
        if sha256 == self._shown_content:
            self._shown_content = ""  # to be read again when it is selected again
            self._detail.show_problem(reason)

    # What is seen

    def _show(self) -> None:
        project = self._flow.project
        self._filters.show_project(project)
        self._bar.show_project(project)
        self._back.setEnabled(self._editor.can_undo)
        self._forth.setEnabled(self._editor.can_redo)
        self._show_filtered()

    @Slot()
    def _show_filtered(self) -> None:
        project, which = self._flow.project, self._filters.chosen
        shown = [one for one in project.pictures if which.lets_through(one)]
        self._detail.setVisible(bool(project.pictures))
        self._stage.show_pictures(shown, is_empty=not project.pictures)
        self._show_selection()

    @Slot()
    def _show_selection(self) -> None:
        current = self._grid.current()
        selected = self._selected()
        self._detail.show_selection(current if selected else None, selected)
        shown = current if selected else None
        if shown is not None and shown.sha256 != self._shown_content:
            self._reader.ask(shown)
        self._shown_content = "" if shown is None else shown.sha256

    @Slot()
    def _show_marked(self) -> None:
        self._filters.choose(PictureFilter.MARKED)
        self._grid.setFocus()

    def _selected(self) -> list[ProjectPicture]:
        names = set(self._grid.selected())
        return [one for one in self._flow.project.pictures if one.name in names]

    def _thumbnail_file(self, sha256: str) -> Path:
        return PictureGathering.thumbnail_file(self._flow.folder, sha256)

    # Building

    def _tool(self, words: str, glyph: str, tip: str) -> QPushButton:
        button = QPushButton(f" {words}" if words else "")
        button.setIcon(theme.icon(glyph))
        button.setToolTip(tip)
        button.setAccessibleName(words or tip)
        return button

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(tokens.S)
        for button in (self._folder, self._camera, self._history):
            head.addWidget(button)
        head.addStretch(1)
        head.addWidget(self._back)
        head.addWidget(self._forth)
        centre = QVBoxLayout()
        centre.setSpacing(tokens.S)
        centre.addWidget(self._stage, 1)
        centre.addWidget(self._report)
        body = QHBoxLayout()
        body.setSpacing(tokens.M)
        body.addWidget(self._sources)
        body.addLayout(centre, 3)
        body.addWidget(self._detail, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addLayout(head)
        column.addWidget(self._bar)
        column.addLayout(body, 1)

    def _connect(self) -> None:
        self._folder.clicked.connect(self._ask_folder)
        self._camera.clicked.connect(self._sources.open_camera)
        self._history.clicked.connect(self._sources.open_history)
        self._back.clicked.connect(self._step_back)
        self._forth.clicked.connect(self._step_forth)
        self._editor.changed.connect(self._on_changed)
        self._editor.failed.connect(self._on_unstored)
        self._sources.chosen.connect(self._gather)
        self._sources.closed.connect(self._focus_grid)
        self._filters.filter_chosen.connect(self._show_filtered)
        self._filters.share_chosen.connect(self._set_share)
        self._filters.grouping_chosen.connect(self._set_grouping)
        self._bar.followed.connect(self._follow)
        self._bar.look_requested.connect(self._show_marked)
        self._stage.selection_changed.connect(self._show_selection)
        self._detail.label_chosen.connect(self._set_label)
        self._detail.aside_toggled.connect(self._toggle_aside)
        self._detail.kept.connect(self._keep)
        self._detail.removed.connect(self._remove)
        self._detail.kind_chosen.connect(self._set_kind)
        self._detail.learning_chosen.connect(self._set_learning)
        self._report.cancelled.connect(self._gathering.cancel)
        self._gathering.admitted.connect(self._on_admitted)
        self._gathering.progressed.connect(self._report.show_progress)
        self._gathering.ended.connect(self._on_ended)
        self._gathering.checked.connect(self._on_checked)
        self._gathering.failed.connect(self._on_failure)
        self._reader.read.connect(self._on_read)
        self._reader.failed.connect(self._on_unread)

    def _bind_keys(self) -> None:
        for keys, act in (
            ("Ctrl+Z", self._step_back),
            ("Ctrl+Shift+Z", self._step_forth),
            ("Ctrl+Y", self._step_forth),
            ("Ctrl+O", self._ask_folder),
        ):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)


def _base_of(flow: Flow, ports: WizardPorts) -> BasePictures | None:
    base, archive = flow.project.base_model, ports.archive
    if base is None:
        return None
    return BasePictures(base, flow.project.id, archive.models, archive.pictures, ports.projects)


def _dropped(event: QDropEvent) -> list[Path]:
    """Local files and folders that are being dropped."""
    if not event.possibleActions() & Qt.DropAction.CopyAction:
        return []
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
