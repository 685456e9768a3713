"""What was found in the folder: how many pictures, of which size, and which cannot be used."""

import os
from pathlib import Path

from PySide6.QtWidgets import QPlainTextEdit, QProgressBar, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.workers.picture_survey import Findings

LIST_PX = 96


class PictureReport(QWidget):
    """Empty until a folder is chosen; then a line, and the unreadable files with their reasons."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._line = theme.label("", "body", "secondary")
        self._line.setWordWrap(True)
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._unreadable = QPlainTextEdit()
        self._unreadable.setReadOnly(True)
        self._unreadable.setFixedHeight(LIST_PX)
        self._unreadable.setAccessibleName(self.tr("Files left out"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.XS)
        for part in (self._line, self._progress, self._unreadable):
            column.addWidget(part)
        self.show_waiting(None)

    def show_waiting(self, folder: Path | None) -> None:
        """The folder is chosen, nothing is known of it yet; None: none is chosen."""
        self._tell(
            self.tr("Choose a folder or drop one here. With an MVTec layout, only train/good is read.")
            if folder is None
            else self.tr("Looking into {}").format(folder)
        )
        self._progress.hide()
        self._unreadable.hide()

    def show_problem(self, reason: str) -> None:
        self._tell(reason, is_problem=True)
        self._progress.hide()
        self._unreadable.hide()

    def show_findings(self, findings: Findings) -> None:
        self._progress.setVisible(not findings.is_complete)
        self._progress.setRange(0, len(findings.names))
        self._progress.setValue(findings.checked)
        self._tell(self._summary(findings))
        self._unreadable.setVisible(bool(findings.unreadable))
        folder = f"{findings.folder}{os.sep}"
        text = "\n".join(picture.reason.replace(folder, "") for picture in findings.unreadable)
        if text != self._unreadable.toPlainText():
            self._unreadable.setPlainText(text)

    def _tell(self, text: str, is_problem: bool = False) -> None:
        theme.mark(self._line, "tone", "fault" if is_problem else "secondary")
        self._line.setText(text)

    def _summary(self, findings: Findings) -> str:
        if not findings.is_complete:
            return self.tr("Checking {} of {} pictures").format(findings.checked, len(findings.names))
        words = [self.tr("{} pictures").format(findings.usable)]
        if findings.generated:
            words.append(self.tr("{} of them generated").format(len(findings.generated)))
        if findings.sizes:
            (width, height), _ = findings.sizes.most_common(1)[0]
            words.append(
                f"{width} × {height} px"
                if len(findings.sizes) == 1
                else self.tr("{} different sizes, mostly {} × {} px").format(len(findings.sizes), width, height)
            )
        if findings.unreadable:
            words.append(self.tr("{} cannot be used:").format(len(findings.unreadable)))
        return ", ".join(words)
