"""A folder's tokenizer: which token stands in front of a document, and text that stays text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_noisefloor._files import shown
from pytest_noisefloor.errors import BaseError
from pytest_noisefloor.specs import BOS, END

from .fingerprint import (
    END_OF_TEXT,
    added_tokens,
    has_end_of_text,
    json_object,
    token_names,
)

if TYPE_CHECKING:
    from pytest_noisefloor._typing import Ids


@dataclass(frozen=True)
class TokenFacts:
    """What the keys of scores need to know of a tokenizer.

    ``prefix`` says what stands in front of a scored document. ``special`` are the names of special
    tokens, in lower case: a text with one of them has other tokens if it is parsed for them.
    """

    prefix: str = END
    special: tuple[str, ...] = ()

    def has_special(self, text: str) -> bool:
        """Whether a text has the name of a special token in it."""
        lowered = text.lower()
        return any(name in lowered for name in self.special)


def token_facts(folder: Path, tokenizer: Callable[[], FolderTokenizer]) -> TokenFacts:
    """Return the facts of a folder's tokenizer.

    They stand in its files where ``tokenizer.json`` has ``<|endoftext|>``. Where it has not, the
    tokenizer's class may have a BOS of its own, so ``tokenizer`` is called to load it.

    Raises:
        BaseError: a file has another form.
    """
    if not has_end_of_text(folder):
        return tokenizer().facts
    added = added_tokens(folder / "tokenizer.json")
    names = {END_OF_TEXT} | {name for name, special in added.items() if special}
    for beside in ("tokenizer_config.json", "special_tokens_map.json"):
        if (file := folder / beside).is_file():
            names |= {*_names(file)}
    return TokenFacts(END, _lowered(names))


def _names(file: Path) -> Iterator[str]:
    """The names that a tokenizer's config gives to special tokens."""
    config = json_object(file)
    listed = [value for key, value in config.items() if key.endswith("_token")]
    for key in ("additional_special_tokens", "extra_special_tokens"):
        more = config.get(key) or []
        if not isinstance(more, list | dict):
            raise BaseError(f"{file}: {key} is {shown(more)}; expected a list or a table of tokens")
        listed += more.values() if isinstance(more, dict) else more
    added = config.get("added_tokens_decoder") or {}
    if not isinstance(added, dict) or not all(isinstance(t, dict) for t in added.values()):
        raise BaseError(f"{file}: added_tokens_decoder; expected a table with a table for each id")
    listed += [token for token in added.values() if token.get("special")]
    yield from filter(None, token_names(listed))


def _lowered(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted({name.lower() for name in names}))


class FolderTokenizer:
    """The tokenizer of a folder, as transformers loads it.

    Raises:
        BaseError: transformers cannot load it, or it has no token to score behind.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self._folder = folder
        with refusing(f"{folder}: no usable tokenizer"):
            self._tokenizer = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True
            )
            vocabulary = self._tokenizer.get_vocab()
            names = {*map(str, self._tokenizer.all_special_tokens)}
            names |= {str(t) for t in self._tokenizer.added_tokens_decoder.values() if t.special}
        if (fast := folder / "tokenizer.json").is_file() and not self._tokenizer.is_fast:
            raise BaseError(
                f"{fast}: {type(self._tokenizer).__name__} does not read it; expected the files of "
                "one tokenizer"
            )
        bos, eos = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        end_of_text = vocabulary.get(END_OF_TEXT)
        kind = BOS if end_of_text is None and bos is not None else END
        first = next((i for i in (end_of_text, bos, eos) if i is not None), None)
        if first is None:
            raise BaseError(
                f"{folder}: the tokenizer has no end-of-text token to score behind; expected "
                f"{END_OF_TEXT}, a BOS or an EOS"
            )
        self.prefix = int(first)
        self.facts = TokenFacts(kind, _lowered(names))

    @cached_property
    def text_ids(self) -> Ids:
        """The ids that a text can have.

        Special and added tokens are left out, and of byte-pair encodings also the entries that no
        merges lead to, and bytes that stand for unknown characters.
        """
        from tokenizers.models import BPE

        left_out = {*self._tokenizer.added_tokens_decoder, *self._tokenizer.all_special_ids}
        pieces = {id_: piece for piece, id_ in self._tokenizer.get_vocab().items()}
        ids = sorted(pieces.keys() - left_out)
        model = self._tokenizer.backend_tokenizer.model if self._tokenizer.is_fast else None
        if isinstance(model, BPE):
            with refusing(f"{self._folder}: its tokenizer cannot encode its own tokens"):
                ids = [i for i in ids if [token.id for token in model.tokenize(pieces[i])] == [i]]
        return np.array(ids, dtype=np.int64)

    def encode(self, text: str) -> Ids:
        """Token ids (n,) of a text; the name of a special token in it is text as well.

        Raises:
            BaseError: the tokenizer cannot encode the text, as one without a token for unknown
                words cannot.
        """
        with refusing(f"{self._folder}: its tokenizer cannot encode the text {text[:30]!r}…"):
            ids = self._tokenizer(
                text,
                add_special_tokens=False,
                split_special_tokens=True,
                verbose=False,  # no warning, because a text longer than the context is intended
            )["input_ids"]
        return np.asarray(ids, dtype=np.int64)

    def name(self, token: int) -> str | None:
        """The text of a token, for messages; None if there is no such token."""
        found: Any = self._tokenizer.convert_ids_to_tokens(token)
        return found if isinstance(found, str) else None


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn whatever transformers or tokenizers raise into one line that begins with ``what``.

    Raises:
        BaseError: something was raised.
    """
    try:
        yield
    except BaseError:
        raise
    except Exception as error:  # noqa: BLE001 (they raise errors of many classes)
        raise BaseError(f"{what} ({one_line(error)})") from None
    except BaseException as error:
        # a panic of Rust code is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise BaseError(f"{what} ({one_line(error)})") from None


def one_line(error: BaseException) -> str:
    """The beginning of an error's message in one line, or its class if it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = next((at for at, line in enumerate(lines) if not line.endswith(":")), len(lines))
    return " ".join(lines[: first + 1]) or type(error).__name__
