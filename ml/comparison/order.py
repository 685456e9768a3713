"""What shall be compared, read from what a person typed and checked before any work. No torch."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml.calibration import assign_groups
from ml.catalogue import METHODS, did_you_mean, method, needs_defects, parse_settings
from ml.comparison.records import MAP_FILTER, CellJob
from ml.dataset import read_good, read_tests
from ml.errors import ParameterError
from ml.generation.catalogue import GENERATORS
from ml.job import TrainingJob
from ml.picture_list import is_picture_list
from ml.pictures import list_pictures
from ml.training.augmentation import check_augmentation

ALL_METHODS = "all"
EXTRAS = (*(name for name, info in GENERATORS.items() if info.makes == "good"), MAP_FILTER)
"""What may stand behind a method and a plus."""
MAP_FILTER_SIDE = 5
_MODEL = Path("model.loupe")
"""Stands in for the model's file, which each cell gets in a folder of its own."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """An MVTec layout or a list of pictures; `group_by` finds the part in the name of a training picture."""

    name: str
    folder: Path
    group_by: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every method on every data set, for the seeds 0 to `seeds` - 1.

    `methods` may be variants, see `methods_named`; a variant has the settings of its method and of its generator.
    `fields` are those of `TrainingJob` that all cells share (preset, size, ...), `settings` a method's own by its name.
    """

    data_sets: tuple[DataSet, ...]
    methods: tuple[str, ...]
    seeds: int = 1
    fields: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    template_dir: Path | None = None

    def jobs(self) -> list[CellJob]:
        """Every cell. The first seed of all comes first: a comparison that is stopped leaves a whole table.

        Raises ParameterError for settings that do not go together.
        """
        return [
            CellJob(
                data_set=data_set.name,
                training=self._training(data_set, method_name, seed),
                template_dir=self.template_dir,
            )
            for seed in range(self.seeds)
            for data_set in self.data_sets
            for method_name in self.methods
        ]

    def check(self) -> None:
        """Raises what the cells would raise for settings, patterns and folders: TrainingError, ParameterError, or
        PictureError for templates that are no folder."""
        if self.template_dir is not None:
            list_pictures(self.template_dir)
        for job in self.jobs():
            check_augmentation(job.training.augment)
            preset = method(job.method).presets[job.training.preset]
            if needs_defects(parse_settings(job.method, {**preset.settings, **job.training.parameters})):
                raise ParameterError(
                    f"{job.method} with these settings learns from pictures of defective parts, which a comparison "
                    "does not hand out. Train it by itself (loupe train --defects DIR) or change the settings."
                )
        for data_set in self.data_sets:
            read_tests(data_set.folder)
            _, good = read_good(data_set.folder)
            assign_groups([picture.name for picture in good if picture.part is None], data_set.group_by)

    def _training(self, data_set: DataSet, variant: str, seed: int) -> TrainingJob:
        method_name, *extras = variant.split("+")
        generators = [extra for extra in extras if extra != MAP_FILTER]
        fields = {
            **self.fields,
            "data": data_set.folder,
            "out": _MODEL,
            "method": method_name,
            "parameters": dict(self.settings.get(method_name, {})),
            "augment": next(({"generator": g, "settings": dict(self.settings.get(g, {}))} for g in generators), None),
            "conv_processing": MAP_FILTER_SIDE if MAP_FILTER in extras else None,
            "group_by": data_set.group_by,
            "seed": seed,
        }
        return TrainingJob.checked(fields, "--")


def data_sets(folders: Sequence[Path], group_by: Sequence[str] = ()) -> tuple[DataSet, ...]:
    """The folders by their names; `group_by` holds patterns, `REGEX` for all of them or `NAME=REGEX` for one.

    Raises ParameterError when two folders have one name, or a pattern is given twice for one data set.
    """
    named: dict[str, Path] = {}
    for folder in folders:
        absolute = Path(os.path.abspath(folder))  # not resolved: a link may give a folder another name  # noqa: PTH100
        name = absolute.stem if is_picture_list(absolute) else absolute.name
        before = named.setdefault(name, absolute)
        if before != absolute:
            raise ParameterError(
                f"{before} and {absolute} have the same name, and the report could not tell them apart. Rename one of "
                "them, or give a link of another name."
            )
    patterns = _patterns(group_by, named)
    return tuple(DataSet(name, folder, patterns.get(name)) for name, folder in named.items())


def methods_named(names: str, augment: str | None = None) -> tuple[str, ...]:
    """`"a,b+extra"`, or `"all"`, as names in the order given.

    An extra makes a variant of a method: a generator of good pictures, whose pictures are learnt from too, or
    `conv_processing`, a learned map filter. With the generator `augment` each method without one is followed by
    its variant with it. Raises ParameterError for no method, an unknown one, and an extra that there is not.
    """
    if names.strip() == ALL_METHODS:
        chosen = list(METHODS)
    else:
        chosen = [_variant(name) for name in names.split(",") if name.strip()]
    if not chosen:
        raise ParameterError(f"--methods names no method; known: {', '.join(METHODS)}, or {ALL_METHODS}")
    twins = {name: name if augment is None else _with_generator(name, augment) for name in chosen}
    return tuple(dict.fromkeys(each for name in chosen for each in (name, twins[name])))


def _variant(typed: str) -> str:
    """In one way of writing: the method, its generator, the map filter."""
    name, *typed_extras = (word.strip() for word in typed.split("+"))
    extras = list(dict.fromkeys(typed_extras))
    for extra in extras:
        if extra not in EXTRAS:
            raise ParameterError(
                f"--methods {typed.strip()}: there is no extra '{extra}'{did_you_mean(extra, dict.fromkeys(EXTRAS))}; "
                f"known: {', '.join(EXTRAS)}"
            )
    generators = [extra for extra in extras if extra != MAP_FILTER]
    if len(generators) > 1:
        raise ParameterError(f"--methods {typed.strip()}: one generator at a time; write two variants.")
    return "+".join([method(name).name, *generators, *([MAP_FILTER] if MAP_FILTER in extras else [])])


def _with_generator(variant: str, generator: str) -> str:
    """The variant's twin; itself where it has a generator already."""
    has_one = any(extra in GENERATORS for extra in variant.split("+"))
    return variant if has_one else _variant(f"{variant}+{generator}")


