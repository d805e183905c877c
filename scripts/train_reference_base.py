r"""Train the reference base: one command, seeded, resumable, with the time left.

    python scripts/train_reference_base.py --mix build/mix --work build/base \
        --out fixtures/bases/reference

Four fifths of this model's arithmetic is the projection to its vocabulary, so most steps estimate
the softmax from about a sixth of it (see `candidates`); the last ones use it all. Block matrices
are trained by Muon (Jordan et al. 2024), the tied embeddings and the gains by AdamW. Stopped at
any moment, the same command goes on from the last checkpoint; every draw is a function of the
seed and the step. The number of steps is fixed: held-out figures are recorded and stop nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from reference_muon import Muon
from reference_softmax import Candidates, candidates, cross_entropy
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM

PARAMETERS = 15_747_328
GAINS = 2_304
CHECKPOINT_SECONDS = 60
HELDOUT_EVERY = 3  # one held-out window in three is scored at intervals, all of them at the end


@dataclass(frozen=True)
class Plan:
    """All that decides the weights, beside the mix and the kernels."""

    steps: int = 1_700
    full_from: float = 0.88  # share of the steps after which softmax and windows are whole
    drawn: int = 6_144  # ids drawn for a sampled softmax, beside the batch's own targets
    batch: int = 8
    window: int = 512  # tokens; read as two halves until `full_from`
    muon_lr: float = 0.02
    embedding_lr: float = 3e-3
    gain_lr: float = 3e-3
    warm_up: int = 50
    decay_from: float = 0.3  # share of the steps after which the rates fall, linearly, to zero
    clip: float = 1.0
    embedding_std: float = 0.05
    heldout_every: int = 150
    seed: int = 0

    def rate(self, step: int) -> float:
        """The share of each learning rate that is used at `step`."""
        left = (self.steps - step) / (self.steps * (1 - self.decay_from))
        return min(1.0, (step + 1) / self.warm_up, left)


def config() -> LlamaConfig:
    """The registered shape."""
    return LlamaConfig(
        vocab_size=49_152,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )


def first_embeddings(gguf: Path, size: int, std: float) -> Tensor:
    """SmolLM2's input embeddings on their first `size` principal components, rescaled."""
    (table,) = (t for t in GGUFReader(gguf).tensors if t.name == "token_embd.weight")
    rows = torch.from_numpy(dequantize(table.data, table.tensor_type).copy())  # (vocabulary, 576)
    rows = rows - rows.mean(0)
    _, vectors = torch.linalg.eigh(rows.T @ rows)  # eigenvalues ascend
    kept = rows @ vectors[:, -size:].flip(1)
    return kept * (std / kept.std())


def new_model(gguf: Path, plan: Plan) -> LlamaForCausalLM:
    """The model at step 0: embeddings from SmolLM2, blocks that add nothing yet."""
    torch.manual_seed(plan.seed)
    model = LlamaForCausalLM(config())
    embeddings = model.get_input_embeddings().weight
    gains = [p for p in model.parameters() if p.ndim == 1]
    if (n := sum(p.numel() for p in model.parameters())) != PARAMETERS:
        sys.exit(f"the model has {n} parameters, expected {PARAMETERS}")
    if (n := sum(p.numel() for p in gains)) != GAINS:
        sys.exit(f"the model has {n} gains, expected {GAINS}")
    with torch.no_grad():
        embeddings.copy_(first_embeddings(gguf, embeddings.shape[1], plan.embedding_std))
        for block in model.model.layers:
            block.self_attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
    return model


