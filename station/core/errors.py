"""The station's own foreseen failures. Their texts reach the screen as they are."""

from ml.errors import LoupeError


class StationError(LoupeError):
    """Root of the station's failures: the world failed, not the program."""


class CameraError(StationError):
    """No picture could be had from the source."""


class CameraExhaustedError(CameraError):
    """A finite source (folder, video file) has no further picture."""


class NoPartYetError(CameraError):
    """Nothing has come to the source within the time-out; the source itself is well, the next `grab` may have it."""


class StorageError(StationError):
    """The history could not be read or written."""


class SettingsError(StationError):
    """The settings file cannot be read or holds a bad value."""


class RecipeError(StationError):
    """A recipe that does not exist or does not fit its model."""
