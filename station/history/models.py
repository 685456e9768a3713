"""The model files that the station may use, each under its hash."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, insert, select

from ml.artifact import Manifest, read_graph, read_manifest, read_model
from ml.errors import ModelFileError
from ml.files import write_atomically
from station.core.errors import StorageError
from station.database.tables import model_versions
from station.database.transactions import reading, writing


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One model on the shelf; `file` is its name in the models folder."""

    hash: str
    name: str
    method: str
    file: str
    added_at: datetime


class ModelShelf:
    """Model files never change: another threshold is another file with another hash."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder

    def add(self, path: Path) -> Manifest:
        """Check a model file whole, copy it to the shelf and register it; one that is there already stays, unless only
        this one has a graph.

        Raises ModelFileError naming what is wrong with the file, StorageError.
        """
        manifest = _verified(path)
        shelved = self._folder / f"{manifest.model_hash}.loupe"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not _is_sound(shelved) or (manifest.graph is not None and read_manifest(shelved).graph is None):
                write_atomically(shelved, path.read_bytes())
        except OSError as error:
            raise StorageError(
                f"{path}: the model cannot be copied to {self._folder} ({error.strerror}). Check the disk."
            ) from error
        self._register(manifest, shelved.name)
        return manifest

    def list(self) -> tuple[ModelVersion, ...]:
        """All models, the last added first. Raises StorageError."""
        table = model_versions.c
        query = select(table.hash, table.name, table.method, table.file, table.added_at).order_by(table.added_at.desc())
        with reading(self._engine) as connection:
            return tuple(ModelVersion(*row) for row in connection.execute(query))

    def find(self, start: str) -> str:
        """The hash that begins with `start`. Raises StorageError where none does, or several."""
        found = [model.hash for model in self.list() if model.hash.startswith(start.strip().lower())]
        if len(found) == 1:
            return found[0]
        if found:
            raise StorageError(f"{len(found)} models begin with {start!r}. Type more of the hash.")
        raise StorageError(f"No model of this station begins with {start!r}. `loupe models list` shows them.")

    def path(self, model_hash: str) -> Path:
        """Where the file lies. Raises StorageError when the model is not on the shelf or its file is gone."""
        query = select(model_versions.c.file).where(model_versions.c.hash == model_hash)
        with reading(self._engine) as connection:
            file: str | None = connection.execute(query).scalar_one_or_none()
        if file is None:
            raise StorageError(f"The model {model_hash} is not on this station. Add its .loupe file in Training.")
        path = self._folder / file
        if not path.is_file():
            raise StorageError(
                f"The model file {path} is gone. Put it back from a back-up, or add it again in Training."
            )
        return path

    def manifest(self, model_hash: str) -> Manifest:
        """What the model says about itself. Raises StorageError like `path`, ModelFileError."""
        return read_manifest(self.path(model_hash))

    def _register(self, manifest: Manifest, file: str) -> None:
        row = {
            "hash": manifest.model_hash,
            "name": manifest.name,
            "method": manifest.method,
            "manifest": manifest.model_dump(mode="json"),
            "file": file,
            "added_at": datetime.now(UTC),
        }
        with writing(self._engine) as connection:
            known = select(model_versions.c.hash).where(model_versions.c.hash == manifest.model_hash)
            if connection.execute(known).first() is None:
                connection.execute(insert(model_versions), row)


def _verified(path: Path) -> Manifest:
    """Every part against its hash, the graph too, which `read_model` leaves unread. Raises ModelFileError."""
    read_model(path)
    manifest, _, _ = read_graph(path)
    return manifest


def _is_sound(path: Path) -> bool:
    """A shelved file that a failing disk has damaged is written anew."""
    try:
        _verified(path)
    except ModelFileError:
        return False
    return True
