"""`loupe recommend`: which method to begin with on these pictures, and why. Imports no torch."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from ml.catalogue import METHODS
from ml.recommendation import Recommendation, recommend
from station.commands.terminal import progress_bar, say

PLACEMENT = {
    "aligned": "the parts lie in the same place",
    "moved": "the parts lie in different places or turned",
    "texture": "the pictures have no common shape",
    "unknown": "too few pictures to tell how the parts lie",
}


def recommend_for(data: Path, defects: Path | None, has_weights: bool, console: Console) -> Recommendation:
    """Look at the good pictures of `data`. Raises LoupeError."""
    with progress_bar(console) as progress:
        return recommend(data, defects, has_weights, progress)


def recommendation_document(found: Recommendation, data: Path, defects: Path | None) -> dict[str, Any]:
    """For a script: everything, and the command that follows the advice."""
    return {**asdict(found), "command": train_command(found, data, defects)}


def print_recommendation(found: Recommendation, data: Path, defects: Path | None, console: Console) -> None:
    info = METHODS[found.method]
    say(console, f"{info.title} (--method {info.name})", "bold")
    say(console, found.reason)
    alignment = found.alignment
    words = f"{found.pictures} good picture{'' if found.pictures == 1 else 's'}; {PLACEMENT[alignment.placement]}"
    if alignment.placement != "unknown":
        words += f" (edges agree {alignment.in_place:.2f} as they lie, {alignment.best:.2f} moved to fit)"
    say(console, f"{words}.", "dim")
    for other in found.alternatives:
        say(console, f"or {METHODS[other.method].title} (--method {other.method}): {other.reason}")
    for remark in found.remarks:
        say(console, remark)
    say(console, "Train two or three candidates and compare them: loupe compare.")
    say(console, train_command(found, data, defects), "bold")


def train_command(found: Recommendation, data: Path, defects: Path | None) -> str:
    """What to type to follow the advice; `defects` are named where the method learns from them."""
    settings = "".join(f" --set {key}={str(value).lower()}" for key, value in found.settings.items())
    look = f" --patch {found.patch}" if found.patch else " --tiles" if found.tiles else ""
    learnt = (
        f" --defects {shlex.quote(str(defects))}" if defects and found.settings.get("teacher") == "labelled" else ""
    )
    return f"loupe train {shlex.quote(str(data))} --out model.loupe --method {found.method}{look}{settings}{learnt}"