class Windows:
    """Windows of the training stream in a seeded order, each once an epoch."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.ids = np.fromfile(path, np.uint16)
        self.plan = plan
        self.count = (len(self.ids) - 1) // plan.window

    def batch(self, step: int) -> Tensor:
        """The ids of one step: (batch, window + 1)."""
        rows = []
        for i in range(step * self.plan.batch, (step + 1) * self.plan.batch):
            epoch, place = divmod(i, self.count)
            order = np.random.default_rng([self.plan.seed, epoch]).permutation(self.count)
            start = int(order[place]) * self.plan.window
            rows.append(self.ids[start : start + self.plan.window + 1].astype(np.int64))
        return torch.from_numpy(np.stack(rows))


@torch.no_grad()
def perplexity(model: LlamaForCausalLM, ids: np.ndarray, window: int, every: int = 1) -> float:
    """Perplexity of all ids but the first, over adjoining windows or one in `every`."""
    embeddings = model.get_input_embeddings().weight.detach()
    total = count = 0
    for start in range(0, len(ids) - 1, window * every):
        piece = torch.from_numpy(ids[start : start + window + 1].astype(np.int64))
        hidden = model.model(input_ids=piece[None, :-1], use_cache=False).last_hidden_state[0]
        total += float(cross_entropy(hidden, embeddings, piece[1:])) * (len(piece) - 1)
        count += len(piece) - 1
    return math.exp(total / count)


class Training:
    """Model, optimisers and curves: what a checkpoint holds."""

    def __init__(self, mix: Path, plan: Plan, *, fuse: bool = False) -> None:
        self.plan = plan
        self.windows = Windows(mix / "train.u16", plan)
        self.heldout = np.fromfile(mix / "heldout.u16", np.uint16)
        self.model = new_model(mix / "smollm2.gguf", plan)
        self.body = torch.compile(self.model.model, dynamic=False) if fuse else self.model.model
        self.embeddings = self.model.get_input_embeddings().weight
        self.embeddings.grad = torch.zeros_like(self.embeddings)
        gains = [p for p in self.model.parameters() if p.ndim == 1]
        self.muon = Muon([p for p in self.model.model.layers.parameters() if p.ndim > 1])
        self.adam = torch.optim.AdamW(
            [{"params": [self.embeddings]}, {"params": gains}],
            betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0, fused=True,
        )  # fmt: skip
        counts = np.bincount(self.windows.ids, minlength=self.model.config.vocab_size)
        self.unigram = torch.from_numpy(counts / counts.sum())
        self.done = 0
        self.seconds = 0.0
        self.curves: dict[str, list] = {"train": [], "heldout": []}

    def step(self) -> float:
        """One step; its training loss in nats per token, estimated while the softmax is sampled."""
        plan = self.plan
        ids = self.windows.batch(self.done)
        inputs, targets = ids[:, :-1], ids[:, 1:].flatten()
        if self.done < plan.full_from * plan.steps:
            inputs = inputs.reshape(-1, plan.window // 2)
            generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + self.done)
            chosen = candidates(targets, self.unigram, plan.drawn, generator)
        else:
            chosen = Candidates(None, targets, None)
        # The embeddings' gradient is gathered by hand: autograd would make three dense copies.
        looked_up = self.embeddings.detach()[inputs].requires_grad_()
        rows = self.embeddings.detach()
        rows = rows if chosen.ids is None else rows[chosen.ids]
        rows.requires_grad_()
        hidden = self.body(inputs_embeds=looked_up, use_cache=False).last_hidden_state
        loss = cross_entropy(hidden.flatten(0, 1), rows, chosen.targets, chosen.log_odds)
        loss.backward()
        gradient = self.embeddings.grad
        if chosen.ids is None:
            gradient.copy_(rows.grad)
        else:
            gradient.zero_().index_copy_(0, chosen.ids, rows.grad)
        gradient.index_add_(0, inputs.flatten(), looked_up.grad.flatten(0, 1))

        rate = plan.rate(self.done)
        rates = (plan.embedding_lr, plan.gain_lr)
        for group, lr in zip(self.adam.param_groups, rates, strict=True):
            group["lr"] = lr * rate
            torch.nn.utils.clip_grad_norm_(group["params"], plan.clip)
        self.adam.step()
        self.muon.step(plan.muon_lr * rate)
        for p in self.model.parameters():
            if p is not self.embeddings:
                p.grad = None
        self.done += 1
        return float(loss.detach())

    def save(self, path: Path) -> None:
        """Write a checkpoint; whoever stops in between leaves the one before."""
        state = {
            "plan": asdict(self.plan), "done": self.done, "seconds": self.seconds,
            "curves": self.curves, "model": self.model.state_dict(),
            "muon": self.muon.state, "adam": self.adam.state_dict(),
        }  # fmt: skip
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same plan."""
        state = torch.load(path, weights_only=True)
        if state["plan"] != asdict(self.plan):
            sys.exit(f"{path}: made under another plan; use an empty --work folder")
        self.model.load_state_dict(state["model"])
        self.adam.load_state_dict(state["adam"])
        self.muon.state, self.curves = state["muon"], state["curves"]
        self.done, self.seconds = state["done"], state["seconds"]

    def run(self, checkpoint: Path) -> None:
        """Train to the last step."""
        began = saved = time.monotonic()
        before, losses = self.seconds, []
        bar = tqdm(total=self.plan.steps, initial=self.done, unit="step", mininterval=5)
        while self.done < self.plan.steps:
            losses.append(self.step())
            bar.update()
            if self.done % 10 == 0:
                self.curves["train"].append([self.done, sum(losses) / len(losses)])
                bar.set_postfix(loss=f"{sum(losses) / len(losses):.3f}", refresh=False)
                losses = []
            if self.done % self.plan.heldout_every == 0:
                found = perplexity(self.model, self.heldout, self.plan.window, HELDOUT_EVERY)
                self.curves["heldout"].append([self.done, found])
                bar.write(f"step {self.done}: held-out perplexity {found:.2f}")
            self.seconds = before + time.monotonic() - began
            if time.monotonic() - saved > CHECKPOINT_SECONDS or self.done == self.plan.steps:
                self.save(checkpoint)
                saved = time.monotonic()
        bar.close()


