"""Which stored pictures must stay because something rests on them."""

from collections.abc import Iterable

from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects.sqlite import insert

from station.database.tables import pins
from station.database.transactions import reading, writing


class Snapshots:
    """Whoever thins out the picture store asks here first. Owners are `project:ID` and `model:HASH`.

    Every method raises StorageError.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def pin(self, owner: str, hashes: Iterable[str]) -> None:
        """Keep these contents as long as `owner` holds them; those that it holds already stay."""
        rows = [{"owner": owner, "content_hash": one} for one in dict.fromkeys(hashes)]
        if rows:
            with writing(self._engine) as connection:
                connection.execute(insert(pins).on_conflict_do_nothing(), rows)

    def release(self, owner: str) -> None:
        """Its contents may go, unless others hold them too."""
        with writing(self._engine) as connection:
            connection.execute(delete(pins).where(pins.c.owner == owner))

    def of(self, owner: str) -> frozenset[str]:
        with reading(self._engine) as connection:
            return frozenset(connection.execute(select(pins.c.content_hash).where(pins.c.owner == owner)).scalars())

    def is_pinned(self, content_hash: str) -> bool:
        with reading(self._engine) as connection:
            query = select(pins.c.owner).where(pins.c.content_hash == content_hash).limit(1)
            return connection.execute(query).first() is not None
