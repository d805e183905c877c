"""Folders as models commonly come, whose weights nobody loads here."""

import json

COMMON = {
    "config.json": {"model_type": "llama", "transformers_version": "4.40.0"},
    "model.safetensors": "weights",
    "README.md": "words",
    "generation_config.json": {"eos_token_id": 0},
}


def fast(model, *special, **vocabulary):
    """A tokenizer.json whose special tokens come first."""
    added = [{"id": at, "content": name, "special": True} for at, name in enumerate(special)]
    vocabulary = {**{name: at for at, name in enumerate(special)}, **vocabulary}
    return {
        "version": "1.0",
        "added_tokens": added,
        "model": {"type": model, "vocab": vocabulary},
    }


ROLES = {f"{role}_token": "<|endoftext|>" for role in ("bos", "eos", "unk")}
ORDINARY = {
    "GPT-2": {
        "tokenizer.json": fast("BPE", "<|endoftext|>", a=1, b=2),
        "tokenizer_config.json": {
            **ROLES,
            "tokenizer_class": "GPT2Tokenizer",
            "model_max_length": 1024,
            "add_prefix_space": False,
        },
        "special_tokens_map.json": ROLES,
        "vocab.json": {"a": 1, "b": 2},
        "merges.txt": "a b",
    },
    "BERT": {
        "tokenizer.json": fast("WordPiece", "[PAD]", "[UNK]", "[CLS]", a=3),
        "tokenizer_config.json": {
            "tokenizer_class": "BertTokenizer",
            "unk_token": "[UNK]",
            "pad_token": "[PAD]",
            "do_lower_case": True,
        },
        "special_tokens_map.json": {"unk_token": "[UNK]"},
        "vocab.txt": "[PAD]\n[UNK]\n[CLS]\na\n",
    },
    "Llama": {
        "tokenizer.json": fast("BPE", "<unk>", "<s>", "</s>", a=3),
        "tokenizer.model": "pieces",
        "tokenizer_config.json": {
            "tokenizer_class": "LlamaTokenizer",
            "bos_token": {"content": "<s>", "lstrip": False},
            "add_bos_token": True,
        },
    },
    "a slow tokenizer": {
        "vocab.txt": "[PAD]\n[UNK]\na\n",
        "tokenizer_config.json": {"do_lower_case": False},
        "special_tokens_map.json": {"unk_token": "[UNK]"},
    },
}


def write_ordinary(folder, name):
    for file, content in {**COMMON, **ORDINARY[name]}.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / file).write_text(text)
