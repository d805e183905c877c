"""Locks on bet files in a test's own folder."""

from pytest_noisefloor._files import text_sha256


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
