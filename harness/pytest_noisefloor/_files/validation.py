"""Check a file's content against a model, and say in one line what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_noisefloor.errors import NoisefloorError

if TYPE_CHECKING:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

T = TypeVar("T")

STRICT: ConfigDict = {"strict": True, "frozen": True, "extra": "forbid"}
"""The configuration of every model of a file: exact types, no change, no unknown key."""

SHOWN = 100
"""At most so many characters of a wrong value are shown."""


class Table:
    """Mark a dataclass or tuple in a strict model, so that a file's table or list can stand for it.

    Its fields and entries are still checked strictly. Write ``Annotated[Recipe, Table()]``.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        schema = handler(source)
        handler.resolve_ref_schema(schema)["strict"] = False
        return schema


class Expected:
    """Say in our words what a value of a model must be, whatever is wrong with it.

    ``check`` is called with a value of the right type and the context given to ``validated``. The
    words, after what the value is ``about``, are also its description in the JSON Schema, if it has
    no other.
    """

    def __init__(
        self, words: str, check: Callable[[Any, Any], bool] = lambda *_: True, *, about: str = ""
    ) -> None:
        self.words, self.check = words, check
        self.description = f"{about}: {words}" if about else words

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic import ValidationError
        from pydantic_core import PydanticCustomError, core_schema

        def checked(value: Any, typed: Any, info: Any) -> Any:
            try:
                found = typed(value)
            except ValidationError as failed:
                _raise_own_mistake(failed)
            else:
                if self.check(found, info.context):
                    return found
            raise PydanticCustomError("expected", "{words}", {"words": self.words})

        return core_schema.with_info_wrap_validator_function(checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return {"description": self.description} | handler(schema)


def validated(
    model: type[T] | TypeAdapter[T],
    content: object,
    where: str,
    error: type[NoisefloorError],
    context: object = None,
) -> T:
    """Return a file's content as a model.

    Args:
        model: a pydantic model, a type, or a TypeAdapter. It must have a JSON Schema.
        content: what the file holds.
        where: the file, with which the message begins.
        error: the class to raise.
        context: what the model's own checks need to know besides the content.

    Raises:
        NoisefloorError: of the class ``error``. The content is not what the model allows; the
            message has one line. A ValueError in a check of ours stays a ValueError.
    """
    from pydantic import ValidationError

    known: Any = model
    try:
        valid: T = _adapter(known).validate_python(content, context=context)
        return valid
    except ValidationError as failed:
        _raise_own_mistake(failed)
        line = _in_one_line(failed, content, _schema(known))
    except NoisefloorError as refused:
        line = str(refused)
    raise error(f"{where}: {line}")


@cache  # the models of files are few, and making what validates one takes longer than using it
def _adapter(model: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return model if isinstance(model, TypeAdapter) else TypeAdapter(model)


@cache
def _schema(model: Any) -> dict[str, Any]:
    return _adapter(model).json_schema()


_WORDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "date_type": "a date",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "dataclass_type": "a table",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "too_short": "{min_length} or more",
    "too_long": "{max_length} or fewer",
    "literal_error": "{expected}",
    "expected": "{words}",
}
"""What was expected, by pydantic's type of error."""

_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def _raise_own_mistake(failed: ValidationError) -> None:
    """Raise the ValueError or AssertionError of a check of ours; pydantic reports it as refusal."""
    for found in failed.errors(include_url=False):
        if found["type"] in {"value_error", "assertion_error"}:
            raise found["ctx"]["error"]


def _in_one_line(failed: ValidationError, content: object, schema: Mapping[str, Any]) -> str:
    """Say what is wrong first; an unknown key comes before others, since it explains a missing."""
    errors = failed.errors(include_url=False)
    found = next((e for e in errors if e["type"] in _UNKNOWN), errors[0])
    kind, key = found["type"], found["loc"][-1] if found["loc"] else ""
    absent = kind in _UNKNOWN or kind.startswith("missing")
    path, value, nodes = _walk(content, schema, found["loc"][:-1] if absent else found["loc"])
    inside = f"{path}: " if path else ""
    known = _known(nodes)
    if kind in _UNKNOWN:
        return f"{inside}unknown key {key!r}; expected {known}"
    if absent:
        described = [n["description"] for n in _step(nodes, key, schema) if "description" in n]
        expected = f"; expected {described[0].partition('. ')[0]}" if described else ""
        return f"{inside}key {key!r} is missing{expected}"
    words = found["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    if kind in _WORDS:
        words = _WORDS[kind].format(**found.get("ctx", {}))
    if words == "a table" and known:
        words = f"a table with {known}"
    elif words == "a list" and (known := _known(list(_step(nodes, 0, schema)))):
        words = f"a list of tables with {known}"
    return f"{path}{' = ' if path else ''}{shown(value)}; expected {words}"


def shown(value: object) -> str:
    """Return a wrong value as a message has it: the beginning of a long one."""
    try:
        text = str(value) if isinstance(value, date) else repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _known(nodes: Sequence[Mapping[str, Any]]) -> str:
    """List the keys that a place of a file may have."""
    return ", ".join(dict.fromkeys(name for node in nodes for name in node.get("properties", {})))


def _walk(
    content: Any, schema: Mapping[str, Any], loc: Sequence[str | int]
) -> tuple[str, Any, list[Mapping[str, Any]]]:
    """Follow an error's location: return the path in words, the value there, and its schema.

    Parts that are neither a key nor an index of the content are names that pydantic gives to the
    types of a union. An entry of a list is named by its id or name, if no other entry has the same.
    """
    path, nodes = "", list(_alternatives(schema, schema))
    for part in loc:
        if isinstance(content, Mapping) and part in content:
            path = f"{path}.{part}" if path else str(part)
        elif isinstance(content, (list, tuple)) and isinstance(part, int):
            names = [
                row.get("id", row.get("name")) if isinstance(row, Mapping) else None
                for row in content
            ]
            named = isinstance(names[part], str) and names.count(names[part]) == 1
            path += f" {names[part]!r}" if named else f"[{part}]"
        else:
            continue
        content, nodes = content[part], list(_step(nodes, part, schema))
    return path, content, nodes


def _alternatives(
    node: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """Yield a node of a JSON Schema, then what it refers to and may be instead."""
    yield node
    if "$ref" in node:
        yield from _alternatives(schema["$defs"][node["$ref"].rpartition("/")[2]], schema)
    for key in ("anyOf", "oneOf", "allOf"):
        for other in node.get(key, ()):
            yield from _alternatives(other, schema)


def _step(
    nodes: Sequence[Mapping[str, Any]], part: str | int, schema: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas of a key or an entry."""
    for node in nodes:
        below = node.get("items") if isinstance(part, int) else None
        below = below or node.get("properties", {}).get(part, node.get("additionalProperties"))
        if isinstance(below, Mapping):
            yield from _alternatives(below, schema)
