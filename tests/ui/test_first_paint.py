"""The window stands before anything heavy is imported; asked of a fresh interpreter."""

import os
import subprocess
import sys

HEAVY = ("torch", "torchvision", "timm", "sqlalchemy", "alembic", "pyqtgraph", "qtawesome", "scipy", "sklearn", "cv2")

SCRIPT = """
import sys
from PySide6.QtWidgets import QApplication
from station.ui import theme
from station.ui.inspect.page import InspectPage
from station.ui.shell import MainWindow, PageEntry

app = QApplication([])
theme.apply(app, "dark")
window = MainWindow((PageEntry("inspect", "Inspect", "magnifying-glass", InspectPage),))
window.first_painted.connect(app.quit)
window.show()
before = set(sys.modules)
app.exec()
window.close()
print(" ".join(name for name in {heavy!r} if name in before))
"""


def test_that_the_window_is_built_without_the_heavy_libraries() -> None:
    script = SCRIPT.replace("{heavy!r}", repr(HEAVY))
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
