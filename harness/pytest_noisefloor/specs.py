"""The full specification of a run: the recipe it follows and the key it is stored under."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeVar

from .errors import NoisefloorError

T = TypeVar("T")

SCORER = "sliding/2"
"""Name and version of how ``models/scoring.py`` scores; part of every score's key."""

GRADIENT = "gradient/1"
"""Name and version of how ``models/gradient.py`` differentiates; part of every gradient's key."""


Kernel = Literal["attention/1", "tiles/1", "tiles-onednn/1", "tiles-wide/1"]
"""How the LM head computes its products, with a version.

``attention/1`` is torch's fused attention on the CPU. ``tiles/1`` uses tiles and torch's own matrix
product (its BLAS on a CPU). ``tiles-onednn/1`` uses tiles and oneDNN. ``tiles-wide/1`` is
``tiles/1`` with the larger tiles that are faster on an accelerator.
"""

MATMULS = ("float32", "bfloat16")
"""The dtypes that a recipe may choose for matrix products."""


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces. Equal values give equal text in every process."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: object) -> str:
    """SHA-256 (hex) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _key(default: T, description: str) -> T:
    """Return a dataclass field; its description is that of the key in a bet file."""
    return field(default=default, metadata={"description": description})


_BELOW = {
    "beta1": 1.0,
    "beta2": 1.0,
    "eps": math.inf,
    "weight_decay": math.inf,
    "budget_s": math.inf,
}
"""Numbers of a recipe that are 0 or more, and what each is below."""


MOST_TOKENS = 2**31
"""The most tokens in a step that a recipe may ask for; no machine holds as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How an adapter is trained. The defaults are the registered recipe of Bet 60.

    AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) at a constant learning rate, on ``steps``
    batches of ``batch`` × ``sequence`` tokens. ``dtype`` is the dtype of gains and optimiser.
    ``matmul`` is the dtype of the base's matrix products during training; it is bfloat16 only on
    request. ``budget_s`` is the source's wall-clock budget in seconds. It is recorded, and flagged
    when exceeded, but it never stops a run early.

    Raises:
        NoisefloorError: no run could follow one of the values.
    """

    lr: float = _key(5e-5, "the learning rate of AdamW, 0 or more")
    steps: int = _key(100, "the number of training steps, at least 1")
    batch: int = _key(4, "sequences in a step, at least 1")
    sequence: int = _key(256, "tokens in a sequence, at least 2")
    beta1: float = _key(0.9, "AdamW's decay of the mean gradient")
    beta2: float = _key(0.999, "AdamW's decay of the mean squared gradient")
    eps: float = _key(1e-8, "AdamW's epsilon")
    weight_decay: float = _key(0.01, "AdamW's weight decay")
    dtype: str = _key("float32", "the dtype of adapter and optimiser: float32")
    matmul: str = _key("float32", f"the dtype of matrix products: {' or '.join(MATMULS)}")
    budget_s: float = _key(300.0, "the source's budget in seconds; recorded, never enforced")

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.sequence < 2:  # noqa: PLR2004 (one token has no next)
            raise NoisefloorError(
                f"recipe: steps={self.steps}, batch={self.batch}, sequence={self.sequence}; "
                "expected at least 1, 1 and 2"
            )
        if self.batch * self.sequence > MOST_TOKENS:
            raise NoisefloorError(
                f"recipe: batch={self.batch}, sequence={self.sequence}; expected at most "
                f"{MOST_TOKENS:,} tokens in a step"
            )
        if not 0 <= self.lr < math.inf:
            raise NoisefloorError(f"recipe: lr={self.lr}; expected a learning rate of 0 or more")
        for key, below in _BELOW.items():
            if not 0 <= (value := getattr(self, key)) < below:
                most = "" if below == math.inf else f", below {below:g}"
                raise NoisefloorError(
                    f"recipe: {key}={value}; expected a finite number of 0 or more{most}"
                )
        if self.dtype != "float32":
            raise NoisefloorError(
                f"recipe: dtype={self.dtype!r}; gains train in float32 only, since in half "
                f"precision a gain near 1 cannot represent a step of {self.lr}"
            )
        if self.matmul not in MATMULS:
            raise NoisefloorError(
                f"recipe: matmul={self.matmul!r}; expected {' or '.join(MATMULS)}"
            )

    @property
    def tokens(self) -> int:
        """The number of tokens that one training reads."""
        return self.steps * self.batch * self.sequence

    def __str__(self) -> str:
        return (
            f"AdamW, lr {self.lr:g}, {self.steps} steps of {self.batch} × {self.sequence} tokens, "
            f"{self.dtype}" + ("" if self.matmul == self.dtype else f", matmuls in {self.matmul}")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How held-out text is scored: a window moves over each slice by a stride.

    Only the first ``tokens`` tokens of a slice count. ``noise`` is the size of the Gaussian noise
    added to every block's output: its standard deviation, as a share of the RMS of the token's
    vector.

    Raises:
        NoisefloorError: the stride would skip tokens, no token would count, or the noise is not a
            finite share of 0 or more.
    """

    window: int = _key(512, "the number of tokens that the model sees at once")
    stride: int = _key(256, "the tokens by which the window moves on, at most the window")
    tokens: int = _key(8192, "the first tokens of a slice that count, at least 1")
    noise: float = _key(0.0, "noise on every block's output, as a share of its RMS, 0 or more")

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.window or self.tokens < 1:
            raise NoisefloorError(
                f"scoring: window={self.window}, stride={self.stride}, tokens={self.tokens}; "
                "expected 1 ≤ stride ≤ window and at least one token"
            )
        if not 0 <= self.noise < math.inf:
            raise NoisefloorError(f"scoring: noise={self.noise}; expected a share of 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """One adapter to train: everything its tensors depend on, and nothing else.

    ``text`` is the hash of the cleaned text that the arm reads. It is empty if the arm reads no
    text. ``kernel`` says how the LM head computes its products. ``method``, ``arm`` and ``kernel``
    carry their versions (``norm-only/1``).
    """

    base: str
    method: str
    user: str
    text: str
    arm: str
    recipe: Recipe
    kernel: str
    seed: int
    device: str
    torch: str

    @property
    def key(self) -> str:
        """The name of this run's adapter in the store (hex)."""
        return digest(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSpec:
    """One slice to score under one adapter.

    ``adapter`` is the adapter's key, or ``untrained``, or says which step down which gradient.
    """

    base: str
    adapter: str
    slice: str
    scoring: Scoring
    prefix: str
    scorer: str
    kernel: str
    device: str
    torch: str

    @property
    def key(self) -> str:
        """The name of these scores in the store (hex)."""
        return digest(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientSpec:
    """The gradient of the mean NLL of some slices, at the values that a method starts from.

    ``slices`` are the hashes of their texts, in order. ``gradient`` is the version of the code.
    """

    base: str
    method: str
    slices: tuple[str, ...]
    scoring: Scoring
    prefix: str
    scorer: str
    gradient: str
    kernel: str
    device: str
    torch: str

    @property
    def key(self) -> str:
        """The name of this gradient in the store (hex)."""
        return digest(asdict(self))


UNTRAINED = "untrained"

END, BOS = "end-of-text", "bos"
"""What stands in front of a scored document, as keys and result files have it."""


DEFAULT_BASE = "reference"

DEVICES = ("auto", "mps", "cuda", "cpu")
"""What a session or a command may name as its device."""

SHARED_OPTIONS = {
    "bet": (
        "bet60",
        "bet to judge by: a registered one, or a bet file (.toml) of your own, whose results are "
        "marked UNREGISTERED until a LOCK beside it names it, or PLANTED where it says so",
    ),
    "base": (
        DEFAULT_BASE,
        "base to train on: reference, smollm2-135m, tiny, a folder with config.json and "
        "safetensors weights, or a hub id; append +ternary to make its weights ternary",
    ),
    "users": (
        "shipped",
        "users' texts: 'shipped' (programmer, novelist, scientist) or a folder; on other texts "
        "than the bet's, results are marked UNREGISTERED",
    ),
    "device": ("auto", "auto (mps, then cuda, then cpu), mps, cuda or cpu"),
    "out": (".", "folder for results/, out/ and the store of everything trained"),
}
"""Default and description of each option that pytest's plugin and the command share."""
