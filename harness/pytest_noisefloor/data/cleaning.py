"""Turn published files into plain text, identically on every machine and in every locale.

A change here changes the hashes in ``fixtures/users`` and needs a dated note there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from xml.etree import ElementTree as ET

# JATS elements whose content is not running prose.
_FORMULAS = frozenset({"inline-formula", "disp-formula"})
_ASIDE = _FORMULAS | {"boxed-text", "fig", "fig-group", "supplementary-material", "table-wrap"}
# Blocks inside a paragraph that have paragraphs of their own.
_NESTED = frozenset({"disp-quote", "list"})
# One or more citations in the text, as in "[3, 5]" or "[3]-[5]". \0 stands for each
# cross-reference; \u2013 is the dash of a range.
_ONE = r"\[?\0\]?"
_SOME = rf"{_ONE}(?:[\s,;\u2013-]*{_ONE})*"
_CITATIONS = re.compile(rf"\s*\((?:e\.g\.,?|see)?\s*{_SOME}\s*\)|\s*{_SOME}")


def normalise(text: str) -> str:
    """Convert text to Unicode NFC with line feeds, and strip white space from both ends."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", text).strip()


def chapters(novel: str) -> tuple[str, ...]:
    """The chapters of a plain-text novel, without headings, with one line per paragraph.

    A heading reads ``Chapter IV``. Lines that begin with a space are verse and keep their line
    breaks. Notes in braces are the editor's and are dropped.
    """
    text = re.sub(r"\s*\{[^}]*\}", "", normalise(novel))
    _, *found = re.split(r"^Chapter [IVXLC]+$", text, flags=re.MULTILINE)
    unwrapped = (re.sub(r"(?<=\S)\n(?=\S)", " ", chapter) for chapter in found)
    return tuple(re.sub(r"\n{3,}", "\n\n", chapter).strip() for chapter in unwrapped)


def article(jats: bytes) -> str:
    """The prose of a journal article in JATS XML: abstracts, then body.

    A blank line separates paragraphs. A paragraph with a formula is left out, because a sentence
    with holes is not prose. Figures, tables, boxes, supplements, headings and citations are left
    out too.
    """
    root = ET.fromstring(jats)  # noqa: S314 - pinned by hash; expat loads no DTD
    prose = [*root.iterfind("front/article-meta/abstract"), *root.iterfind("body")]
    texts = (
        normalise(re.sub(r"\s+", " ", _CITATIONS.sub("", _running_text(paragraph))))
        for part in prose
        for paragraph in _paragraphs(part)
        if not any(child.tag in _FORMULAS for child in paragraph.iter())
    )
    return "\n\n".join(text for text in texts if text)


def _paragraphs(element: ET.Element) -> Iterator[ET.Element]:
    """Yield the ``p`` elements below an element in document order, outside figures and the like."""
    for child in element:
        if child.tag not in _ASIDE:
            if child.tag == "p":
                yield child
            yield from _paragraphs(child)


def _running_text(element: ET.Element) -> str:
    """The text of a paragraph, with a null for each citation and without inner blocks."""
    pieces = [element.text or ""]
    for child in element:
        if child.tag == "xref" and child.get("ref-type") == "bibr":
            pieces.append("\0")
        elif child.tag not in _ASIDE | _NESTED:
            pieces.append(_running_text(child))
        pieces.append(child.tail or "")
    return "".join(pieces)
