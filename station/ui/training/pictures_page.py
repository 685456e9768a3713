"""The page "Pictures": where they come from, which of them show good parts, which are left out."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QFocusEvent, QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from ml.errors import LoupeError
from ml.picture_list import Label
from station.history.filters import HistoryFilter
from station.projects import choices
from station.projects.flow import Flow
from station.projects.project import Finding, FindingKind, Project, ProjectPicture
from station.projects.sources import Offer, Offers, from_base, from_history, from_paths
from station.projects.splitting import split
from station.projects.store import ProjectError
from station.projects.undo import UndoStack
from station.ui import theme, tokens
from station.ui.training.camera_source import CameraSource
from station.ui.training.gathering_report import GatheringReport
from station.ui.training.history_source import HistorySource
from station.ui.training.picture_detail import PictureDetail, PictureReader, Shown
from station.ui.training.picture_filters import PictureFilters
from station.ui.training.picture_grid import PictureGrid
from station.ui.training.picture_words import PictureFilter
from station.ui.training.proposal_bar import ProposalBar
from station.ui.training.tile_thumbnails import TileThumbnails
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.ui.widgets.picture_view import PictureView
from station.workers.picture_gathering import Gathered, PictureGathering, Progress

Pictures = tuple[ProjectPicture, ...]
Choice = Callable[[Project, Sequence[str]], Project]

LABEL_OF_KEY: dict[int, Label] = {Qt.Key.Key_G: "good", Qt.Key.Key_B: "bad", Qt.Key.Key_U: "unsure"}
STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1}


class LargePicture(PictureView):
    """Arrows go to the next picture while the whole one is shown; zoomed in, they move it."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in STEPS and self.is_fitted():
            event.ignore()
            return
        super().keyPressEvent(event)


