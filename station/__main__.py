"""`python -m station` is `loupe`: foreseen failures end in one line on stderr, never in a traceback."""

import os
import sys

from ml.errors import CancelledError, LoupeError

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with its code."""
    # Before numpy or torch is imported: OpenMP threads that wait must not spin (docs/performance.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong with a file we say ourselves, in one line
    from station.cli import app

    try:
        app()
    except (KeyboardInterrupt, CancelledError):
        print("Stopped; nothing was left half-written.", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except LoupeError as error:
        print(f"loupe: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        # Whoever read our output is gone: end quietly, and keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
