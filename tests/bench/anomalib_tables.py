"""The tables of the comparison with anomalib, in Markdown: ratios first, what they are made of beside them."""

import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
import psutil

from ml.image_metrics import auroc
from tests.bench.anomalib_cases import BANK_ROWS, FEATURES, SIZE_PX, STRIDES, Case
from tests.bench.side_process import Answer

OURS = ("torch", "torchvision", "timm", "onnxruntime")

COMPARED = (("torch", "torch"), ("openvino", "onnx"), ("openvino, float32", "onnx"))
"""anomalib's runtime with Loupe's."""


@dataclass(slots=True)
class Figures:
    """Of one program with one runtime in one case; seconds, in the order of the calls."""

    start_s: list[float] = field(default_factory=list)
    import_s: list[float] = field(default_factory=list)
    array_s: list[float] = field(default_factory=list)
    file_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """All of one case. `truths`: whether the pictures that the scores belong to show a defect."""

    case: Case
    has_published_weights: bool
    fits: Mapping[str, Answer]
    figures: Mapping[str, Figures]
    truths: Sequence[bool]

    @property
    def title(self) -> str:
        random = "" if self.has_published_weights else " (random weights)"
        return f"{self.case.data.name} | {self.case.method} | {self.case.backbone}{random}"

    def best(self, program: str, what: str) -> tuple[str, float]:
        """The program's runtime with the lowest median, and that median."""
        medians = {
            name: statistics.median(getattr(one, what))
            for name, one in self.figures.items()
            if name.startswith(program)
        }
        name = min(medians, key=medians.__getitem__)
        return name, medians[name]

    def ratio(self, theirs: str, ours: str, what: str) -> str:
        """Median over the rounds of their time over ours, both of one round."""
        if theirs not in self.figures or ours not in self.figures:
            return "-"
        pairs = zip(getattr(self.figures[theirs], what), getattr(self.figures[ours], what), strict=True)
        return f"{statistics.median(one / other for one, other in pairs):.1f}"


def tables(measured: Sequence[Measured], threads: int, theirs: Answer) -> str:
    """Everything as one Markdown text."""
    return "\n".join(
        [
            *_setting(threads, theirs),
            *_latency(measured, "array_s", "Decoded picture in memory to score and map"),
            *_latency(measured, "file_s", "Picture file to score and map"),
            *_fits(measured),
            *_resources(measured),
            *_accuracy(measured),
            *_refusals(measured),
        ]
    )


def _setting(threads: int, theirs: Answer) -> Iterator[str]:
    cores = psutil.cpu_count(logical=False) or 1
    memory = psutil.virtual_memory().total / 2**30
    yield f"{cores} cores, {memory:.0f} GiB, no GPU used; {threads} threads for each program."
    ours = ", ".join(f"{name} {version(name)}" for name in OURS)
    yield f"Python {platform.python_version()}. Loupe {version('loupe')} with {ours};"
    yield f"{', '.join(f'{name} {release}' for name, release in theirs.items())}."
    strides = " and ".join(map(str, STRIDES))
    yield (
        f"{SIZE_PX} px, strides {strides}; PatchCore with {BANK_ROWS} rows at most, PaDiM with {FEATURES} features. "
        f"Load of the machine at the end: {' '.join(f'{load:.1f}' for load in psutil.getloadavg())}."
    )


def _latency(measured: Sequence[Measured], what: str, title: str) -> Iterator[str]:
    names = list(dict.fromkeys(name for one in measured for name in one.figures))
    yield f"\n### {title}\n"
    yield "Medians in ms; ratios: anomalib's time over Loupe's, median over the rounds.\n"
    ratios_of = " | ".join(f"{theirs} / {ours}" for theirs, ours in COMPARED)
    yield f"| data | method | backbone | best / best | {ratios_of} | " + " | ".join(names) + " |"
    yield "|---|---|---|" + "---:|" * (1 + len(COMPARED) + len(names))
    for one in measured:
        best = one.ratio(one.best("anomalib", what)[0], one.best("loupe", what)[0], what)
        ratios = [one.ratio(f"anomalib {theirs}", f"loupe {ours}", what) for theirs, ours in COMPARED]
        cells = [
            f"{statistics.median(getattr(one.figures[name], what)) * 1000:.1f}" if name in one.figures else "-"
            for name in names
        ]
        yield f"| {one.title} | **{best}** | " + " | ".join(ratios + cells) + " |"


def _fits(measured: Sequence[Measured]) -> Iterator[str]:
    yield "\n### Training\n"
    yield "Ratios: anomalib over Loupe. Then seconds and MiB of both.\n"
    yield "| data | method | backbone | time | processor time | peak memory | loupe s | anomalib s | MiB | MiB |"
    yield "|---|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for one in measured:
        if one.case.native:  # they learn from other pictures there
            continue
        ours, theirs = one.fits["loupe"], one.fits["anomalib"]
        time, cpu, memory = (theirs[what] / ours[what] for what in ("seconds", "cpu_s", "bytes"))
        yield (
            f"| {one.title} | **{time:.1f}** | {cpu:.1f} | {memory:.1f} | {ours['seconds']:.0f} "
            f"| {theirs['seconds']:.0f} | {_mib(ours['bytes'])} | {_mib(theirs['bytes'])} |"
        )


def _resources(measured: Sequence[Measured]) -> Iterator[str]:
    yield "\n### Inspecting process: memory, import, first score, processor time\n"
    yield "Import: of what inspects. First score: from the start of the process to the score of one picture file.\n"
    yield "| data | method | backbone | program | peak MiB | import s | first score s | CPU ms per picture |"
    yield "|---|---|---|---|---:|---:|---:|---:|"
    for one in measured:
        for name, figures in one.figures.items():
            yield (
                f"| {one.title} | {name} | {_mib(figures.peak_bytes)} | {statistics.median(figures.import_s):.1f} "
                f"| {statistics.median(figures.start_s):.1f} | {statistics.median(figures.cpu_s) * 1000:.0f} |"
            )


def _accuracy(measured: Sequence[Measured]) -> Iterator[str]:
    with_weights = [one for one in measured if one.has_published_weights and not one.case.native]
    if not with_weights:
        return
    names = list(dict.fromkeys(name for one in with_weights for name in one.figures))
    yield "\n### Image AUROC on the test pictures\n"
    yield "| data | method | backbone | " + " | ".join(names) + " |"
    yield "|---|---|---|" + "---:|" * len(names)
    for one in with_weights:
        cells = [f"{_auroc(one, name):.3f}" if name in one.figures else "-" for name in names]
        yield f"| {one.title} | " + " | ".join(cells) + " |"


def _auroc(one: Measured, name: str) -> float:
    return auroc(np.array(one.truths), np.array(one.figures[name].scores))


def _refusals(measured: Sequence[Measured]) -> Iterator[str]:
    for one in measured:
        for program, fit in one.fits.items():
            for runtime, reason in fit["refused"].items():
                yield f"\nNot to be had, {one.case.key} with {program} {runtime}: {reason}"


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f}"
