"""The comparison as one HTML page that needs nothing else: style, charts and pictures lie in it. No torch.

The page may be read by whoever opens the file: every name is escaped, and its content security policy lets it load
nothing.
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import fmean
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ml.catalogue import METHODS
from ml.comparison import charts
from ml.comparison.charts import Histogram
from ml.comparison.machine import Machine
from ml.comparison.measures import COST, MEASURES, QUALITY, Figure, Measure
from ml.comparison.records import MAP_FILTER, CellJob, CellRecord, DoneCell
from ml.comparison.run import Cell
from ml.comparison.table import Row, table_of
from ml.generation.catalogue import GENERATORS
from ml.maps import HEAT_RANGE, heat_rgba
from resources import resource_path

GIBIBYTE = 2**30
OVERVIEWS = ("image_auroc", "f1")
"""Measures over all data sets at the top of the page: how well a method ranks, and what it reaches by itself."""

COLOURS = (
    "#1668dc", "#d9742b", "#0f8a5f", "#b23a8e", "#6d55d8", "#c23b3b", "#0b8fa8", "#8c6d1f", "#5b6470", "#c99700",
)  # fmt: skip
DASHES = ("", "7 3", "2 3")
"""One for each round through the colours."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a method is drawn in every chart."""

    colour: str
    dash: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A method's ROC curves, one per seed, as points of a polyline; where its threshold lies is of the first seed."""

    title: str
    style: Style
    seeds: tuple[str, ...]
    operating: tuple[float, float] | None
    auroc: Figure | None


@dataclass(frozen=True, slots=True)
class Card:
    """One method on one data set in detail; `cell` is None where no seed was finished."""

    title: str
    style: Style
    row: Row
    seed: int | None
    cell: DoneCell | None
    histogram: Histogram | None
    settings: str


@dataclass(frozen=True, slots=True)
class Section:
    """One data set."""

    name: str
    anchor: str
    headline: str
    facts: str
    rows: tuple[tuple[str, Style, Row], ...]
    curves: tuple[Curve, ...]
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """A method's figures of one measure by data set (None where there is none, True for the best of the set), and
    their mean where none is missing.
    """

    title: str
    style: Style
    figures: tuple[tuple[Figure | None, bool], ...]
    mean: str


@dataclass(frozen=True, slots=True)
class Overview:
    """One measure over all methods and data sets."""

    measure: Measure
    standings: tuple[Standing, ...]


