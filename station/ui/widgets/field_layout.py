"""Words at the left, fields at the right: the one way our forms are laid out."""

from PySide6.QtWidgets import QFormLayout, QLabel, QLayout, QWidget

from station.ui import theme, tokens

LABEL_PX = tokens.CONTROL_PX + 2 * tokens.FOCUS_RING_PX  # as high as a field, so that both stand on one line


class FieldLayout(QFormLayout):
    """A form layout without margins, words beside the middle of the first line of their fields."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setContentsMargins(0, 0, 0, 0)
        self.setHorizontalSpacing(tokens.L)
        self.setVerticalSpacing(tokens.S)
        self.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

    def add_field(self, words: str, field: QWidget | QLayout) -> QLabel:
        """Returns the label, for a tool tip."""
        label = theme.label(words, "body", "secondary")
        label.setFixedHeight(LABEL_PX)  # beside a tall field Qt would give it more, and its words would sink
        self.addRow(label, field)
        return label
