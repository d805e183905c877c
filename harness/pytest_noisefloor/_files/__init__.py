"""Files: where they are, how they are read and written, and what is wrong with their content."""

from .disk import (
    LONGEST_NAME,
    SystemRefusal,
    cache_path,
    expanded,
    read_bytes,
    refusal,
    resource_path,
    system_refusals,
    write_atomically,
)
from .text import decoded, parse_toml, read_toml, refuse_hidden, text_sha256
from .validation import SHOWN, STRICT, Expected, Table, shown, validated

__all__ = [
    "LONGEST_NAME",
    "SHOWN",
    "STRICT",
    "Expected",
    "SystemRefusal",
    "Table",
    "cache_path",
    "decoded",
    "expanded",
    "parse_toml",
    "read_bytes",
    "read_toml",
    "refusal",
    "refuse_hidden",
    "resource_path",
    "shown",
    "system_refusals",
    "text_sha256",
    "validated",
    "write_atomically",
]
