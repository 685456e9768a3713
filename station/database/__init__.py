"""The station's one database: its tables, its opening, its migrations, and its transactions."""

from station.database.engine import checkpoint, open_database

__all__ = ["checkpoint", "open_database"]
