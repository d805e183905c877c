"""Names that others chose are text: a terminal shows them, and Markdown and pictures do too."""

import json
import re

import pytest
from markdown_it import MarkdownIt

from pytest_noisefloor._files import read_toml
from pytest_noisefloor.errors import BetError, NoisefloorError, plain
from pytest_noisefloor.report import figures
from pytest_noisefloor.report.layout import Column, as_markdown, markdown_table, terminal_table
from pytest_noisefloor.results.files import read_file

OBEYED = {
    "red": "\x1b[31mred",
    "a title": "\x1b]0;title\x07",
    "the line before": "a\x1b[1A",
    "an end of line": "a\rb",
    "C1": "a\x9b31m",
    "right to left": "a\u202eb",
    "an isolate": "a\u2066b",
    "a line separator": "a\u2028b",
    "deleting": "a\x08\x7f",
    "half a character": "a\ud800",
}


@pytest.mark.parametrize("name", OBEYED)
def test_a_message_shows_what_a_terminal_would_obey(name):
    said = str(NoisefloorError(f"user {OBEYED[name]}: expected a name"))
    assert said.isprintable()
    assert "\\" in said


def test_a_message_keeps_its_lines_and_every_script():
    for text in ("one\n\ttwo", "né हिन्दी 我 العربية e\u0301", "a\\x1b"):
        assert str(NoisefloorError(text)) == text == plain(text)


@pytest.mark.parametrize("name", OBEYED)
def test_a_file_with_such_a_name_is_refused_and_the_message_shows_it(tmp_path, name):
    if name == "half a character":
        pytest.skip("no file of UTF-8 holds one; JSON can, as the next test shows")
    path = tmp_path / "result.json"
    for content in ({"users": [{"name": OBEYED[name]}]}, {OBEYED[name]: 1}):
        path.write_text(json.dumps(content))
        with pytest.raises(NoisefloorError, match="expected text without control chara") as caught:
            read_file(path)
        assert str(caught.value).isprintable()
    bet = tmp_path / "bet.toml"
    bet.write_text(f"title = {json.dumps(OBEYED[name])}\n")
    with pytest.raises(BetError, match="without control characters"):
        read_toml(bet)


def test_half_a_character_in_json_is_refused(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(r'{"name": "a\ud800"}')
    with pytest.raises(NoisefloorError, match="expected text without control characters"):
        read_file(path)


def test_a_table_for_a_terminal_shows_them_too():
    table = terminal_table([Column("user", str)], ["\x1b[31mred", "plain"])
    assert "\x1b" not in table
    assert r"\x1b[31mred" in table


MARKED = {
    "a link": "[click](javascript:x)",
    "an image": "![x](y.png)",
    "a reference": "[a][b]",
    "HTML": "<script>x</script>",
    "an entity": "&lt;b&gt;",
    "bold": "**x**",
    "emphasis": "_x_",
    "an end of the cell": "a|b",
    "an end of the row": "a\n| b | c |",
    "a heading": "# x",
}


SHAPE = ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]


@pytest.mark.parametrize("name", MARKED)
def test_a_cell_of_a_markdown_table_is_text(name):
    rendered = (
        MarkdownIt("commonmark")
        .enable("table")
        .render(markdown_table(["user", "level"], [[MARKED[name], "LENIENT"]]))
    )
    assert re.findall(r"<(\w+)", rendered) == [
        "table",
        "thead",
        "tr",
        "th",
        "th",
        "tbody",
        "tr",
        "td",
        "td",
    ]
    (cell, _) = re.findall(r"<td[^>]*>(.*)</td>", rendered)
    shown = " ".join(MARKED[name].split())
    assert cell == shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def test_what_our_own_tables_say_needs_no_escape_but_of_bars():
    for cell in ("1.0019 [1.0013, 1.0026]", "60_norm_only_noise_floor", "real + p63", "≤ 3 %"):
        assert as_markdown(cell) == cell


def test_a_picture_takes_no_name_for_a_formula():
    """A name with half a formula would end the drawing with an error."""
    assert figures.STYLE["text.parse_math"] is False
