"""The cells as a table: a row per data set and method, the mean over its seeds, the best of each data set marked.

No torch.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml.comparison.measures import MEASURES, Figure, Measure, figure_of
from ml.comparison.records import DoneCell, FailedCell
from ml.comparison.run import Cell


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one data set, `method` being its `CellJob.variant`.

    `best`: the keys of the measures in which no other method shows a better figure.
    """

    data_set: str
    method: str
    done: tuple[tuple[int, DoneCell], ...]
    failed: tuple[tuple[int, FailedCell], ...]
    figures: Mapping[str, Figure | None]
    best: frozenset[str]

    @property
    def first(self) -> DoneCell | None:
        """What pictures and curves are shown of: the finished cell of the lowest seed."""
        return self.done[0][1] if self.done else None

    @property
    def training(self) -> str:
        """What was trained beside what the method's authors train, in one line; empty where nothing was."""
        if self.first is None:
            return ""
        here = self.first.trained or self.first.network_input
        return f"Trained here: {here}." + (f" Published: {self.first.published}." if self.first.published else "")

    @property
    def note(self) -> str:
        """What failed, and test pictures that could not be judged, in one line; empty where there is neither."""
        return ". ".join(filter(None, (self._failures, self._faults)))

    @property
    def _failures(self) -> str:
        if not self.failed:
            return ""
        return f"failed ({_seeds(seed for seed, _ in self.failed)}): {self.failed[0][1].message}"

    @property
    def _faults(self) -> str:
        faulty = {seed: list(cell.report["fault_pictures"]) for seed, cell in self.done if cell.report["faults"]}
        if not faulty:
            return ""
        names = max(faulty.values(), key=len)
        return f"{len(names)} test picture(s) are FAULT and in no figure ({_seeds(faulty)}; the first is {names[0]})"

    def to_json(self) -> dict[str, Any]:
        return {
            "data_set": self.data_set,
            "method": self.method,
            "seeds": [seed for seed, _ in self.done],
            "failed_seeds": [seed for seed, _ in self.failed],
            **{
                key: None if figure is None else {"mean": figure.mean, "spread": figure.spread}
                for key, figure in self.figures.items()
            },
            "best_in": sorted(self.best),
        }


def table_of(cells: Sequence[Cell]) -> list[Row]:
    """Rows in the order in which data sets and methods first come."""
    names = dict.fromkeys(cell.job.data_set for cell in cells)
    return [row for name in names for row in _of_data_set(name, [cell for cell in cells if cell.job.data_set == name])]


def markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown, a section per data set."""
    return "\n".join(_lines(rows)) + "\n"


def _of_data_set(name: str, cells: Sequence[Cell]) -> list[Row]:
    by_method = {cell.job.variant: [each for each in cells if each.job.variant == cell.job.variant] for cell in cells}
    done = {
        method: [(cell.job.seed, cell.outcome) for cell in its if isinstance(cell.outcome, DoneCell)]
        for method, its in by_method.items()
    }
    figures = {
        method: {measure.key: figure_of(measure, [cell for _, cell in its]) for measure in MEASURES}
        for method, its in done.items()
    }
    best = {measure.key: _best(measure, [its[measure.key] for its in figures.values()]) for measure in MEASURES}
    return [
        Row(
            data_set=name,
            method=method,
            done=tuple(done[method]),
            failed=tuple((cell.job.seed, cell.outcome) for cell in its if isinstance(cell.outcome, FailedCell)),
            figures=figures[method],
            best=frozenset(
                key for key, figure in figures[method].items() if figure is not None and figure.shown == best[key]
            ),
        )
        for method, its in by_method.items()
    ]


def _best(measure: Measure, figures: Sequence[Figure | None]) -> str | None:
    """The best figure as it is shown: what looks the same is equally good. None where there is nothing to compare."""
    there = [figure for figure in figures if figure is not None]
    if len(there) < 2:
        return None
    choose = max if measure.better == "high" else min
    return choose(there, key=lambda figure: figure.mean).shown


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    yield "# Comparison"
    for name in dict.fromkeys(row.data_set for row in rows):
        yield f"\n## {_plain(name)}\n"
        titles = [f"{measure.title}, {measure.unit}" if measure.unit else measure.title for measure in MEASURES]
        yield f"| method | {' | '.join(titles)} |"
        yield f"|---|{'---:|' * len(titles)}"
        of_data_set = [row for row in rows if row.data_set == name]
        for row in of_data_set:
            yield f"| {_plain(row.method)} | {' | '.join(_cell(row, measure) for measure in MEASURES)} |"
        for row in of_data_set:
            for text in filter(None, (row.training, row.note)):
                yield f"\n{_plain(row.method)}: {_plain(text)}"
    yield (
        "\nMean, and after ± the standard deviation over the seeds; **bold**: the best of the data set. F1 is taken at "
        "the model's own threshold, F1-max at the best one for these labels (an oracle). Times and memory are of one "
        "machine."
    )


def _seeds(seeds: Iterable[int]) -> str:
    each = [str(seed) for seed in seeds]
    return f"seed {each[0]}" if len(each) == 1 else f"seeds {', '.join(each)}"


def _cell(row: Row, measure: Measure) -> str:
    figure = row.figures[measure.key]
    if figure is None:
        return "-" if row.done else "failed"
    text = " ".join(filter(None, (figure.shown, figure.shown_spread)))
    return f"**{text}**" if measure.key in row.best else text


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))
