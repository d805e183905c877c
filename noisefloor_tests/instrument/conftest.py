"""What several pages here start from."""

import json

import pytest


@pytest.fixture
def save(tmp_path):
    """Write a result file."""

    def write(content):
        path = tmp_path / "result.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write
