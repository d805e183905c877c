"""A base in a folder, for the pages of this room."""

import pytest

from noisefloor_tests.support.base_folders import write_base


@pytest.fixture(scope="session")
def saved(build, tmp_path_factory):
    """The files of a base, by name."""
    return write_base(tmp_path_factory.mktemp("saved"), build("Llama", tie_word_embeddings=True))


@pytest.fixture
def folder(saved, tmp_path):
    """A base as anybody would have it in a folder."""
    for name, content in saved.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path
