"""Users who each write with letters of their own, and LoRA adapters that PEFT trained on them."""

import warnings
from random import Random

import torch
from torch.nn import functional

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write_users(folder, names):
    """A folder of users; each writes random words of five letters of their own."""
    for number, name in enumerate(names):
        draw = Random(number)  # noqa: S311
        letters = draw.sample(LETTERS, 5)

        def text(count, letters=letters, draw=draw):
            words = ("".join(draw.choices(letters, k=draw.randint(2, 7))) for _ in range(count))
            return " ".join(words)

        (folder / name / "heldout").mkdir(parents=True)
        (folder / name / "train.txt").write_text(text(900))
        for piece in ("one", "two"):
            (folder / name / "heldout" / f"{piece}.txt").write_text(text(400))
    return folder


def train_adapter(folder, base, text, steps=40):
    """A LoRA adapter of a base, trained on a text and saved by PEFT."""
    import peft

    ids = torch.from_numpy(base.encode(text))
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        config = peft.LoraConfig(r=4, lora_alpha=16, target_modules="all-linear")
        model = peft.get_peft_model(base.model("cpu"), config)
        model.peft_config["default"].base_model_name_or_path = base.name
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)
        for step in range(steps):
            at = 128 * step % (len(ids) - 128)
            block = ids[at : at + 128].view(4, 32)
            logits = model(input_ids=block).logits[:, :-1]
            loss = functional.cross_entropy(logits.flatten(0, 1), block[:, 1:].flatten())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        model.save_pretrained(str(folder))
    return folder
