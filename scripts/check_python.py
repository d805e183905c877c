"""Say in one line whether this Python can run the suite; written for any Python 3."""

import importlib.util
import sys

if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit("noisefloor needs Python 3.11, 3.12 or 3.13; this is " + sys.version.split()[0])
if importlib.util.find_spec("ensurepip") is None:
    sys.exit("noisefloor needs Python's venv with pip (on Debian: apt install python3-venv)")
