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
from station import app

def watch(station):
    def painted():
        seconds = time.time() - psutil.Process().create_time()
        print(json.dumps({"seconds": seconds, "torch": "torch" in sys.modules, "modules": len(sys.modules)}))
        station.window.close()
    station.window.first_painted.connect(painted)

sys.exit(app.run_station(None, None, None, on_start=watch))
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
        f"window shown after {statistics.median(seconds[1:]):.2f} s "
        f"(median of {repeats}; {min(seconds[1:]):.2f} to {max(seconds[1:]):.2f}); {told['modules']} modules"
    )


if __name__ == "__main__":
    main()
