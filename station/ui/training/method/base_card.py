"""The model that is fine-tuned: what it is, and that its method and settings stay."""

from PySide6.QtWidgets import QWidget

from ml.artifact import Manifest
from ml.catalogue import METHODS
from station.ui import theme
from station.ui.training.method.estimate_line import EstimateLine
from station.ui.training.words import pictures_of_good_parts
from station.ui.widgets.card import Card


class BaseCard(Card):
    """To be read only."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._title = theme.label(self.tr("The model in use goes on learning"), "emphasised", bold=True)
        self._model = theme.label("")
        self._kept = theme.label("", "body", "secondary")
        self.estimate = EstimateLine()
        for label in (self._title, self._model, self._kept):
            label.setWordWrap(True)
            self.add(label)
        self.add(self.estimate)
        self._kept.setText(
            self.tr(
                "Method, settings and the way it looks at a picture stay as they are: what it has learnt is kept, and "
                "the new good parts are added. The threshold is found anew, for the old parts and the new ones. For "
                "another method, begin a new model."
            )
        )

    def show_manifest(self, manifest: Manifest) -> None:
        info = METHODS.get(manifest.method)
        method = info.title if info is not None else manifest.method
        words = self.tr("{}: {}, learnt from {}")
        self._model.setText(words.format(manifest.name, method, pictures_of_good_parts(len(manifest.data.files))))
        settings = [f"{name.replace('_', ' ')} {value}" for name, value in manifest.parameters.items()]
        self._model.setToolTip("\n".join(settings))

    def show_problem(self, reason: str) -> None:
        self._model.setText(reason)
