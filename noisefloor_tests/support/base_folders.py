"""A base in a folder, as anybody would have it, and ways to change it."""

import json

from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

KEPT = "model.safetensors"
INDEX = "model.safetensors.index.json"


def write_base(folder, model, end_of_text="<|endoftext|>"):
    """Save a model and a tokenizer of words w2, w3 …; return the files by name."""
    model.config.save_pretrained(folder)
    weights = {n: t for n, t in model.state_dict().items() if n != "lm_head.weight"}
    save_file(weights, folder / KEPT, {"format": "pt"})
    tokenizer(end_of_text).save(str(folder / "tokenizer.json"))
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def tokenizer(end_of_text):
    """Words w2, w3 … as tokens 2, 3 …"""
    vocabulary = {end_of_text: 0, "<unknown>": 1, **{f"w{n}": n for n in range(2, 64)}}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))  # noqa: S106
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens([end_of_text, "<unknown>"])
    return made


def bytes_and(folder, *names, **roles):
    """A tokenizer of 256 bytes and special tokens from 256 on, some of which have roles."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in names])
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(tokenizer_object=made, **roles).save_pretrained(folder)


def edit(file, **changes):
    """Change keys of a JSON file."""
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**content, **changes}))


def reweigh(file, **changes):
    """Change weights of a file; None takes one away."""
    weights = {**load_file(file), **changes}
    save_file({n: t for n, t in weights.items() if t is not None}, file, {"format": "pt"})


def shard(folder, names=("model-1.safetensors", "model-2.safetensors")):
    """Spread the weights of a folder over two files with an index."""
    weights = load_file(folder / KEPT)
    (folder / KEPT).unlink()
    placed = {name: names[at % 2] for at, name in enumerate(sorted(weights))}
    for file in names:
        save_file({n: weights[n] for n, f in placed.items() if f == file}, folder / file, FORMAT)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": placed}))


FORMAT = {"format": "pt"}
