"""Generated pictures to look at before a model learns from such: made by `loupe generate` in a child. QtCore only."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from ml.errors import PictureError
from ml.picture_list import PictureList
from ml.pictures import default_window, read_picture
from station.core.presentation import displayed
from station.projects.project import SampleApproval
from station.projects.store import ProjectError
from station.workers.child import ChildEnd, Ending, JsonChild
from station.workers.queries import Queries

SHOWN = 8
SIDE_PX = 320
GENERATE_COMMAND = (sys.executable, "-m", "station", "generate")
LIST_FILE, MADE_FOLDER = "good.json", "made"


@dataclass(frozen=True, slots=True, eq=False)
class SamplePair:
    """A picture that was generated and the one it was made from (None where it was made of none), `(h, w, 3)` uint8
    RGB, read-only, for the screen."""

    made: NDArray[np.uint8]
    source: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True, eq=False)
class SamplePreview:
    """What the generator makes with these settings."""

    wanted: SampleApproval
    pairs: tuple[SamplePair, ...]


class SampleMaker(QObject):
    """One preview at a time; a newer one ends the older. Lives in the GUI thread."""

    made = Signal(object)
    """SamplePreview."""
    failed = Signal(str)
    """No preview, and why."""

    def __init__(self, command: Sequence[str] = GENERATE_COMMAND, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._child = JsonChild(command, {}, self.tr("Generating"), parent=self)
        self._child.ended.connect(self._on_end)
        self._queries = Queries(self)
        self._folder: TemporaryDirectory[str] | None = None
        self._wanted: SampleApproval | None = None
        self._listed: PictureList | None = None

    @property
    def is_busy(self) -> bool:
        return self._wanted is not None

    def make(self, wanted: SampleApproval, listed: PictureList) -> None:
        """Generate `SHOWN` pictures from the good ones of the list, as `wanted` says; ignored while busy."""
        if self.is_busy:
            return
        self._remove_folder()
        try:
            self._folder = TemporaryDirectory(prefix="loupe-samples-", ignore_cleanup_errors=True)
            listed.save(Path(self._folder.name) / LIST_FILE)
        except OSError as error:
            self.failed.emit(self.tr("The samples cannot be written ({}). Free some space.").format(error.strerror))
            return
        self._wanted, self._listed = wanted, listed
        settings = [part for name, value in wanted.settings.items() for part in ("--set", f"{name}={value}")]
        source, out = (str(Path(self._folder.name) / name) for name in (LIST_FILE, MADE_FOLDER))
        order = ["--generator", wanted.generator, "--count", str(SHOWN), "--out", out, *settings]
        self._child.start(source, *order, "--json")

    @Slot()
    def cancel(self) -> None:
        """Nothing is wanted any more."""
        self._wanted = None
        self._child.kill()

    def close(self) -> None:
        self.cancel()
        self._child.stop()
        self._queries.close()
        self._remove_folder()

    @Slot(object)
    def _on_end(self, end: ChildEnd) -> None:
        wanted, listed, folder = self._wanted, self._listed, self._folder
        if wanted is None or listed is None or folder is None:
            return
        if end.ending is Ending.DONE:
            made = Path(folder.name) / MADE_FOLDER
            self._queries.ask(lambda: _read(wanted, listed, made), then=self._on_read, otherwise=self._on_failure)
            return
        said = end.last_line.removeprefix("loupe: ") if end.ending is Ending.FAILED else ""
        self._on_failure(said or end.words)

    def _on_read(self, preview: SamplePreview) -> None:
        if self._wanted is preview.wanted:
            self._wanted = None
            self.made.emit(preview)

    def _on_failure(self, reason: str) -> None:
        self._wanted = None
        self.failed.emit(reason)

    def _remove_folder(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _read(wanted: SampleApproval, listed: PictureList, made: Path) -> SamplePreview:
    """Raises ProjectError where the child has left something else than pictures."""
    sources = {one.name: one.file for one in listed.pictures}
    try:
        entries: list[Mapping[str, Any]] = json.loads((made / "generated.json").read_text(encoding="utf-8"))["pictures"]
        pairs = tuple(
            SamplePair(_thumbnail(made / entry["file"]), _thumbnail(sources[entry["source"]]))
            if entry["source"] in sources
            else SamplePair(_thumbnail(made / entry["file"]), None)
            for entry in entries
        )
    except (OSError, ValueError, KeyError, PictureError) as error:
        raise ProjectError(f"The generated pictures cannot be read: {error}") from error
    return SamplePreview(wanted, pairs)


def _thumbnail(path: Path) -> NDArray[np.uint8]:
    picture = read_picture(path)
    shown = displayed(picture.pixels, default_window(picture.bit_depth), SIDE_PX)
    shown.setflags(write=False)
    return shown
