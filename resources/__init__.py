"""Data that ships with the station: theme, pictures, translations. Found through one function."""

from pathlib import Path


def resource_path(name: str) -> Path:
    """Path of the packaged file `name`, e.g. `theme/station.qss`. Raises FileNotFoundError naming it."""
    path = Path(__file__).parent / name
    if not path.exists():
        raise FileNotFoundError(f"the packaged file {name} is missing: install Loupe again")
    return path
