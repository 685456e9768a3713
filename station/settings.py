"""The station's settings: one versioned file. What decides a verdict is in recipe and model, not here."""

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ml.files import write_atomically
from station.core.errors import SettingsError

SETTINGS_VERSION: Literal[1] = 1


class Settings(BaseModel):
    """How this station is set up. Change with `model_copy` and `save`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = SETTINGS_VERSION
    theme: Literal["dark", "light"] = "dark"
    language: str = Field(default="", max_length=20)  # empty: the system's
    source: str = Field(default="demo", min_length=1)
    active_recipe: str | None = None
    operator: str = Field(default="local", min_length=1, max_length=80)
    approval_required: bool = False  # a second person approves a model before it is deployed
    show_heat: bool = True
    heat_opacity: float = Field(default=0.6, ge=0, le=1)
    continuous_interval_s: float = Field(default=0.5, ge=0, le=3600)
    disk_warn_gb: float = Field(default=5.0, ge=0)
    disk_stop_gb: float = Field(default=1.0, ge=0)
    runtime: Literal["auto", "onnx", "torch"] = "auto"
    torch_threads: int | None = Field(default=None, ge=1, le=256)  # of either runtime, chosen by the user
    probed_threads: int | None = Field(default=None, ge=1, le=256)  # found fastest by `loupe doctor`

    @model_validator(mode="after")
    def _warned_before_stopped(self) -> Self:
        if self.disk_warn_gb < self.disk_stop_gb:
            raise ValueError("disk_warn_gb must not be below disk_stop_gb: the warning comes before the stop")
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file; defaults where there is none yet. Never falls back to defaults for a file that is there.

        Raises SettingsError naming the file, the field and what it may be, and the last good copy if there is one.
        """
        if not path.exists() and not backup_path(path).exists():
            return cls()
        return cls._parsed(path, _way_out(path))

    @classmethod
    def restore(cls, path: Path) -> Self:
        """Put the last good copy in the place of a settings file that cannot be used. Raises SettingsError."""
        settings = cls._parsed(backup_path(path), "Remove both files to start with the defaults.")
        settings.save(path)
        return settings

    def save(self, path: Path) -> None:
        """Write atomically, and a copy beside it as the last good state. Raises SettingsError.

        A file that could not be read is kept under the suffix `.bad`.
        """
        data = (self.model_dump_json(indent=2) + "\n").encode()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not self._is_readable(path):
                path.replace(path.with_name(path.name + ".bad"))
            write_atomically(path, data)
            write_atomically(backup_path(path), data)
        except OSError as error:
            raise SettingsError(
                f"{path}: the settings cannot be saved ({error.strerror}). Check the disk and the folder's rights."
            ) from error

    @classmethod
    def _is_readable(cls, path: Path) -> bool:
        try:
            cls._parsed(path, "")
        except SettingsError:
            return False
        return True

    @classmethod
    def _parsed(cls, path: Path, way_out: str) -> Self:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"{path}: the settings cannot be read ({error.strerror}). {way_out}") from error
        except ValueError as error:
            raise SettingsError(f"{path}: this is not a settings file ({error}). {way_out}") from error
        version = document.get("version", SETTINGS_VERSION) if isinstance(document, dict) else SETTINGS_VERSION
        if isinstance(version, int) and version > SETTINGS_VERSION:
            raise SettingsError(
                f"{path}: written by a newer Loupe (settings version {version}; this one reads {SETTINGS_VERSION}). "
                "Install that newer Loupe again, or move the file away to start with the defaults."
            )
        try:
            return cls.model_validate_json(json.dumps(document))
        except ValidationError as error:
            raise SettingsError(f"{path}: {_first_problem(error)}. {way_out}") from error


def backup_path(path: Path) -> Path:
    """Where the last good copy of a settings file lies."""
    return path.with_name(path.name + ".bak")


def _way_out(path: Path) -> str:
    backup = backup_path(path)
    if backup.exists():
        return f"Correct the file, or put the last good copy {backup} in its place."
    return "Correct the file, or move it away to start with the defaults."


def _first_problem(error: ValidationError) -> str:
    """`theme: Input should be 'dark' or 'light', not 'blue'`."""
    first: Any = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        text = f"there is no such setting; known are {', '.join(Settings.model_fields)}"
    elif field:
        text = f"{text}, not {first['input']!r}"
    return f"{field}: {text}" if field else text
