"""Git repositories by hand, for tests."""

import os
import subprocess

SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}


class Repository:
    """A new repository in a folder, which is made if it is not there."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.git("init", "-b", "main")

    def git(self, *arguments):
        """Run git there, and return what it prints."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 (the git that is installed)
            cwd=self.folder,
            env=clean | SETTINGS,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def write(self, name, content):
        """Write a file, and have the next commit take it along."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def commit(self, name, content):
        """Write and commit a file; return its commit as messages name it."""
        self.write(name, content)
        self.git("add", "--all")
        self.git("commit", "-m", name)
        sha, day = self.git("log", "-1", "--format=%H %cs").split()
        return f"{sha[:7]}, {day}"