def ship(training: Training, out: Path) -> dict[str, float]:
    """Write the weights in 16 bits and judge them, as read back, on the whole held-out text."""
    out.mkdir(parents=True, exist_ok=True)
    model = training.model
    weights = {n: p.detach().half() for n, p in model.named_parameters()}
    if not all(w.isfinite().all() for w in weights.values()):
        sys.exit("a weight does not fit into float16")
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)  # safetensors lets nobody else read it
    model.config.dtype = torch.float16
    model.config.architectures = [type(model).__name__]
    model.config.to_json_file(out / "config.json")
    exact = perplexity(model, training.heldout, training.plan.window)
    again = LlamaForCausalLM.from_pretrained(out, dtype=torch.float32)
    rounded = perplexity(again, training.heldout, training.plan.window)
    return {"fp32": exact, "stored": rounded}


def main() -> None:
    """Train, or go on training, and ship the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mix", type=Path, required=True, help="made by reference_mix.py")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and curves")
    parser.add_argument("--out", type=Path, required=True, help="where the weights go")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--fuse", action="store_true", help="torch.compile; needs a C++ compiler")
    options = parser.parse_args()
    for needed in ("train.u16", "heldout.u16", "smollm2.gguf"):
        if not (options.mix / needed).exists():
            sys.exit(f"{options.mix}: no {needed} there; make it with scripts/reference_mix.py")
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    training = Training(options.mix, Plan(), fuse=options.fuse)
    checkpoint = options.work / "checkpoint.pt"
    if checkpoint.exists():
        training.load(checkpoint)
    training.run(checkpoint)
    plan = training.plan
    record = {
        "plan": asdict(plan),
        "tokens_seen": plan.steps * plan.batch * plan.window,
        "seconds": round(training.seconds),
        "heldout_tokens": len(training.heldout) - 1,
        "heldout_perplexity": ship(training, options.out),
        "curves": training.curves,
    }
    (options.work / "record.json").write_text(json.dumps(record) + "\n")
    print(json.dumps(record["heldout_perplexity"]))


if __name__ == "__main__":
    main()
