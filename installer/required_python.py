"""Tells people with an older Python what they need.

Written in syntax that Python 2.7 and every Python 3 can parse: it has to run there to be able to say so.
"""

import sys

OLDEST = (3, 11)


def complaint(version):
    """One sentence for a Python older than Loupe needs, or None. `version` is a tuple such as sys.version_info."""
    if tuple(version[:2]) >= OLDEST:
        return None
    needed = ".".join(str(part) for part in OLDEST)
    found = ".".join(str(part) for part in version[:3])
    return (
        "Loupe needs Python " + needed + " or newer; this is Python " + found + ".\n"
        "Install a newer one and start again with it, for example: python" + needed + " installer/start.py"
    )


def check():
    """End the process with a clear message when this Python is too old."""
    message = complaint(sys.version_info)
    if message is not None:
        sys.stderr.write(message + "\n")
        sys.exit(1)