def settings_by_method(assignments: Sequence[str], methods: Sequence[str]) -> dict[str, dict[str, str]]:
    """`["method.key=value", ...]` by method; generators of variants have settings alike.

    Raises ParameterError, also for a method that is not compared.
    """
    found: dict[str, dict[str, str]] = {}
    known = {name for variant in methods for name in variant.split("+")} - {MAP_FILTER}
    for assignment in assignments:
        target, is_assigned, value = assignment.partition("=")
        name, is_dotted, key = target.partition(".")
        if not (is_assigned and is_dotted and name.strip() and key.strip()):
            raise ParameterError(f"--set {assignment}: write it as method.key=value.")
        if name.strip() not in known:
            raise ParameterError(
                f"--set {assignment}: '{name.strip()}' is not compared; --methods: {','.join(methods)}"
            )
        found.setdefault(name.strip(), {})[key.strip()] = value.strip()
    return found


def _patterns(group_by: Sequence[str], names: Mapping[str, Path]) -> dict[str, str]:
    """By data set. Only the name of a data set before `=` is one: `(?=...)` is part of a regular expression."""
    patterns: dict[str, str] = {}
    for pattern in group_by:
        name, separator, rest = pattern.partition("=")
        own = {name: rest} if separator and name in names else dict.fromkeys(names, pattern)
        if twice := sorted(patterns.keys() & own.keys()):
            raise ParameterError(f"--group-by is given twice for '{twice[0]}'. Drop one of them.")
        patterns |= own
    return patterns
