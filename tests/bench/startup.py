"""How long until the window stands: process start to first paint, and what was imported by then.

python -m tests.bench.startup [REPEATS]    (needs a display, e.g. under Xvfb)
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile

CHILD = """
import json, sys, time
import psutil
from PySide6.QtCore import QTimer
from station import app

def painted(window):
    began = psutil.Process().create_time()
    print(json.dumps({"seconds": time.time() - began, "torch": "torch" in sys.modules, "modules": len(sys.modules)}))
    QTimer.singleShot(0, window.close)

sys.exit(app.run_station(None, None, None, on_first_paint=painted))
"""


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds = []
    for _ in range(repeats + 1):  # the first one warms the disk
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                [sys.executable, "-c", CHILD],
                env={**os.environ, "LOUPE_HOME": home},
                capture_output=True,
                text=True,
                check=True,
            )
        told = json.loads(done.stdout.splitlines()[0])
        assert not told["torch"], "torch was imported before the window stood"
        seconds.append(told["seconds"])
    print(
        f"window shown after {statistics.median(seconds[1:]):.2f} s (median of {repeats}; {min(seconds[1:]):.2f} best)"
    )


if __name__ == "__main__":
    main()
