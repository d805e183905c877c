"""Adapters as PEFT saves them, and ways in which they come to be broken."""

import json
import warnings

import torch
from safetensors.torch import load_file, save_file

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def save_adapter(folder, base, kind, seed=0, **config):
    """An adapter of a PEFT class for a base, moved by normal draws as a training would."""
    import peft

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        model = peft.get_peft_model(
            base.model("cpu"), getattr(peft, kind)(task_type="CAUSAL_LM", **config)
        )
        model.peft_config["default"].base_model_name_or_path = base.name
        for tensor in model.parameters():
            if tensor.requires_grad:
                tensor.data += 0.05 * torch.randn(tensor.shape)
        model.save_pretrained(str(folder))
    return folder


def retensor(change):
    """Change the tensors of an adapter's file."""

    def alter(folder):
        save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)

    return alter


def reconfigure(**changes):
    """Change keys of an adapter's config."""

    def alter(folder):
        content = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps({**content, **changes}))

    return alter


def renamed(here, there):
    """Give all tensors other names."""
    return retensor(lambda tensors: {n.replace(here, there): t for n, t in tensors.items()})
