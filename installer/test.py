"""Set Loupe up and run every check: `python3 installer/test.py [-- ARGUMENTS FOR PYTEST]`.

This file stays in syntax that older Pythons can parse, so that they reach the message that names the version needed.
"""

import os
import sys

# The project's root takes this folder's place on the path: modules here are `installer.*`, as in the tests.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120

from installer import required_python  # noqa: E402

required_python.check()

from installer.checks import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
