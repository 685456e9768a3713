"""How long from process start until the window is painted, and until the first part has its verdict.

python -m tests.bench.startup [REPEATS] [HOME]    (needs a display, e.g. under Xvfb)

`loupe` is started again and again, the disk warm: with an empty home until the window is painted, then with a home
whose recipe judges the demo line until a part has its verdict, Inspect being pressed once the recipe is loaded. HOME is
such a home, used as it is (its settings name the recipe); without one a small model is trained first.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from station.settings import Settings

STAGES = (
    "window shown", "history open", "recipe loaded", "first verdict", "CPU to window", "CPU to verdict", "longest wait",
)  # fmt: skip
"""In seconds since the process began. CPU: what it has itself computed until then, which tells even where others
compute too; longest wait: of the GUI thread for its own timer between window and verdict."""


def start(home: Path, until: str) -> dict[str, object]:
    """One start; what was told."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.watched_start", str(time.monotonic()), until],
        env={**os.environ, "LOUPE_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: dict[str, object] = json.loads(done.stdout.splitlines()[0])
    assert "failed" not in told, told["failed"]
    return told


def demo_home(folder: Path) -> Path:
    """A home that starts with the demo line's recipe."""
    from station.capture.demo_recipe import DEMO_RECIPE
    from tests.e2e.driver import prepare_demo_home

    home = folder / "demo"
    prepare_demo_home(home)
    Settings(active_recipe=DEMO_RECIPE).save(home / "settings.json")
    return home


def print_stages(starts: list[dict[str, object]]) -> None:
    for stage in STAGES:
        seconds = [float(str(told[stage])) for told in starts if stage in told]
        if seconds:
            print(f"  {stage:14s} {statistics.median(seconds):5.2f} s   ({min(seconds):.2f} to {max(seconds):.2f})")
    print(f"  {starts[-1]['modules']} modules before the window; at the end {starts[-1]['imported'] or 'nothing slow'}")


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        # The first start of each kind warms the disk.
        empty = [start(Path(folder) / f"empty-{number}", "window") for number in range(repeats + 1)][1:]
        print(f"Empty home, median of {repeats}:")
        print_stages(empty)
        home = Path(sys.argv[2]) if len(sys.argv) > 2 else demo_home(Path(folder))
        demo = [start(home, "verdict") for _ in range(repeats + 1)][1:]
        print(f"Recipe of the demo line, median of {repeats}:")
        print_stages(demo)


if __name__ == "__main__":
    main()
