"""A training job on top of a model (`TrainingJob.base`): what it takes over from that model and may not change.

No torch: the command line and the wizard say what is wrong with such a job before anything is read or imported.
"""

from collections.abc import Collection
from typing import Any

from ml.artifact import Manifest, PictureReference
from ml.catalogue import parse_settings
from ml.errors import ParameterError, TrainingError
from ml.job import TrainingJob
from ml.map_filter import MAP_FILTER


def with_base(job: TrainingJob, base: Manifest, given: Collection[str] = ()) -> TrainingJob:
    """The job with all that it keeps of its base filled in: method, settings, geometry, region, area and searches.

    What a job leaves at its default is the base's. `given` names fields that were asked for even so, with options of
    the command line. Raises ParameterError naming the first field that says otherwise than the base.
    """
    if job.base is not None and job.out.resolve() == job.base.resolve():
        raise ParameterError(
            f"out: {job.out} is the model that is fine-tuned, and a model file is never changed. Give the new one a "
            "name of its own."
        )
    kept = _kept(base)
    filled: dict[str, Any] = {}
    for field, value in kept.items():
        wanted = getattr(job, field)
        is_asked_for = field in given or wanted != TrainingJob.model_fields[field].get_default(
            call_default_factory=True
        )
        if field == "parameters":
            wanted = _differing(base, wanted)
            is_asked_for = bool(wanted)
        if is_asked_for and wanted != value:
            own = {key: value[key] for key in wanted} if field == "parameters" else value
            raise ParameterError(
                f"{field}: a fine-tuned model keeps that of its base '{base.name}' ({_in_words(own)}), and "
                f"{_in_words(wanted)} was asked for. Leave it out, or train a new model."
            )
        filled[field] = value
    if job.augment is not None:
        raise ParameterError(
            "augment: pictures are generated when a model is first trained. Leave it out, or train a new model."
        )
    return job.model_copy(update=filled)


def refuse_another_recipe(pictures: PictureReference, base: Manifest, where: object) -> None:
    """Raises TrainingError where `pictures` in the place `where` look otherwise than those that the base knows."""
    known = base.reference
    found, wanted = _look(pictures), _look(known)
    first = 0 if known.has_one_size else 1
    if found[first:] != wanted[first:]:
        raise TrainingError(
            f"{where}: the pictures are {', '.join(found)}, and the model '{base.name}' was trained on pictures that "
            f"are {', '.join(wanted)}. It is a model of another recipe: choose the one of this part and camera, or "
            "train a new model."
        )


def _kept(base: Manifest) -> dict[str, Any]:
    """By field of a job, what a model that goes on from the base keeps."""
    preprocessing = base.preprocessing
    in_patches = preprocessing.geometry == "patches"
    is_square = preprocessing.input_height == preprocessing.input_width
    kernel = base.tensors.get(MAP_FILTER)
    return {
        "method": base.method,
        "parameters": base.parameters,
        "size": preprocessing.input_width if is_square and not in_patches else None,
        "patch": preprocessing.input_width if in_patches and not preprocessing.margin else None,
        "stride": None if preprocessing.margin else preprocessing.stride,
        "tiles": preprocessing.margin > 0,
        "window": (preprocessing.window_low, preprocessing.window_high),
        "region": preprocessing.region_of_interest,
        "area": preprocessing.area,
        "parts": preprocessing.parts,
        "clahe": preprocessing.clahe,
        "ring": preprocessing.ring,
        "weights": None,
        "conv_processing": None if kernel is None else kernel.shape[0],
    }


def _differing(base: Manifest, wanted: dict[str, Any]) -> dict[str, Any]:
    """Those settings, as typed or stored, that are not the base's. Raises ParameterError for what is no setting."""
    own = parse_settings(base.method, base.parameters)
    parsed = parse_settings(base.method, {**base.parameters, **wanted})
    return {key: value for key, value in wanted.items() if getattr(parsed, key) != getattr(own, key)}


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={one}" for key, one in value.items()) or "none"
    return "none" if value is None else str(value)


def _look(reference: PictureReference) -> tuple[str, str, str]:
    size = f"{reference.width_px} x {reference.height_px} px" if reference.has_one_size else "of several sizes"
    return size, "grey" if reference.is_grey else "in colour", "8 bits deep" if reference.bit_depth <= 8 else "deeper"
