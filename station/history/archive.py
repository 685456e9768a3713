"""Everything that one home folder keeps, opened together and closed together."""

from typing import Self

from sqlalchemy import Engine

from station.database import open_database
from station.history.models import ModelShelf
from station.history.reader import HistoryReader
from station.history.recipes import RecipeBook
from station.history.reviews import ReviewLog
from station.history.snapshots import Snapshots
from station.history.store import PictureStore
from station.history.versions import VersionBook
from station.history.writer import HistoryWriter
from station.home import Home


class Archive:
    """The history, the recipes and the models of a home. May be used from any thread; each writer in its own."""

    def __init__(self, engine: Engine, home: Home) -> None:
        self._engine = engine
        self.pictures = PictureStore(home.pictures)
        self.reader = HistoryReader(engine, self.pictures)
        self.reviews = ReviewLog(engine)
        self.recipes = RecipeBook(engine)
        self.models = ModelShelf(engine, home.models)
        self.versions = VersionBook(engine, self.recipes)
        self.snapshots = Snapshots(engine)

    @classmethod
    def open(cls, home: Home) -> Self:
        """Raises StorageError: a newer, damaged or unreadable database is never touched."""
        return cls(open_database(home.database), home)

    def writer(self, min_free_gb: float) -> HistoryWriter:
        """For the thread that records; it closes it."""
        return HistoryWriter(self._engine, self.pictures, min_free_bytes=int(min_free_gb * 1e9))

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
