"""Errors whose text is meant for a person: each says what went wrong, with which thing, and what to do."""


class LoupeError(Exception):
    """Root of every foreseen failure. Anything that is not a LoupeError is a bug of ours."""


class PictureError(LoupeError):
    """A picture file or pixel array that cannot be used."""


class PictureChangedError(PictureError):
    """A picture whose file is no longer the one that a list of pictures names by its hash."""


class PartNotFoundError(PictureError):
    """A picture in which the part is not where its search looks, or not whole."""


class WeightsError(LoupeError):
    """No usable weights for a backbone."""


class ParameterError(LoupeError):
    """An unknown method or setting, or a value outside its range."""


class ModelFileError(LoupeError):
    """A `.loupe` file that is missing, damaged, tampered with or from a newer version."""


class TrainingError(LoupeError):
    """Training cannot start or finish with the given data."""


class CalibrationError(LoupeError):
    """No threshold can be had from the given scores."""


class DetectorError(LoupeError):
    """A loaded model cannot score a picture on this device."""


class OutOfMemoryError(DetectorError):
    """What was asked for at once does not fit into the memory."""


class ComparisonError(LoupeError):
    """Methods cannot be compared with the given data sets or folder."""


class GenerationError(LoupeError):
    """Pictures cannot be generated with the given data or folder."""


class AnnotationError(LoupeError):
    """Annotations that cannot be read, stored, imported or exported."""


class ExportError(LoupeError):
    """A model that cannot be written in the wanted form."""


class CancelledError(LoupeError):
    """The user asked to stop; nothing was written."""


def first_line(error: Exception) -> str:
    """What an error of a library says first, for a text of ours; its kind where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)
