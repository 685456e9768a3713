"""The station's one database: its tables, its opening, its migrations, and its transactions."""

from station.database.engine import open_database

__all__ = ["open_database"]
