"""What is wrong with a field, in words, right below it; takes no room while all is well."""

from PySide6.QtWidgets import QLabel, QWidget

from station.ui import theme


class ProblemLabel(QLabel):
    """Plain text in the colour of trouble."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        theme.tag(self, "caption", "fault")
        self.hide()

    def show_problem(self, text: str, field: QWidget | None = None) -> None:
        """Tell `text` and mark `field`; an empty text settles it."""
        self.setText(text)
        self.setVisible(bool(text))
        if field is not None:
            theme.mark(field, "invalid", bool(text))
