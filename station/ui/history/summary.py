"""What the filter's parts add up to: counts by verdict, and the matrix. No Qt."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from station.core.verdict import Verdict
from station.history.filters import HistoryFilter
from station.history.reader import HistoryReader
from station.history.records import TruthMatrix, TruthSource


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts are of all parts that the filter lets through, not only of those loaded into the table."""

    counts: Mapping[Verdict, int]
    matrix: TruthMatrix

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def summarise(reader: HistoryReader, wanted: HistoryFilter, truth: TruthSource) -> Summary:
    """Raises StorageError."""
    asked = wanted.verdicts or frozenset(Verdict)
    counts = {
        verdict: reader.count(replace(wanted, verdicts=frozenset({verdict}))) if verdict in asked else 0
        for verdict in Verdict
    }
    return Summary(counts, reader.matrix(wanted, truth))
