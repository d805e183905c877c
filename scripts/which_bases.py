"""Write docs/bases.md: which architectures of transformers work, each tried as a tiny model.

    python scripts/which_bases.py

Every causal language model that transformers registers is built small, with weights drawn by a
fixed seed. Each goes through the checks that a session makes: its head against its own logits, that
it is causal, norm-only tried as any method is, a backward pass, and two adapters as one batch.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models import check_causal, lm_head, plain_torch
from pytest_noisefloor.report.layout import as_markdown
from pytest_noisefloor.training import METHODS, GuardedMethod, StackError, check_stackable

PAGE = Path(__file__).parents[1] / "docs" / "bases.md"

LARGEST = 20_000_000
"""Parameters above which a model is not tried: the common settings did not make it small."""

SMALL: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "num_local_experts": 2,
    "num_experts": 2,
    "n_routed_experts": 2,
    "num_experts_per_tok": 1,
    "moe_intermediate_size": 32,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 16,
    "v_head_dim": 16,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "rotary_dim": 8,
    "embedding_size": 32,
    "input_embedding_size": 32,
    "output_embedding_size": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
"""Settings that most configurations understand; each takes those that it has."""

HEAD = f"""# Which bases work

Each causal language model that transformers {transformers.__version__} registers was built as a
tiny model, with random weights, by `scripts/which_bases.py`, and put through the checks that a
session makes. *Works* means that its head gives the model's own logits, that it is causal, and that
norm-only trains its gains and leaves it as it was. *In batches*: adapters of it train together.
A model that is not in the table could not be built small by settings that all share; it may work.

"""


@dataclass(frozen=True)
class Tried:
    """What came of an architecture."""

    name: str
    result: str
    gains: str = ""
    batches: str = ""

    @property
    def row(self) -> str:
        """Its row of the table."""
        cells = (self.name, self.result, self.gains, self.batches)
        return f"| {' | '.join(map(as_markdown, cells))} |\n"


def main() -> None:
    """Try every architecture, and write the page."""
    warnings.simplefilter("ignore")
    found = sorted(tried(), key=lambda one: (one.result != "works", one.name.lower()))
    works = sum(one.result == "works" for one in found)
    rows = "".join(one.row for one in found)
    PAGE.write_text(
        f"{HEAD}{works} of {len(found)} work.\n\n"
        f"| model | result | gains | in batches |\n|---|---|---|---|\n{rows}",
        encoding="utf-8",
    )
    sys.stdout.write(f"{PAGE}: {works} of {len(found)} work\n")


def tried() -> Iterator[Tried]:
    """Yield what came of each architecture that could be built."""
    for kind, name in sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.items()):
        found = None
        for left_out in ((), ("head_dim",), ("num_key_value_heads", "head_dim")):
            try:
                model = built(kind, name, left_out)
            except Exception as error:  # noqa: BLE001 (whatever a constructor raises)
                sys.stderr.write(f"{name}: not built ({type(error).__name__})\n")
                continue
            found = result(name, model) if model is not None else found
            if found and "cannot be computed" not in found.result:
                break  # else its sizes may not fit each other
        if found:
            yield found


def built(kind: str, name: str, left_out: Sequence[str]) -> Any:
    """Build a small model, or None if the settings do not make it small."""
    classes: Any = transformers.CONFIG_MAPPING
    known = vars(classes[kind]()).keys() | (classes[kind].attribute_map or {}).keys()
    known -= {*left_out}
    config = classes[kind](**{key: value for key, value in SMALL.items() if key in known})
    make = getattr(transformers, name)
    with torch.device("meta"):
        if sum(p.numel() for p in make(config).parameters()) > LARGEST:
            return None
    torch.manual_seed(60)
    return make(config).float().eval().requires_grad_(False)


def result(name: str, model: Any) -> Tried:
    """Put a model through the checks."""
    with plain_torch("cpu"):
        try:
            head = lm_head(model)
            rows = len(head.weight)
            check_causal(model, rows)
            method = GuardedMethod(METHODS["norm-only"], rows)
            with method.attached(model) as tensors:
                gains = sum(tensor.numel() for tensor in tensors.values())
        except NoisefloorError as error:
            return Tried(name, f"refused: {error}")
        except Exception as error:  # noqa: BLE001 (this is what the table is to show)
            return Tried(name, f"FAILS: {type(error).__name__}: {str(error).splitlines()[:1]}")
        try:
            check_stackable(model, head, method)
        except StackError:
            return Tried(name, "works", f"{gains:,}", "no")
    return Tried(name, "works", f"{gains:,}", "yes")


if __name__ == "__main__":
    main()
