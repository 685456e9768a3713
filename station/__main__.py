"""`python -m station` is `loupe`: foreseen failures end in one line on stderr, never in a traceback."""

import gc
import os
import signal
import sys
from io import TextIOWrapper

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with its code."""
    # Before numpy or torch is imported: OpenMP threads that wait must not spin (docs/performance.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong with a file we say ourselves, in one line
    # SIGTERM ends like Ctrl-C: what is half-written is removed on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file's name may hold what the terminal's encoding cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _carry_out(sys.argv[1:])
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    if code == EXIT_INTERRUPTED:
        for number in (signal.SIGINT, signal.SIGTERM):  # nobody gains from interrupting the end
            signal.signal(number, signal.SIG_IGN)
        print("Stopped; nothing was left half-written.", file=sys.stderr)
    gc.freeze()  # torch's modules alone would take a second to be looked through at exit
    sys.exit(code)


def _carry_out(arguments: list[str]) -> int:
    """The window does not wait for the import of all the other commands."""
    if not arguments or arguments[0] == "run":
        from station.commands.ending import carry_out
        from station.commands.window import window_app

        return carry_out(window_app(), arguments)
    from station.cli import run_command

    return run_command(arguments)


if __name__ == "__main__":
    main()
