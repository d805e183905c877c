"""Parts of a result file that say what was run, where and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from pytest_noisefloor._files import Expected, Table

T = TypeVar("T")

Rows = Annotated[tuple[T, ...], Table()]
"""A list in JSON. It becomes a tuple, so that nothing changes what was read."""

LevelName = Literal["STRICT", "LENIENT", "NOT_MET", "CATASTROPHIC"]


class Part(BaseModel):
    """A part of a result file. The text below each field is its line in docs/results.md."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        """Return the JSON Schema; each description is one line, as messages need it."""
        found = handler(core_schema)
        for of_key in handler.resolve_ref_schema(found)["properties"].values():
            of_key["description"] = " ".join(of_key["description"].split())
        return found


class BetPart(Part):
    """The bet that was run."""

    id: str
    """the bet's id"""
    name: str
    """its name, which the file's own name repeats"""
    title: str
    """its title"""
    registered: str
    """the date on which it was registered"""
    sha256: str
    """SHA-256 of the bet file that applied. `fixtures/bets/locked/` has each text by its hash. A
    result that was made under an older text is judged by today's, and the verdict says so unless
    the users' texts alone were added since"""


class BasePart(Part):
    """The base that was measured."""

    name: str
    """the base's name"""
    fingerprint: str
    """SHA-256 over config, weights and tokenizer"""
    model: str
    """SHA-256 over config and weights. Empty in the oldest files"""
    prefix: str | None = None
    """what stood in front of each scored text, if not an end-of-text token: bos"""


class MethodPart(Part):
    """The bet's own method."""

    name: str
    """the method's name"""
    trained_values: int
    """how many values an adapter trains"""
    adapter_bytes: int
    """an adapter's size: 4 bytes a value, without a file's header"""


class VersionsPart(Part):
    """What a claim compares with today's versions: evidence made by others is stale."""

    method: int
    """version of the method. 0 in files of version 1, which did not record it"""
    other_methods: Mapping[str, int]
    """versions of the methods that it is compared with, by name. Empty in the oldest files"""
    arms: Mapping[str, int]
    """versions of the arms, by name"""
    scorer: str
    """name and version of the scorer. Empty in files of version 1"""


class RecipePart(Part):
    """How each adapter was trained; the fields are those of ``specs.Recipe``."""

    lr: FiniteFloat
    """learning rate"""
    steps: int
    """optimiser steps"""
    batch: int
    """sequences in a batch"""
    sequence: int
    """tokens in a sequence"""
    beta1: FiniteFloat
    """β1 of AdamW"""
    beta2: FiniteFloat
    """β2 of AdamW"""
    eps: FiniteFloat
    """ε of AdamW"""
    weight_decay: FiniteFloat
    """weight decay of AdamW"""
    dtype: str
    """dtype of gains and optimiser"""
    matmul: str
    """dtype of the base's matrix products while training. The oldest files had `float32` alone"""
    budget_s: FiniteFloat
    """the source's budget in seconds"""


class ScoringPart(Part):
    """How held-out text was scored; the fields are those of ``specs.Scoring``."""

    window: int
    """tokens in a window"""
    stride: int
    """tokens from one window to the next"""
    tokens: int
    """how many leading tokens of a slice count"""
    noise: FiniteFloat
    """standard deviation of Gaussian noise on every block's output, as a share of the token's
    RMS. The oldest files had none"""


class AdapterPart(Part):
    """An adapter that the level rests on."""

    name: str
    """`<bet>_<label>_<user>`, the name of its files"""
    user: str
    """the user that it was trained on; of `pooled` the user that it was not trained on"""
    arm: str
    """the arm that it was trained on"""
    seed: int
    """the seed"""
    method: str
    """the method's name"""
    lr: FiniteFloat
    """the learning rate"""
    trained_values: int
    """how many values were trained"""
    bytes: int
    """its size: 4 bytes a value"""
    key: str
    """its name in the store"""
    file: str | None
    """its file. Null for adapters of other users and of more than 1 MiB, which stay in the store"""
    first_loss: FiniteFloat
    """mean NLL of the first step's tokens"""
    last_loss: FiniteFloat
    """mean NLL of the last step's tokens"""
    moved: FiniteFloat | None = None
    """how far the value that moved most is from its start. Absent from files of versions 1 to 3"""


def _has_zone(words: str, _: object) -> bool:
    try:
        return datetime.fromisoformat(words).tzinfo is not None
    except ValueError:
        return False


class TimesPart(Part):
    """When the file was written, and how long its adapters took."""

    written: Annotated[str, Expected("a time with its zone, as 2026-11-24T12:00:00Z", _has_zone)]
    """when the file was written, in UTC"""
    training_s: Mapping[str, FiniteFloat]
    """seconds that an adapter took, by its name"""
    over_budget: Rows[str]
    """names of those that took longer than the recipe's budget"""

    @property
    def written_at(self) -> datetime:
        """``written`` as a datetime with a time zone."""
        return datetime.fromisoformat(self.written)


class EnvironmentPart(Part):
    """The machine and the versions of libraries."""

    python: str
    """its version"""
    platform: str
    """the system, as Python names it"""
    machine: str
    """the processor's architecture"""
    device: str
    """where it ran: `cpu`, `cuda` or `mps`"""
    numpy: str
    """its version"""
    torch: str
    """its version"""
    transformers: str
    """its version"""
    peft: str | None = None
    """its version. Absent if it was not installed"""
    noisefloor: str = Field(alias="pytest-noisefloor")
    """its version"""
