"""A mistake in a file is one line: file, key path, value, expectation. Ours is a traceback."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter

from pytest_noisefloor._files import SHOWN, STRICT, Expected, Table, read_toml, shown, validated
from pytest_noisefloor.errors import BetError, NoisefloorError


class FileError(NoisefloorError):
    """What this page's files raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A dataclass of the standard library, as the recipe is one."""

    lr: float = field(default=0.1, metadata={"description": "the learning rate"})
    steps: int = 3

    def __post_init__(self):
        if self.steps < 1:
            raise NoisefloorError(f"pace: steps={self.steps}; expected at least 1")


class Row(BaseModel):
    model_config = STRICT

    id: str
    share: float = Field(ge=0)
    users: Annotated[
        Literal["all"] | Annotated[tuple[str, ...], Table()],
        Expected(
            '"all" or a list of names known here', lambda v, known: v == "all" or set(v) <= known
        ),
    ] = "all"


class Whole(BaseModel):
    model_config = STRICT

    day: date = Field(description="the day of registration")
    final: bool = False
    kind: Literal["a", "b"] = "a"
    pace: Annotated[Pace, Table()] = Pace()
    rows: Annotated[tuple[Row, ...], Table()] = ()
    either: int | Pace = 1


class Coded(BaseModel):
    model_config = STRICT

    day: date
    code: str = Field(pattern="^a{3}$")


RIGHT = {"day": date(2026, 11, 23)}


def read(changes, model=Whole):
    return validated(model, RIGHT | changes, "the/file.toml", FileError, context={"ann", "bob"})


def refused(changes):
    with pytest.raises(FileError) as caught:
        read(changes)
    file, message = str(caught.value).split(": ", 1)
    assert file == "the/file.toml"
    assert "\n" not in message
    return message


def test_what_is_right_is_read_with_its_tables_lists_and_defaults():
    row = {"id": "x", "share": 1, "users": ["ann"]}
    whole = read({"pace": {"lr": 1}, "rows": [row]})
    assert whole.pace == Pace(lr=1.0, steps=3)
    assert type(whole.pace.lr) is type(whole.rows[0].share) is float
    assert (whole.rows[0].id, whole.rows[0].users) == ("x", ("ann",))
    assert read({}, TypeAdapter(Whole)) == read({})


def rows(*changes):
    return {"rows": [{"id": f"r{at}", "share": 1.0} | change for at, change in enumerate(changes)]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pace": {"lr": True}}, "pace.lr = True; expected a number"),
        ({"pace": {"lr": "1"}}, "pace.lr = '1'; expected a number"),
        ({"pace": {"steps": 1.0}}, "pace.steps = 1.0; expected a whole number"),
        ({"pace": {"steps": True}}, "pace.steps = True; expected a whole number"),
        ({"pace": {"lrr": 1}}, "pace: unknown key 'lrr'; expected lr, steps"),
        ({"pace": [1]}, "pace = [1]; expected a table with lr, steps"),
        ({"pace": {"steps": 0}}, "pace: steps=0; expected at least 1"),
        ({"final": 1}, "final = 1; expected true or false"),
        ({"day": "2026-11-23"}, "day = '2026-11-23'; expected a date"),
        ({"day": datetime(2026, 11, 23, 1)}, "day = 2026-11-23 01:00:00; expected a date"),
        ({"kind": "c"}, "kind = 'c'; expected 'a' or 'b'"),
        ({"rows": 1}, "rows = 1; expected a list of tables with id, share, users"),
        ({"rows": [7]}, "rows[0] = 7; expected a table with id, share, users"),
        (rows({}, {"share": -1.0}), "rows 'r1'.share = -1.0; expected 0.0 or more"),
        (rows({"id": 7}), "rows[0].id = 7; expected text"),
        (rows({"id": "x"}, {"id": "x", "share": "1"}), "rows[1].share = '1'; expected a number"),
        (rows({"shade": 1}), "rows 'r0': unknown key 'shade'; expected id, share, users"),
        (
            rows({"users": [1]}),
            "rows 'r0'.users = [1]; expected \"all\" or a list of names known here",
        ),
        (
            rows({"users": ["cy"]}),
            "rows 'r0'.users = ['cy']; expected \"all\" or a list of names known here",
        ),
        ({"either": {"stepz": 1}}, "either: unknown key 'stepz'; expected lr, steps"),
    ],
)
def test_a_mistake_is_named_by_key_path_value_and_expectation(changes, message):
    assert refused(changes) == message


def test_a_key_that_is_missing_is_named_with_its_description():
    with pytest.raises(FileError) as caught:
        validated(Whole, {}, "f", FileError)
    assert str(caught.value) == "f: key 'day' is missing; expected the day of registration"


def test_an_unknown_key_is_named_before_the_one_that_it_was_meant_to_be():
    with pytest.raises(FileError) as caught:
        validated(Whole, {"dai": date(2026, 1, 1)}, "f", FileError)
    assert str(caught.value).startswith("f: unknown key 'dai'; expected day, final, kind,")


def test_a_file_that_holds_something_else_is_named_with_what_it_holds():
    with pytest.raises(FileError) as caught:
        validated(Whole, [1], "f", FileError)
    assert str(caught.value).startswith("f: [1]; expected a table with day, final, kind,")


def test_a_long_value_is_cut():
    message = refused({"kind": "x" * 1000})
    assert message == f"kind = '{'x' * (SHOWN - 1)}…; expected 'a' or 'b'"


def test_a_mistake_in_a_check_of_ours_is_no_mistake_of_the_file():
    def broken(value, *_):
        return int("not a number")

    def wrong(value):
        raise AssertionError("ours")

    for model, kind in (
        (Annotated[str, Expected("text", broken)], ValueError),
        (Annotated[Annotated[str, Expected("text", broken)], Expected("words")], ValueError),
        (Annotated[str, AfterValidator(wrong)], AssertionError),
    ):
        with pytest.raises(kind):
            validated(TypeAdapter(model), "x", "f", FileError)


def test_the_words_of_an_expectation_describe_the_value_in_the_schema():
    schema = Whole.model_json_schema()
    users = schema["$defs"]["Row"]["properties"]["users"]
    assert users["description"] == '"all" or a list of names known here'
    assert schema["$defs"]["Pace"]["properties"]["lr"]["description"] == "the learning rate"


def test_a_pattern_with_braces_is_shown_as_it_is():
    with pytest.raises(FileError, match=r"'b'; expected .*\^a\{3\}\$"):
        read({"code": "b"}, Coded)


def test_nesting_and_names_that_python_cannot_take_are_one_line(tmp_path):
    deep = tmp_path / "deep.toml"
    deep.write_text(f"a = {'[' * 5000}{']' * 5000}\n", "utf-8")
    for path, message in ((deep, "not TOML"), (tmp_path / "a\0.toml", "null")):
        with pytest.raises(BetError, match=message) as caught:
            read_toml(path)
        assert "\n" not in str(caught.value)


def test_a_number_of_more_digits_than_python_writes_is_said_to_be_one():
    assert shown(16**5000) == "a number of thousands of digits"
    assert shown("x" * 1000) == f"'{'x' * 99}…"
