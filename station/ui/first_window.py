"""One station per home folder: a second start raises the first window instead of opening its own."""

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

CONNECT_TIMEOUT_MS = 1000


def raise_first_window(socket_name: str) -> bool:
    """Ask the station that holds the home folder to show itself. False when it does not answer."""
    socket = QLocalSocket()
    socket.connectToServer(socket_name)
    if not socket.waitForConnected(CONNECT_TIMEOUT_MS):
        return False
    socket.disconnectFromServer()
    return True


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
        self._server.listen(socket_name)

    @Slot()
    def _on_connection(self) -> None:
        while self._server.hasPendingConnections():
            socket = self._server.nextPendingConnection()
            socket.disconnected.connect(socket.deleteLater)
            socket.close()
        self.raise_requested.emit()

    def close(self) -> None:
        self._server.close()
