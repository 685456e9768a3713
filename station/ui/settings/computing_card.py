"""What computes the model, and with how many threads."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QHBoxLayout, QPushButton, QSpinBox, QVBoxLayout, QWidget

from ml.runtime.scores import RuntimeName
from station.settings import Settings
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout

MOST_THREADS = 256


class ComputingCard(Card):
    """Tells what the user chooses; the words below the choice say what it does."""

    runtime_chosen = Signal(str)
    """`auto`, `onnx` or `torch`."""
    threads_chosen = Signal(object)
    """Their number, None for automatic."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.add(theme.label(self.tr("Computing"), "emphasised", bold=True))
        self._runtimes = QButtonGroup(self)
        self._chips: dict[RuntimeName, QPushButton] = {}
        self._words = theme.label("", "caption", "secondary")
        self._words.setWordWrap(True)
        self._is_automatic = QCheckBox(self.tr("Automatic"))
        self._threads = QSpinBox()
        self._threads.setRange(1, MOST_THREADS)
        self._threads.setAccessibleName(self.tr("Threads"))
        form = FieldLayout()
        choice = QVBoxLayout()
        choice.setSpacing(tokens.S)
        choice.addLayout(self._make_chips())
        choice.addWidget(self._words)
        form.add_field(self.tr("Computing with"), choice).setToolTip(
            self.tr("The recipe in use is loaded again at once")
        )
        form.add_field(self.tr("Threads"), self._make_threads()).setToolTip(
            self.tr("Of the processor; used from the next load of a recipe on")
        )
        self.add(form)
        self._runtimes.buttonClicked.connect(self._tell_runtime)
        self._is_automatic.toggled.connect(self._tell_threads)
        self._threads.valueChanged.connect(self._tell_threads)

    def show_settings(self, settings: Settings) -> None:
        """Tells nothing."""
        self._chips[settings.runtime].setChecked(True)
        self._show_words(settings.runtime)
        for field in (self._is_automatic, self._threads):
            field.blockSignals(True)
        self._is_automatic.setChecked(settings.torch_threads is None)
        self._threads.setValue(settings.torch_threads or settings.probed_threads or 1)
        self._threads.setEnabled(settings.torch_threads is not None)
        for field in (self._is_automatic, self._threads):
            field.blockSignals(False)

    def _make_chips(self) -> QHBoxLayout:
        words: dict[RuntimeName, str] = {"auto": self.tr("Automatic"), "onnx": "ONNX Runtime", "torch": "PyTorch"}
        line = QHBoxLayout()
        line.setSpacing(tokens.S)
        for name, word in words.items():
            chip = self._chips[name] = QPushButton(word)
            chip.setCheckable(True)
            chip.setObjectName(name)
            theme.mark(chip, "kind", "chip")
            self._runtimes.addButton(chip)
            line.addWidget(chip)
        line.addStretch(1)
        return line

    def _make_threads(self) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(tokens.L)
        line.addWidget(self._is_automatic)
        line.addWidget(self._threads)
        line.addStretch(1)
        return line

    def _show_words(self, runtime: RuntimeName) -> None:
        words: dict[RuntimeName, str] = {
            "auto": self.tr(
                "On a graphics card PyTorch. On the processor ONNX Runtime, the quicker one there; PyTorch for models "
                "that have no graph for it."
            ),
            "onnx": self.tr(
                "On the processor, even beside a graphics card. A model that has no graph for it is computed by "
                "PyTorch, and a message says so."
            ),
            "torch": self.tr("What models are trained with: slower on the processor, and some seconds to load."),
        }
        self._words.setText(words[runtime])

    @Slot(QPushButton)
    def _tell_runtime(self, chip: QPushButton) -> None:
        name = next(name for name, other in self._chips.items() if other is chip)
        self._show_words(name)
        self.runtime_chosen.emit(name)

    @Slot()
    def _tell_threads(self) -> None:
        is_automatic = self._is_automatic.isChecked()
        self._threads.setEnabled(not is_automatic)
        self.threads_chosen.emit(None if is_automatic else self._threads.value())
