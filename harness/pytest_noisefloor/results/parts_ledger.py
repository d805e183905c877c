"""The part of a result file that says which verdicts were formed before on its base and texts."""

from __future__ import annotations

from .parts_design import LevelName, Part, Rows


class LedgerPart(Part):
    """A line of the store's ledger."""

    time: str
    """when the verdict was formed, in UTC; of a line that was filled in later perhaps the day
    alone"""
    bet: str
    """the bet's id"""
    bet_sha256: str
    """SHA-256 of the bet file that applied"""
    locked: str | None
    """the day since which that text was locked. Null if it was not locked, or if the bet was run by
    other seeds, on other texts or by another design than its own"""
    base: str
    """the base's fingerprint"""
    texts: Rows[str] = ()
    """SHA-256 of each user's training text and slices, sorted. Absent where they are this file's"""
    seeds: Rows[int]
    """the seeds"""
    level: LevelName
    """the level that came out"""
    source: str | None = None
    """from where a line was filled in that is older than the ledger. Absent from others"""
    prev: str | None
    """`sha256` of the line before in the same file of the ledger; of a file's first line, that of
    the latest line in the other files, or null"""
    sha256: str
    """SHA-256 of all else in the line, `texts` included, as JSON with sorted keys and no spaces"""
    between: Rows[str] = ()
    """for each line of the ledger between the line above and this one, on other bases or texts, the
    first 16 digits of its `sha256`. Absent where there is none"""
