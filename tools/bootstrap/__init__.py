"""What `tools/run` and `tools/test` share: from a bare Python to a working `.venv`.

Standard library only, since nothing else is there yet. Everything that is downloaded or built
goes to one cache directory outside the checkout; only `.venv` lies inside.
"""

import sys

# Every tool comes here before all that needs a new Python; this file is read by old ones, too.
if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    sys.exit("edge_rt needs Python 3.10 to 3.13, this is {}.{}".format(*sys.version_info))
if sys.maxsize < 2**32:  # platform.machine() tells of the kernel, which may well have 64
    sys.exit(
        "edge_rt needs a 64-bit system: this Python is a 32-bit one, as in the 32-bit Raspberry Pi "
        "OS, whatever its kernel is. Install the 64-bit Raspberry Pi OS, or another 64-bit system."
    )


class SetupError(Exception):
    """Setting up failed; the message says what to do about it."""