def page(cells: Sequence[Cell]) -> str:
    """The HTML document."""
    environment = Environment(
        loader=FileSystemLoader(resource_path("report")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = Markup(resource_path("report/page.css").read_text(encoding="utf-8"))  # our own file
    return environment.get_template("page.html").render(css=css, **_content(cells))


def results(cells: Sequence[Cell]) -> dict[str, Any]:
    """Everything that was found, for scripts; the pictures of the report are left out."""
    shown = {"lowest_defects", "highest_good"}
    return {
        "version": 1,
        "loupe": version("loupe"),
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "measures": [
            {"key": each.key, "title": each.title, "unit": each.unit, "better": each.better, "is": each.explanation}
            for each in MEASURES
        ],
        "table": [row.to_json() for row in table_of(cells)],
        "cells": [
            CellRecord(key=cell.key, job=cell.job, outcome=cell.outcome).model_dump(
                mode="json", exclude={"outcome": shown} if isinstance(cell.outcome, DoneCell) else None
            )
            for cell in cells
        ],
    }


def _content(cells: Sequence[Cell]) -> dict[str, Any]:
    rows = table_of(cells)
    methods = list(dict.fromkeys(row.method for row in rows))
    styles = {
        name: Style(COLOURS[place % len(COLOURS)], DASHES[place // len(COLOURS) % len(DASHES)])
        for place, name in enumerate(methods)
    }
    names = list(dict.fromkeys(row.data_set for row in rows))
    seeds = {cell.job.seed for cell in cells}
    return {
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "loupe": version("loupe"),
        "host": platform.node(),
        "order": _order(cells),
        "seeds": len(seeds),
        "failed": sum(cell.outcome.status == "failed" for cell in cells),
        "sections": [
            _section(number, name, [row for row in rows if row.data_set == name], styles, cells)
            for number, name in enumerate(names)
        ],
        "methods": len(methods),
        "overviews": [_overview(measure, rows, styles) for measure in QUALITY if measure.key in OVERVIEWS],
        "machines": [_machine(each) for each in _machines(rows)],
        "quality": QUALITY,
        "cost": COST,
        "heat": _heat_stops(),
        "roc_side": charts.ROC_SIDE,
        "histogram_size": (charts.HISTOGRAM_WIDTH, charts.HISTOGRAM_HEIGHT),
    }


def _title(variant: str) -> str:
    """For people, as `CellJob.variant` is for scripts: `PatchCore + Appearance`."""
    titles = {name: info.title for name, info in METHODS.items()} | {MAP_FILTER: "map filter"}
    titles |= {name: info.title for name, info in GENERATORS.items()}
    return " + ".join(titles.get(name, name) for name in variant.split("+"))


def _section(
    number: int, name: str, rows: Sequence[Row], styles: Mapping[str, Style], cells: Sequence[Cell]
) -> Section:
    jobs = {cell.job.variant: cell.job for cell in cells if cell.job.data_set == name}
    return Section(
        name=name,
        anchor=f"set-{number + 1}",
        headline=_headline(rows),
        facts=_facts(rows),
        rows=tuple((_title(row.method), styles[row.method], row) for row in rows),
        curves=tuple(curve for row in rows if (curve := _curve(row, styles[row.method])) is not None),
        cards=tuple(_card(row, styles[row.method], jobs[row.method]) for row in rows),
    )


def _headline(rows: Sequence[Row]) -> str:
    """For whoever reads one sentence only."""
    ranked = [(figure.mean, row) for row in rows if (figure := row.figures["image_auroc"]) is not None]
    if not ranked:
        return "No method could be ranked here."
    _, row = max(ranked, key=lambda each: each[0])
    figure, cell = row.figures["image_auroc"], row.first
    if figure is None or cell is None:
        return ""
    matrix = cell.matrix
    return (
        f"{_title(row.method)} separates good from defective best (image AUROC {figure.shown}). At its own threshold "
        f"it found {matrix.tp} of {matrix.fn + matrix.tp} defective pictures and called {matrix.fp} of "
        f"{matrix.tn + matrix.fp} good ones NG."
    )


def _facts(rows: Sequence[Row]) -> str:
    cell = next((row.first for row in rows if row.first is not None), None)
    if cell is None:
        return "Nothing was measured."
    matrix, without = cell.matrix, cell.report["without_mask"]
    masks = f"; {without} defective without a mask, left out of pixel figures" if without else ""
    return (
        f"{cell.training_pictures} good pictures to train on; tested on {matrix.tn + matrix.fp} good and "
        f"{matrix.fn + matrix.tp} defective ones{masks}."
    )


def _curve(row: Row, style: Style) -> Curve | None:
    seeds = tuple(points for _, cell in row.done if (points := charts.roc_points(cell.pictures)) is not None)
    if not seeds or row.first is None:
        return None
    operating = charts.operating_point(row.first.pictures)
    return Curve(_title(row.method), style, seeds, operating, row.figures["image_auroc"])


def _card(row: Row, style: Style, job: CellJob) -> Card:
    cell = row.first
    return Card(
        title=_title(row.method),
        style=style,
        row=row,
        seed=row.done[0][0] if row.done else None,
        cell=cell,
        histogram=None if cell is None else charts.histogram(cell.pictures, cell.threshold.low_normalised),
        settings=_settings(job),
    )


def _settings(job: CellJob) -> str:
    """What was set beyond the preset, and how many generated pictures were learnt from."""
    words = [f"{key}={value}" for key, value in job.training.parameters.items()]
    augment = job.training.augment
    if augment is not None:
        words.append(f"{augment.count} pictures generated by {augment.generator}")
        words += [f"{augment.generator}.{key}={value}" for key, value in augment.settings.items()]
    return ", ".join(words)


def _overview(measure: Measure, rows: Sequence[Row], styles: Mapping[str, Style]) -> Overview:
    of_method = {name: [row for row in rows if row.method == name] for name in styles}
    return Overview(measure, tuple(_standing(measure, its, styles[name]) for name, its in of_method.items()))


def _standing(measure: Measure, rows: Sequence[Row], style: Style) -> Standing:
    """`rows` are those of one method, one for each data set."""
    figures = [row.figures[measure.key] for row in rows]
    there = [figure.mean for figure in figures if figure is not None]
    return Standing(
        title=_title(rows[0].method),
        style=style,
        figures=tuple((figure, measure.key in row.best) for figure, row in zip(figures, rows, strict=True)),
        mean=measure.shown(fmean(there)) if len(there) == len(figures) else "-",
    )


def _order(cells: Sequence[Cell]) -> str:
    """What all cells share, in words."""
    training = cells[0].job.training
    if training.patch is not None:
        size = f"patches of {training.patch} px at native resolution"
    else:
        size = f"whole pictures at {training.size} px" if training.size else "each method's own picture size"
    return f"Preset {training.preset}, {size}; accepted false-alarm rate {training.alpha * 100:g} %."


def _machines(rows: Sequence[Row]) -> list[Machine]:
    found: list[Machine] = []
    for row in rows:
        found += [cell.machine for _, cell in row.done if cell.machine not in found]
    return found


def _machine(machine: Machine) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_bytes / GIBIBYTE:.0f} GiB, {machine.system}. "
        f"{machine.device}. {versions}."
    )


def _heat_stops() -> list[list[int]]:
    """RGBA along the heat map's scale, 0 to 255, from its low end to its high one: what its legend is drawn with."""
    stops: list[list[int]] = heat_rgba(np.linspace(*HEAT_RANGE, 21)[np.newaxis])[0].tolist()
    return stops