class PicturesPage(WizardPage):
    """Everything that is decided is stored at once and can be taken back."""

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(flow, ports, parent)
        self.setAcceptDrops(True)
        self._undo: UndoStack[Pictures] = UndoStack(flow.project.pictures)
        self._found: dict[str, tuple[Finding, ...]] = {}
        self._gathering = PictureGathering(flow.folder, self)
        self._thumbnails = TileThumbnails(self._thumbnail_file, self)
        self._reader = PictureReader(self)
        self._has_looked_at_base = False
        self._shown_content = ""
        self._folder = self._tool(self.tr("Add folder"), "folder-open", self.tr("Pictures from a folder  (Ctrl+O)"))
        self._camera = self._tool(self.tr("From camera"), "camera", self.tr("Capture pictures now"))
        self._history = self._tool(
            self.tr("From history"), "clock-counter-clockwise", self.tr("Parts inspected before")
        )
        self._back = self._tool("", "arrow-u-up-left", self.tr("Undo  (Ctrl+Z)"))
        self._forth = self._tool("", "arrow-u-up-right", self.tr("Redo  (Ctrl+Shift+Z)"))
        self._filters = PictureFilters()
        self._camera_source = CameraSource(ports.open_camera, flow.pictures_folder)
        self._history_source = HistorySource(ports.archive)
        self._sources = QStackedWidget()
        self._bar = ProposalBar()
        self._grid = PictureGrid(self._thumbnails)
        self._large = LargePicture()
        self._large.setAccessibleName(self.tr("Picture, large"))
        self._empty = self._made_empty()
        self._middle = QStackedWidget()
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
        """Files may have gone since the page was left: all are looked for again."""
        self._found = {one.name: one.findings for one in self._flow.project.pictures}
        self._undo.push(self._flow.project.pictures)
        self._show()
        self._add_base()
        if self._flow.project.pictures:
            self._gathering.check(self._flow.project.pictures)

    def leave(self) -> None:
        self._camera_source.stop()
        self._show_filters()

    def close_down(self) -> None:
        self._camera_source.close_down()
        self._history_source.close_down()
        for one in (self._gathering, self._thumbnails, self._reader):
            one.close()

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
        key, is_large = event.key(), self._middle.currentWidget() is self._large
        if key in LABEL_OF_KEY:
            self._set_label(LABEL_OF_KEY[key])
        elif key == Qt.Key.Key_X:
            self._toggle_aside()
        elif key == Qt.Key.Key_K:
            self._keep()
        elif key == Qt.Key.Key_Delete:
            self._remove()
        elif key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._show_large(not is_large)
        elif key == Qt.Key.Key_Escape and is_large:
            self._show_large(False)
        elif key in STEPS and is_large:
            self._grid.step(STEPS[Qt.Key(key)])
        else:
            super().keyPressEvent(event)

    def add_paths(self, paths: Sequence[Path]) -> None:
        """Folders and files, as if they had been dropped."""
        chosen = tuple(paths)
        self._gather(lambda: from_paths(chosen))

    # Decisions

    def _apply(self, changed: Project) -> None:
        """One step that can be taken back."""
        try:
            self._flow.replace(changed)
        except ProjectError as error:
            self._report.show_problem(str(error))
            return
        self._undo.push(changed.pictures)
        self._show()
        self.changed.emit()

    def _decide(self, choice: Choice) -> None:
        names = self._grid.selected()
        if names:
            self._apply(choice(self._flow.project, names))

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
        self._apply(choices.proposed_set_aside(self._flow.project, kind))

    @Slot(float)
    def _set_share(self, share: float) -> None:
        self._apply(split(self._flow.project.model_copy(update={"test_share": share})))

    @Slot(object)
    def _set_grouping(self, pattern: str | None) -> None:
        self._apply(split(self._flow.project.model_copy(update={"group_by": pattern})))

    @Slot()
    def _step_back(self) -> None:
        self._restore(self._undo.undo())

    @Slot()
    def _step_forth(self) -> None:
        self._restore(self._undo.redo())

    def _restore(self, pictures: Pictures | None) -> None:
        """What was found since stays known; pictures that come back unchecked are checked."""
        if pictures is None:
            return
        project = self._flow.project.model_copy(update={"pictures": pictures})
        known = {one.name: self._found[one.name] for one in pictures if one.name in self._found}
        try:
            self._flow.replace(choices.with_findings(project, known))
        except ProjectError as error:
            self._report.show_problem(str(error))
            return
        self._show()
        self.changed.emit()
        if not all(one.checked for one in self._flow.project.pictures):
            self._gathering.check(self._flow.project.pictures)

    # Sources

    def _gather(self, source: Callable[[], Offers]) -> None:
        self._report.clear()
        self._report.show_progress(Progress(self.tr("Looking for pictures"), 0, 0))
        self._gathering.gather(source, self._flow.project)

    def _add_base(self) -> None:
        """What the model that is fine-tuned has learnt, once."""
        base = self._flow.project.base_model
        if base is None or self._has_looked_at_base:
            return
        self._has_looked_at_base = True
        if not any(one.origin == "base" for one in self._flow.project.pictures):
            archive = self._ports.archive
            self._gather(lambda: from_base(archive.models.manifest(base), archive.pictures))

    @Slot()
    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder with pictures"), str(Path.home()))
        if chosen:
            self.add_paths([Path(chosen)])

    @Slot()
    def _open_camera_source(self) -> None:
        self._sources.setCurrentWidget(self._camera_source)
        self._sources.setFixedWidth(self._camera_source.width())
        self._camera_source.open(self._usual_source())

    @Slot()
    def _open_history_source(self) -> None:
        self._camera_source.stop()
        self._sources.setCurrentWidget(self._history_source)
        self._sources.setFixedWidth(self._history_source.sizeHint().width())
        self._history_source.open(self._flow.project.recipe, self._flow.project.is_fine_tuning)

    @Slot()
    def _show_filters(self) -> None:
        self._sources.setCurrentWidget(self._filters)
        self._sources.setFixedWidth(self._filters.width())
        self._grid.setFocus()

    @Slot(object)
    def _take_captured(self, files: Sequence[Path]) -> None:
        offers = Offers(tuple(Offer(file.name, file, origin="camera") for file in files))
        self._gather(lambda: offers)

    @Slot(object, int)
    def _take_history(self, wanted: HistoryFilter, most: int) -> None:
        reader = self._ports.archive.reader
        self._gather(lambda: from_history(reader, wanted, most))

    def _usual_source(self) -> str:
        """The recipe's where there is one, else the station's."""
        recipe = self._flow.project.recipe
        try:
            found = None if recipe is None else self._ports.archive.recipes.latest(recipe)
        except LoupeError:
            found = None
        return self._ports.settings().source if found is None else found.source

    # What the background tells

    @Slot(object)
    def _on_admitted(self, pictures: Pictures) -> None:
        self._apply(choices.added(self._flow.project, pictures))

    @Slot(object)
    def _on_ended(self, gathered: Gathered) -> None:
        self._report.show_end(gathered)
        if self._flow.project.pictures:
            self._gathering.check(self._flow.project.pictures)

    @Slot(object)
    def _on_checked(self, found: dict[str, tuple[Finding, ...]]) -> None:
        """No step of the engineer's: the same decisions, with more known about them."""
        self._found |= found
        try:
            self._flow.replace(choices.with_findings(self._flow.project, found))
        except ProjectError as error:
            self._report.show_problem(str(error))
            return
        self._report.end_progress()
        self._thumbnails.look_again()
        self._show()
        self.changed.emit()

    @Slot(str)
    def _on_failure(self, reason: str) -> None:
        self._report.show_problem(reason)

    @Slot(str, object)
    def _on_read(self, name: str, shown: Shown) -> None:
        current = self._grid.current()
        if current is not None and current.name == name:
            self._detail.show_pixels(shown)
            self._large.show_picture(*shown)

    @Slot(str, str)
    def _on_unread(self, name: str, reason: str) -> None:
        current = self._grid.current()
        if current is not None and current.name == name:
            self._detail.show_problem(reason)

    # What is seen

    def _show(self) -> None:
        project = self._flow.project
        self._filters.show_project(project)
        self._bar.show_project(project)
        self._back.setEnabled(self._undo.can_undo)
        self._forth.setEnabled(self._undo.can_redo)
        self._show_filtered()

    @Slot()
    def _show_filtered(self) -> None:
        project, which = self._flow.project, self._filters.chosen
        self._grid.show_pictures([one for one in project.pictures if which.lets_through(one)])
        self._detail.setVisible(bool(project.pictures))
        if not project.pictures:
            self._middle.setCurrentWidget(self._empty)
        elif self._middle.currentWidget() is self._empty:
            self._middle.setCurrentWidget(self._grid)
            self._grid.setFocus()
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
    def _open_large(self) -> None:
        self._show_large(True)

    def _show_large(self, is_large: bool) -> None:
        if self._grid.current() is None:
            return
        shown: QWidget = self._large if is_large else self._grid
        self._middle.setCurrentWidget(shown)
        shown.setFocus()
        if is_large:
            self._large.fit()

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

    def _made_empty(self) -> QWidget:
        """What stands where the pictures will be."""
        place = QWidget()
        column = QVBoxLayout(place)
        column.addStretch(1)
        lines = (
            theme.label(self.tr("Drop pictures or folders here"), "title", bold=True),
            theme.label(
                self.tr(
                    "A folder of good parts, or an MVTec layout with train and test. 30 good pictures are a start."
                ),
                "body",
                "secondary",
            ),
        )
        for line in lines:
            line.setAlignment(Qt.AlignmentFlag.AlignCenter)
            line.setWordWrap(True)
            column.addWidget(line)
        column.addStretch(1)
        return place

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(tokens.S)
        for button in (self._folder, self._camera, self._history):
            head.addWidget(button)
        head.addStretch(1)
        head.addWidget(self._back)
        head.addWidget(self._forth)
        for one in (self._filters, self._camera_source, self._history_source):
            self._sources.addWidget(one)
        self._sources.setFixedWidth(self._filters.width())
        for shown in (self._empty, self._grid, self._large):
            self._middle.addWidget(shown)
        centre = QVBoxLayout()
        centre.setSpacing(tokens.S)
        centre.addWidget(self._middle, 1)
        centre.addWidget(self._report)
        body = QHBoxLayout()
        body.setSpacing(tokens.M)
        body.addWidget(self._sources)
        body.addLayout(centre, 1)
        body.addWidget(self._detail)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addLayout(head)
        column.addWidget(self._bar)
        column.addLayout(body, 1)

    def _connect(self) -> None:
        self._folder.clicked.connect(self._ask_folder)
        self._camera.clicked.connect(self._open_camera_source)
        self._history.clicked.connect(self._open_history_source)
        self._back.clicked.connect(self._step_back)
        self._forth.clicked.connect(self._step_forth)
        self._camera_source.captured.connect(self._take_captured)
        self._camera_source.closed.connect(self._show_filters)
        self._history_source.wanted.connect(self._take_history)
        self._history_source.closed.connect(self._show_filters)
        self._filters.filter_chosen.connect(self._show_filtered)
        self._filters.share_chosen.connect(self._set_share)
        self._filters.grouping_chosen.connect(self._set_grouping)
        self._bar.followed.connect(self._follow)
        self._bar.look_requested.connect(self._show_marked)
        self._grid.selection_changed.connect(self._show_selection)
        self._grid.opened.connect(self._open_large)
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


def _dropped(event: QDropEvent) -> list[Path]:
    """Local files and folders that are being dropped."""
    if not event.possibleActions() & Qt.DropAction.CopyAction:
        return []
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
