"""Uses the training wizard as an engineer does: what is pressed, typed, dropped and drawn goes through the window."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QLineEdit, QPushButton, QTabBar, QWidget

from station.projects.project import Candidate, Project, Step
from station.ui.training.projects_page import ProjectsPage
from station.ui.training.wizard import Wizard
from station.ui.training.wizard_page import WizardPage
from station.ui.widgets.drawing_canvas import DrawingCanvas
from tests.e2e.driver import TIMEOUT_MS, Operator, pause

TRAINING_MS = 180_000
MOVE_MS = 15
"""Between two moves of the mouse: charts leave out those that come faster than 100 a second."""

Widget = TypeVar("Widget", bound=QWidget)
Place = tuple[float, float]
LEFT, NO_KEYS = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class Engineer:
    """At the Training page of one station."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    @property
    def wizard(self) -> Wizard:
        wizard = self._projects.wizard
        assert wizard is not None
        return wizard

    @property
    def project(self) -> Project:
        return self.wizard.flow.project

    @property
    def page(self) -> WizardPage:
        """The step that is shown."""
        page = self.wizard.page(self.project.step)
        assert page is not None
        return page

    @property
    def candidate(self) -> Candidate:
        """The one that is chosen to go on with."""
        found = self.project.candidate(self.project.chosen)
        assert found is not None
        return found

    def open_training(self) -> None:
        self._operator.window.open_page("training")

    def begin(self, name: str) -> None:
        """A project for a new part, by keyboard."""
        self.open_training()
        field = self._operator.window.focusWidget()
        assert isinstance(field, QLineEdit)
        QTest.keyClicks(field, name)
        QTest.keyClick(field, Qt.Key.Key_Return)

    def go_on(self, *steps: Step) -> None:
        """Press Next until each of these is shown in turn."""
        for step in steps:
            self.click("Next")
            assert self.project.step is step

    def train(self) -> None:
        """What is chosen, from the step Method to the step Judgement."""
        self.go_on(Step.TRAINING)
        self.click("Start")
        self.wait_until(self._has_ended, "the training ended", TRAINING_MS)
        self.go_on(Step.JUDGEMENT)

    def click(self, word: str) -> None:
        """Press the visible button of the Training page that says `word`, or is called so, once it can be pressed."""
        click(self._operator, word)

    def choose_tab(self, word: str) -> None:
        bars = (bar for bar in self.page.findChildren(QTabBar) if bar.isVisible())
        bar, place = next((bar, at) for bar in bars for at in range(bar.count()) if bar.tabText(at) == word)
        self.wait_until(bar.isEnabled, f"{word} could be chosen")
        QTest.mouseClick(bar, LEFT, pos=bar.tabRect(place).center())

    def drop(self, *paths: Path) -> None:
        """Drag folders or files onto the page, as from a file manager."""
        page, data = self.page, QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        place = QPointF(page.width() / 2, page.height() / 2)
        enter = QDragEnterEvent(place.toPoint(), Qt.DropAction.CopyAction, data, LEFT, NO_KEYS)
        QApplication.sendEvent(page, enter)
        assert enter.isAccepted()
        QApplication.sendEvent(page, QDropEvent(place, Qt.DropAction.CopyAction, data, LEFT, NO_KEYS))

    def wait_for_pictures(self, count: int) -> None:
        """Until so many are in the project and have been compared with each other."""

        def is_done() -> bool:
            pictures = self.project.pictures
            return len(pictures) == count and all(one.checked for one in pictures)

        self.wait_until(is_done, f"{count} pictures were checked")

    def draw(self, start: Place, *stops: Place) -> None:
        """On the picture of the page, with the left button held; places in pixels of the picture."""
        canvas = self.page.findChild(DrawingCanvas)
        assert canvas is not None
        self.wait_until(canvas.has_picture, "there was a picture to draw on")
        drag(canvas.viewport(), *(canvas.mapFromScene(QPointF(*place)) for place in (start, *stops)))

    def type_into(self, name: str, text: str) -> None:
        """Replace what stands in the visible field that is called `name`, and leave it."""
        field = self.called(QLineEdit, name)
        QTest.mouseClick(field, LEFT)
        QTest.keyClick(field, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        QTest.keyClicks(field, text)
        QTest.keyClick(field, Qt.Key.Key_Tab)

    def judge_folder(self, folder: Path) -> None:
        """Where the deployed recipe's pictures are to come from."""
        kind = self.called(QComboBox, "Kind of source")
        self.wait_until(kind.isEnabled, "the model was read")
        kind.setFocus()
        for key in (Qt.Key.Key_Home, Qt.Key.Key_Down):
            QTest.keyClick(kind, key)
        assert kind.currentText() == "Folder of pictures"
        self.type_into("Folder", str(folder))

    def called(self, kind: type[Widget], name: str) -> Widget:
        """The visible widget of the page with that accessible name."""
        return next(one for one in self.page.findChildren(kind) if one.accessibleName() == name and one.isVisible())

    def reads(self, words: str) -> bool:
        """Whether `words` stand on the Training page."""
        labels = self._operator.page("training").findChildren(QLabel)
        return any(words in label.text() for label in labels if label.isVisible())

    def wait_until(self, condition: Callable[[], bool], what: str, timeout_ms: int = TIMEOUT_MS) -> None:
        self._operator.wait_until(condition, what, timeout_ms)

    def _has_ended(self) -> bool:
        return any(one.state in ("trained", "failed") for one in self.project.candidates)

    @property
    def _projects(self) -> ProjectsPage:
        page = self._operator.page("training")
        assert isinstance(page, ProjectsPage)
        return page


def click(operator: Operator, word: str, timeout_ms: int = TIMEOUT_MS) -> None:
    """As `Engineer.click`."""

    def found() -> QPushButton | None:
        buttons = operator.page("training").findChildren(QPushButton)
        shown = (one for one in buttons if one.isVisible())
        return next((one for one in shown if word in (one.text().strip(), one.accessibleName())), None)

    def is_ready() -> bool:
        button = found()
        return button is not None and button.isEnabled()

    operator.wait_until(is_ready, f"{word} could be pressed", timeout_ms)
    button = found()
    assert button is not None
    QTest.mouseClick(button, LEFT)


def drag(target: QWidget, start: QPoint, *stops: QPoint) -> None:
    """Press, move and let go, in pixels of `target`."""
    QTest.mousePress(target, LEFT, NO_KEYS, start)
    for stop in stops:
        pause(MOVE_MS)
        # QTest's own moves hold no button.
        move = QMouseEvent(
            QEvent.Type.MouseMove, QPointF(stop), QPointF(target.mapToGlobal(stop)), Qt.MouseButton.NoButton, LEFT,
            NO_KEYS,
        )  # fmt: skip
        QApplication.sendEvent(target, move)
    pause(MOVE_MS)
    QTest.mouseRelease(target, LEFT, NO_KEYS, stops[-1] if stops else start)
