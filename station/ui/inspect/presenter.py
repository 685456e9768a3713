"""Joins the Inspect page with the inspection line and the history. Decides nothing about parts."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from PySide6.QtCore import QDateTime, QLocale, QObject, QTimer, Signal, Slot

from ml.errors import LoupeError
from station.core.recipe import Recipe
from station.history.archive import Archive
from station.history.filters import HistoryFilter
from station.history.records import Counters, TruthMatrix
from station.ui.history.part_pictures import PartPictures, StoredPart
from station.ui.inspect.page import InspectPage
from station.ui.inspect.view import Finding, InspectState, RecipeView
from station.ui.widgets.film_strip import FilmPart
from station.workers.inspection import JudgedPart, LoadedRecipe
from station.workers.line import InspectionLine
from station.workers.queries import Queries

TALLY_DELAY_MS = 250
FILM_PARTS = 20


class InspectPresenter(QObject):
    """Lives in the GUI thread, from the moment that archive and line are there."""

    source_changed = Signal(str)
    """Pictures come from this source from now on: keep it in the settings."""
    problem = Signal(str)
    """Something that was asked for could not be done; the line goes on."""

    def __init__(
        self, page: InspectPage, line: InspectionLine, archive: Archive, operator: str, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._page = page
        self._line = line
        self._archive = archive
        self._operator = operator
        self._pictures = PartPictures(archive.pictures, archive.models)
        self._queries = Queries(self)
        self._tallies = Queries(self)  # counting may take long on a long day; looking back does not wait for it
        self._loaded: LoadedRecipe | None = None
        self._wanted: tuple[Recipe, str] | None = None  # the recipe asked for last, and its source
        self._is_stopped = False
        self._source = ""
        self._names: tuple[str, ...] = ()
        self._interval_ms = 0
        self._tally = QTimer(self, interval=TALLY_DELAY_MS, singleShot=True)
        self._connect()
        self._load_film()

    def _connect(self) -> None:
        page, worker = self._page, self._line.worker
        page.inspect_requested.connect(self._inspect)
        page.continuous_requested.connect(self._set_continuous)
        page.acknowledge_requested.connect(self._line.acknowledge)
        page.reconnect_requested.connect(self.reconnect)
        page.recipe_requested.connect(self.choose_recipe)
        page.source_requested.connect(self.open_source)
        page.look_back_requested.connect(self._look_back)
        page.review_requested.connect(self._review)
        page.scanned.connect(self._check_serial)
        worker.verdict_ready.connect(self._on_verdict)
        worker.preview_ready.connect(self._show_picture)
        worker.busy_changed.connect(self._on_busy)
        worker.continuous_changed.connect(self._on_continuous)
        worker.acknowledge_changed.connect(page.show_waiting)
        worker.recipe_loaded.connect(self._on_recipe)
        worker.recipe_failed.connect(self._on_recipe_failed)
        worker.bug_found.connect(self._on_line_stopped)
        self._tally.timeout.connect(self._count)

    @property
    def is_ready(self) -> bool:
        """A recipe was loaded: it judges parts, unless the line has stopped."""
        return self._loaded is not None

    @property
    def source(self) -> str:
        """Where pictures come from."""
        return self._source

    def set_pace(self, interval_s: float) -> None:
        """Least time between two parts in continuous inspection; holds from the next start of it."""
        self._interval_ms = round(interval_s * 1000)

    def load(self, recipe: Recipe, source: str | None = None) -> None:
        """Load a recipe and take pictures from its source, or another one; both only where the recipe can be used."""
        self._wanted = (recipe, source or recipe.source)
        self._page.show_state(InspectState("loading", recipe.name))
        self._line.load_recipe(*self._wanted)

    @Slot(str)
    def choose_recipe(self, name: str) -> None:
        self._ask(lambda: self._archive.recipes.latest(name), self._on_recipe_read)

    @Slot()
    def reload(self) -> None:
        """Load the recipe again that was wanted last: what the line needs after a failure that nobody foresaw."""
        if self._wanted is not None:
            self.load(*self._wanted)

    def _on_recipe_read(self, recipe: Recipe | None) -> None:
        if recipe is None:
            self.problem.emit(self.tr("The recipe is not there any more."))
        else:
            self.load(recipe)

    @Slot()
    def reconnect(self) -> None:
        self.open_source(self._source)

    @Slot(str)
    def open_source(self, spec: str) -> None:
        """Take pictures from `spec` from now on; the source in use is opened again."""
        self._source = spec
        if self._wanted is not None:
            self._wanted = (self._wanted[0], spec)
        self._line.open_source(spec)
        self.source_changed.emit(spec)

    @Slot()
    def close(self) -> None:
        """Before the archive is closed."""
        self._tally.stop()
        self._queries.close()
        self._tallies.close()

    @Slot(str)
    def _inspect(self, serial: str) -> None:
        self._line.press(serial)

    @Slot(bool)
    def _set_continuous(self, is_on: bool) -> None:
        self._line.set_continuous(is_on, self._interval_ms)

    @Slot(object)
    def _on_recipe(self, loaded: LoadedRecipe) -> None:
        self._loaded, self._is_stopped = loaded, False
        self._show_recipe()
        self._ask(self._archive.recipes.names, self._on_names)
        self._count()
        if self._wanted is not None and self._wanted[0] == loaded.recipe:  # else another one is being loaded already
            self._source = self._wanted[1]
            self._page.show_state(InspectState("ready"))
            self.source_changed.emit(self._source)

    @Slot(str, str)
    def _on_recipe_failed(self, name: str, reason: str) -> None:
        """The recipe before stays in force with its source, if there is one and the line runs."""
        if self._wanted is None or self._wanted[0].name != name:
            return
        if self._is_stopped:
            self._on_line_stopped(reason)
        elif self._loaded is not None:
            self._wanted = (self._loaded.recipe, self._source)
            self._page.show_state(InspectState("ready"))

    def _show_recipe(self) -> None:
        assert self._loaded is not None
        recipe, manifest = self._loaded.recipe, self._loaded.manifest
        self._page.show_recipe(
            RecipeView(
                name=recipe.name,
                model=f"{manifest.name} · {manifest.model_hash[:8]}",
                names=self._names or (recipe.name,),
                scan_triggers=recipe.scan_triggers,
                serial_required=recipe.serial_required,
            )
        )

    def _on_names(self, names: list[str]) -> None:
        self._names = tuple(names)
        self._show_recipe()

    @Slot(str)
    def _on_line_stopped(self, reason: str) -> None:
        self._is_stopped = True
        self._page.show_state(InspectState("stopped", self.tr("The line has stopped."), reason))

    @Slot(object)
    def _on_verdict(self, judged: JudgedPart) -> None:
        # The picture last: it may be the following part's already, and then takes off the mark of a missing one.
        self._page.show_verdict(judged)
        self._show_picture()
        if not self._tally.isActive():
            self._tally.start()

    @Slot()
    def _show_picture(self) -> None:
        view = self._line.worker.views.take()
        if view is not None:
            self._page.show_part(view)

    @Slot(bool)
    def _on_busy(self, is_busy: bool) -> None:
        self._page.show_busy(is_busy)

    @Slot(bool, str)
    def _on_continuous(self, is_on: bool, _: str) -> None:
        self._page.show_continuous(is_on)

    def _ask(self, question: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Ask the history in the background; what goes wrong is told, not raised."""
        self._queries.ask(question, then=then, otherwise=self.problem.emit)

    # Counters and matrix, counted in the background a moment after the last part

    @Slot(object)
    def count_anew(self, _: object) -> None:
        """A review may have changed the confirmed truth."""
        self._count()

    @Slot()
    def _count(self) -> None:
        if self._loaded is None:
            return
        recipe, reader = self._loaded.recipe.name, self._archive.reader
        since = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)

        def count() -> tuple[Counters, TruthMatrix]:
            wanted = HistoryFilter(since=since, recipe=recipe)
            given = reader.matrix(wanted, "given")
            return reader.counters(since, recipe), given if given.binary.total else reader.matrix(wanted, "confirmed")

        self._tallies.ask(count, then=self._on_counted, otherwise=self.problem.emit, withdraw_waiting=True)

    def _on_counted(self, counted: tuple[Counters, TruthMatrix]) -> None:
        self._page.show_counters(counted[0], self.tr("today"))
        self._page.show_matrix(counted[1])

    # Looking back

    def _load_film(self) -> None:
        archive, pictures, page = self._archive, self._pictures, self._page

        def load() -> tuple[FilmPart, ...]:
            parts = []
            for row in archive.reader.recent(FILM_PARTS):
                try:
                    thumbnail = pictures.thumbnail(row.inspection) if row.inspection.picture_hash else None
                except LoupeError:  # a strip without one of its pictures is still a strip
                    thumbnail = None
                parts.append(page.film_part(row.inspection, thumbnail))
            return tuple(parts)

        self._ask(load, page.show_recent)

    @Slot(str)
    def _look_back(self, inspection_id: str) -> None:
        reader, pictures = self._archive.reader, self._pictures
        self._ask(lambda: pictures.part(reader.get(inspection_id)[0], ()), self._on_old_part)

    def _on_old_part(self, part: StoredPart) -> None:
        if part.view is not None:
            self._page.show_look_back(part.view)
        else:
            self.problem.emit(part.problem or part.inspection.fault or self.tr("No picture of this part was stored."))

    @Slot(str, str)
    def _review(self, inspection_id: str, finding: Finding) -> None:
        reviews, operator = self._archive.reviews, self._operator
        self._ask(lambda: reviews.add(inspection_id, finding, operator, "operator").inspection_id, self._on_reviewed)

    def _on_reviewed(self, inspection_id: str) -> None:
        self._page.show_review(inspection_id, self.tr("Noted for the supervisor."))

    # Serials

    @Slot(str)
    def _check_serial(self, serial: str) -> None:
        if self._loaded is None or not serial:
            return
        reader, recipe = self._archive.reader, self._loaded.recipe.name
        self._ask(lambda: (serial, reader.serial_seen(recipe, serial)), self._on_serial_seen)

    def _on_serial_seen(self, found: tuple[str, datetime | None]) -> None:
        serial, seen_at = found
        if seen_at is not None and self._page.serial() == serial:
            when = QLocale().toString(QDateTime.fromSecsSinceEpoch(int(seen_at.timestamp())), "d MMM HH:mm")
            self._page.show_serial_note(self.tr("Inspected before: {}").format(when))
