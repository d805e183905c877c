"""Bets of one's own and their locks, in a test's own folder."""

from datetime import date

from pytest_noisefloor._files import resource_path, text_sha256
from pytest_noisefloor.bets.editing import as_copy, with_texts
from pytest_noisefloor.data.users import TextDigests


def lock_entry(path, day, reason="registered"):
    """A lock entry for a file as it stands now, whose text is kept."""
    sha256 = text_sha256(path.read_bytes())
    kept = path.parent / "locked" / f"{sha256}.toml"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(path.read_bytes())
    return (
        f'[[lock]]\nfile = "{path.name}"\nsha256 = "{sha256}"\ndate = {day}\nreason = "{reason}"\n'
    )


def lock(path, on="2026-11-24"):
    """Lock a bet file as it is, in its own folder, from a day on."""
    (path.parent / "LOCK").write_text(lock_entry(path, on))


def own_text(path, texts, *, steps=100):
    """The text of a bet of one's own on users' texts, by their digests: Bet 60's design.

    With fewer steps the design is a shorter one.
    """
    text = resource_path("bets", "bet60.toml").read_bytes()
    text = with_texts(as_copy(text, path, path.stem, "60", date(2026, 11, 23)), path, texts, ())
    if steps != 100:
        text = text.replace(b'design_of = "60"\n', b"").replace(
            b"steps = 100", b"steps = %d" % steps
        )
    return text


def digests(train="0", **heldout):
    """A user's digests, each of one digit; without slices those of the planted results."""
    pieces = heldout or {"first": "1", "second": "2"}
    return TextDigests(train=train * 64, heldout={k: digit * 64 for k, digit in pieces.items()})
