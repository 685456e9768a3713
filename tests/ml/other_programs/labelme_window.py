"""FILE...: what stands in LabelMe's window when each label file is opened in it; one line of JSON each."""

import json
import sys

from labelme.app import MainWindow
from PyQt5.QtWidgets import QApplication, QMessageBox


def refuse(*words: object) -> None:
    raise SystemExit(f"LabelMe complains: {words[1:]}")


QMessageBox.critical = QMessageBox.warning = refuse  # they would wait for an answer
application = QApplication(sys.argv[:1])
for file in sys.argv[1:]:
    window = MainWindow(file_or_dir=file)
    window.show()
    for _ in range(20):
        application.processEvents()
    canvas = window._canvas_widgets.canvas
    shown = [[shape.label, shape.shape_type] for shape in canvas.shapes]
    print(json.dumps({"file": file, "shapes": shown, "width": canvas.pixmap.width(), "height": canvas.pixmap.height()}))
    window.close()
