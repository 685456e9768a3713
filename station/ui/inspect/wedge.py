"""Takes scanned codes out of a window's key presses, wherever the focus is."""

import time

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication, QKeyEvent, QWindow
from PySide6.QtWidgets import QApplication

from station.ui.inspect.scan import SCAN_GAP_S, ScanDetector

_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_PLAIN = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.KeypadModifier)


class KeyboardWedge(QObject):
    """Holds each printable key for 30 ms: what goes on as fast is a scan, everything else goes on to the focus.

    Holding is needed: a code that begins with 2 must not file a review before its second key comes. Space begins no
    code, so it is never delayed.
    """

    scanned = Signal(str)  # a whole code, without prefix and Enter

    def __init__(self, parent: QObject | None = None, prefix: str = "") -> None:
        super().__init__(parent)
        self._detector = ScanDetector(prefix)
        self._events: list[QKeyEvent] = []
        self._window: QWindow | None = None
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setTimerType(Qt.TimerType.PreciseTimer)
        self._patience.setInterval(round(SCAN_GAP_S * 1000) + 1)
        self._patience.timeout.connect(self._pass_on)
        # A filter that is still installed when the interpreter ends is called in a half-dismantled process.
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.stop)

    def watch(self, window: QWindow | None) -> None:
        """Look at this window's keys from now on; None looks at none."""
        if window is self._window:
            return
        if self._window is not None:
            self._window.removeEventFilter(self)
        self._pass_on()
        self._window = window
        if window is not None:
            window.installEventFilter(self)

    @Slot()
    def stop(self) -> None:
        """Look at no window's keys any more."""
        self.watch(None)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            # Without this a shortcut would take the key before it is known to be a scanner's.
            if self._is_candidate(event) or (event.key() in _ENTER and self._detector.is_scanning):
                event.accept()
                return True
        elif kind == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            return self._take(event)
        return False

    def _take(self, event: QKeyEvent) -> bool:
        now_s = time.monotonic()
        if event.key() in _ENTER:
            code = self._detector.finish(now_s)
            if code is None:
                self._pass_on()
                return False
            self._patience.stop()
            self._events.clear()
            self.scanned.emit(code)
            return True
        if not self._is_candidate(event):
            if event.text():
                self._pass_on()
            return False
        if not self._detector.continues(now_s):
            self._pass_on()
        self._detector.hold(event.text(), now_s)
        self._events.append(event.clone())
        self._patience.start()
        return True

    def _is_candidate(self, event: QKeyEvent) -> bool:
        text = event.text()
        if not text or not text.isprintable() or event.modifiers() not in _PLAIN or event.isAutoRepeat():
            return False
        return text != " " or self._detector.continues(time.monotonic())

    @Slot()
    def _pass_on(self) -> None:
        """A person typed: the focus gets the keys now, thirty milliseconds late."""
        self._patience.stop()
        self._detector.release()
        events, self._events = self._events, []
        target = QApplication.activePopupWidget() or QApplication.focusWidget() or QGuiApplication.focusObject()
        for event in events:
            if target is not None:
                QCoreApplication.sendEvent(target, event)
