from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from station.database import open_database
from station.history import HistoryReader, HistoryWriter, PictureStore, ReviewLog


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "loupe.db"


@pytest.fixture
def engine(database: Path) -> Iterator[Engine]:
    engine = open_database(database)
    yield engine
    engine.dispose()


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path / "pictures")


@pytest.fixture
def writer(engine: Engine, store: PictureStore) -> Iterator[HistoryWriter]:
    with HistoryWriter(engine, store, min_free_bytes=0) as writer:
        yield writer


@pytest.fixture
def reader(engine: Engine, store: PictureStore) -> HistoryReader:
    return HistoryReader(engine, store)


@pytest.fixture
def reviews(engine: Engine) -> ReviewLog:
    return ReviewLog(engine)
