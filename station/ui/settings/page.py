"""The Settings page: each change applies at once; one that cannot hold is told beside its field and not applied."""

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import ValidationError
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent, QShowEvent
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from station.capture.devices import CameraDevice, list_cameras
from station.home import Home
from station.settings import Settings
from station.ui import theme, tokens
from station.ui.settings.about import AboutCard, PackageFacts, package_facts
from station.ui.settings.computing_card import ComputingCard
from station.ui.settings.folders import FoldersCard
from station.ui.settings.look_card import LookCard
from station.ui.settings.source_card import SourceCard
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.form_fields import FormFields
from station.workers.queries import Queries
from station.workers.source_test import SourceTrial, try_source

WIDTH_PX = 1400  # wider, words and fields drift apart


class SettingsPage(QWidget):
    """Keeps nothing: it tells what the user wants, and whoever owns the settings saves and applies it."""

    settings_changed = Signal(object)
    """Settings, whole and valid, that the user wants now."""

    def __init__(
        self,
        settings: Settings,
        home: Home,
        cameras: Callable[[], tuple[CameraDevice, ...]] = list_cameras,
        source_trial: Callable[[str], SourceTrial] = try_source,
        parent: QWidget | None = None,
    ) -> None:
        """`cameras` and `source_trial` are called outside the GUI thread."""
        super().__init__(parent)
        self._settings = settings
        self._list_cameras, self._try_source = cameras, source_trial
        self._camera_queries, self._trial_queries, self._fact_queries = Queries(self), Queries(self), Queries(self)
        self._source, self._look, self._folders = SourceCard(), LookCard(), FoldersCard(home.folder)
        self._about = AboutCard()
        self._computing = ComputingCard()
        self._approval = QCheckBox(self.tr("A second person approves before one is deployed"))
        self._station = self._make_station_card()
        self._arrange()
        self._connect()
        self._fields = FormFields(self)
        self._fields.tend(self)
        self.show_settings(settings)

    def focusInEvent(self, event: QFocusEvent) -> None:
        # Not a focus proxy: Tab would go from the status bar straight to it and never reach what stands before it.
        self._source.source.setFocus()

    @Slot(object)
    def show_settings(self, settings: Settings) -> None:
        """The settings as they are now, changed here or elsewhere; tells nothing."""
        self._settings = settings
        for card in (self._source, self._look, self._folders, self._computing):
            card.show_settings(settings)
        self._approval.blockSignals(True)
        self._approval.setChecked(settings.approval_required)
        self._approval.blockSignals(False)

    @Slot(str)
    def show_computing(self, title: str) -> None:
        """What computes the loaded model, for people."""
        self._about.show_computing(title)

    def close_down(self) -> None:
        """Wait for what is being read and ask nothing more."""
        for queries in (self._camera_queries, self._trial_queries, self._fact_queries):
            queries.close()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._folders.show_usage()
        self._camera_queries.ask(self._list_cameras)

    def _make_station_card(self) -> Card:
        card = Card(self.tr("Station"))
        form = FieldLayout()
        form.add_field(self.tr("User"), theme.label(self._settings.operator)).setToolTip(
            self.tr("Until there are accounts every review and part is stored under this name")
        )
        form.add_field(self.tr("Models"), self._approval).setToolTip(
            self.tr("Until there are accounts the second person types a name, which is stored as not authenticated")
        )
        card.add(form)
        return card

    def _arrange(self) -> None:
        content = QWidget()
        content.setMaximumWidth(WIDTH_PX)
        columns = QHBoxLayout(content)
        columns.setContentsMargins(0, 0, tokens.S, 0)
        columns.setSpacing(tokens.M)
        for cards in ((self._source, self._computing, self._look, self._station), (self._folders, self._about)):
            column = QVBoxLayout()
            column.setSpacing(tokens.M)
            for card in cards:
                column.addWidget(card)
            column.addStretch(1)
            columns.addLayout(column, 1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(tokens.L, tokens.M, tokens.L, tokens.M)
        whole.addWidget(scroll)

    def _connect(self) -> None:
        self._source.source_chosen.connect(self._on_source)
        self._source.interval_chosen.connect(self._on_interval)
        self._source.test_requested.connect(self._on_test)
        self._look.theme_chosen.connect(self._on_theme)
        self._look.heat_changed.connect(self._on_heat)
        self._folders.limit_changed.connect(self._on_limit)
        self._computing.runtime_chosen.connect(self._on_runtime)
        self._computing.threads_chosen.connect(self._on_threads)
        self._approval.toggled.connect(self._on_approval)
        self._camera_queries.answered.connect(self._on_cameras)
        self._trial_queries.answered.connect(self._on_trial)
        self._fact_queries.answered.connect(self._on_facts)
        self._fact_queries.ask(package_facts)

    def _change(self, **changes: Any) -> str:
        """Tell the settings with `changes`; returns why they cannot hold, empty when they can."""
        try:
            wanted = Settings.model_validate({**self._settings.model_dump(), **changes})
        except ValidationError as error:
            return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        if wanted != self._settings:
            self._settings = wanted
            self.settings_changed.emit(wanted)
        return ""

    @Slot(str)
    def _on_source(self, spec: str) -> None:
        self._change(source=spec)

    @Slot(float)
    def _on_interval(self, seconds: float) -> None:
        self._change(continuous_interval_s=round(seconds, 1))

    @Slot(str)
    def _on_test(self, spec: str) -> None:
        self._trial_queries.ask(partial(self._try_source, spec), withdraw_waiting=True)

    @Slot(str)
    def _on_theme(self, name: str) -> None:
        self._change(theme=name)

    @Slot(float, bool)
    def _on_heat(self, opacity: float, is_shown: bool) -> None:
        self._change(heat_opacity=opacity, show_heat=is_shown)

    @Slot(str, float)
    def _on_limit(self, name: str, value: float) -> None:
        # Both at once: raising both limits passes through a state in which the first alone would be refused.
        limits = self._folders.limits()
        if limits["disk_warn_gb"] < limits["disk_stop_gb"]:
            self._folders.show_problem(self.tr("The warning must come before the stop: warn at more free space."))
            return
        self._folders.show_problem(self._change(**limits))

    @Slot(str)
    def _on_runtime(self, name: str) -> None:
        self._change(runtime=name)

    @Slot(object)
    def _on_threads(self, threads: int | None) -> None:
        self._change(torch_threads=threads)

    @Slot(bool)
    def _on_approval(self, is_required: bool) -> None:
        self._change(approval_required=is_required)

    @Slot(int, object)
    def _on_cameras(self, number: int, cameras: tuple[CameraDevice, ...]) -> None:
        self._source.source.show_cameras(cameras)

    @Slot(int, object)
    def _on_trial(self, number: int, trial: SourceTrial) -> None:
        if self._trial_queries.is_latest(number):
            self._source.show_trial(trial)

    @Slot(int, object)
    def _on_facts(self, number: int, packages: tuple[PackageFacts, ...]) -> None:
        self._about.show_packages(packages)
