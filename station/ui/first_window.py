"""One station per home folder: a second start raises the first window instead of opening its own."""

import logging
import time

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

CONNECT_TIMEOUT_MS = 1000
RETRY_S = 0.1

log = logging.getLogger(__name__)


def raise_first_window(socket_name: str, patience_s: float = 3.0) -> bool:
    """Ask the station that holds the home folder to show itself. False when it does not answer.

    `patience_s`: one that has only just been started does not listen yet. An impatient second click is the most common
    reason for a second start.
    """
    deadline = time.monotonic() + patience_s
    while True:
        socket = QLocalSocket()
        socket.connectToServer(socket_name)
        if socket.waitForConnected(CONNECT_TIMEOUT_MS):
            socket.disconnectFromServer()
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(RETRY_S)


class FirstWindow(QObject):
    """Listens for later starts."""

    raise_requested = Signal()
    """Another start asks to see this window. A connection is the whole message: nothing is read from it."""

    def __init__(self, socket_name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_connection)
        QLocalServer.removeServer(socket_name)  # left behind by a station that was killed; we hold the home's lock
        if not self._server.listen(socket_name):
            log.warning("A second start cannot raise this window: %s", self._server.errorString())

    @Slot()
    def _on_connection(self) -> None:
        while self._server.hasPendingConnections():
            socket = self._server.nextPendingConnection()
            socket.disconnected.connect(socket.deleteLater)
            socket.close()
        self.raise_requested.emit()

    def close(self) -> None:
        self._server.close()
