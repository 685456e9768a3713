"""The history: every inspection with its picture and map, every review, and the recipes and models behind them."""

from station.history.export import export_csv
from station.history.filters import HistoryFilter, ReviewState
from station.history.models import ModelShelf, ModelVersion
from station.history.reader import HistoryReader
from station.history.recipes import RecipeBook
from station.history.records import Counters, Finding, InspectionRow, Review, Role, TruthMatrix, TruthSource
from station.history.reviews import ReviewLog
from station.history.store import PictureStore
from station.history.writer import HistoryWriter

__all__ = [
    "Counters",
    "Finding",
    "HistoryFilter",
    "HistoryReader",
    "HistoryWriter",
    "InspectionRow",
    "ModelShelf",
    "ModelVersion",
    "PictureStore",
    "RecipeBook",
    "Review",
    "ReviewLog",
    "ReviewState",
    "Role",
    "TruthMatrix",
    "TruthSource",
    "export_csv",
]
