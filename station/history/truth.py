"""Verdicts counted inside the database, alone and against the truth."""

from sqlalchemy import Connection, case, func, select

from ml.confusion import ConfusionMatrix
from station.core.verdict import Verdict
from station.database.tables import inspections, reviews
from station.history.filters import HistoryFilter, conditions, counting_reviews
from station.history.records import TruthMatrix, TruthSource

Known = dict[tuple[Verdict, bool], int]
"""How many parts got which verdict and are anomalous or not."""


def count_verdicts(connection: Connection, wanted: HistoryFilter) -> dict[Verdict, int]:
    """How many parts got which verdict; those that none got are absent."""
    query = select(inspections.c.verdict, func.count()).where(*conditions(wanted)).group_by(inspections.c.verdict)
    return {Verdict(verdict): number for verdict, number in connection.execute(query)}


def count_against_truth(connection: Connection, wanted: HistoryFilter, source: TruthSource) -> TruthMatrix:
    """Verdicts against given or confirmed truth, of the parts that the filter lets through."""
    totals = count_verdicts(connection, wanted)
    known = _given(connection, wanted) if source == "given" else _confirmed(connection, wanted)
    fault = totals.pop(Verdict.FAULT, 0)
    return TruthMatrix(
        source=source,
        binary=_matrix(known, {Verdict.NG}),
        line=_matrix(known, {Verdict.NG, Verdict.UNSURE}),
        unsure=sum(number for (verdict, _), number in known.items() if verdict is Verdict.UNSURE),
        fault=fault,
        without_truth=sum(totals.values()) - sum(known.values()),
    )


def _given(connection: Connection, wanted: HistoryFilter) -> Known:
    # Grouped by the verdict alone, which an index has in order: grouping by both would sort every row.
    query = (
        select(
            inspections.c.verdict,
            func.count().filter(inspections.c.given_truth == "normal"),
            func.count().filter(inspections.c.given_truth == "anomaly"),
        )
        .where(*conditions(wanted), inspections.c.verdict != Verdict.FAULT)
        .group_by(inspections.c.verdict)
    )
    known: Known = {}
    for verdict, normal, anomaly in connection.execute(query):
        known[Verdict(verdict), False] = normal
        known[Verdict(verdict), True] = anomaly
    return known


def _confirmed(connection: Connection, wanted: HistoryFilter) -> Known:
    is_anomaly = case(
        (reviews.c.finding == "escape", 1),
        (reviews.c.finding == "false_call", 0),
        (inspections.c.verdict == Verdict.NG, 1),
        else_=0,
    )
    query = (
        select(inspections.c.verdict, is_anomaly, func.count())
        .select_from(reviews.join(inspections))
        .where(reviews.c.sequence.in_(counting_reviews()), *conditions(wanted))
        .where(inspections.c.verdict != Verdict.FAULT)
        # "Confirmed" says of an UNSURE part only that it is hard to tell.
        .where((inspections.c.verdict != Verdict.UNSURE) | (reviews.c.finding != "confirmed"))
        .group_by(inspections.c.verdict, is_anomaly)
    )
    return {(Verdict(verdict), bool(anomaly)): number for verdict, anomaly, number in connection.execute(query)}


def _matrix(known: Known, rejected: set[Verdict]) -> ConfusionMatrix:
    counts = {(anomaly, called): 0 for anomaly in (False, True) for called in (False, True)}
    for (verdict, anomaly), number in known.items():
        counts[anomaly, verdict in rejected] += number
    return ConfusionMatrix(
        tn=counts[False, False], fp=counts[False, True], fn=counts[True, False], tp=counts[True, True]
    )
