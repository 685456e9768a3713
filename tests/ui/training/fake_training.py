"""A training child that does as its order's seed says, within moments."""

import sys
from pathlib import Path

from tests.ui.demo_history import write_demo_model

CHILD = """
import base64, json, shutil, sys, time
from pathlib import Path
job = json.loads(Path(sys.argv[sys.argv.index("--job") + 1]).read_text())
def say(**event): print(json.dumps(event), flush=True)
say(event="started", pictures=4, skipped=[])
plan = dict(seconds=240, done="2,000 steps, crop 128 px", published="70,000 steps")
say(event="plan", **plan)
if "--estimate" in sys.argv:
    sys.exit(0)
say(event="progress", stage="Describing pictures", done=1, total=4, eta_s=30)
if job["seed"] == 1:
    say(event="error", message="Too few pictures. Add more.")
    sys.exit(1)
if job["seed"] == 2:
    time.sleep(60)
kept = Path(job["out"] + ".resume")
if job["seed"] == 3 and not kept.is_file():
    kept.touch()
    for step in range(1, 6):
        say(event="losses", step=step, steps=9, losses={"total": 50 / step}, validation=1 / step)
    time.sleep(60)
assert ("--resume" in sys.argv) == kept.is_file()
kept.unlink(missing_ok=True)
shutil.copy(Path(__file__).with_name("ready.loupe"), job["out"])
say(event="result", file=job["out"], model_hash="ab" * 32, threshold=27, rule="conformal", n=60, seconds=3, plan=plan)
"""
FAILS, HANGS, LEARNS = 1, 2, 3
"""Seeds."""


def fake_command(folder: Path) -> tuple[str, ...]:
    """The child, to be given `--job` and `--json`."""
    write_demo_model(folder / "ready.loupe")
    (folder / "child.py").write_text(CHILD)
    return sys.executable, str(folder / "child.py")
