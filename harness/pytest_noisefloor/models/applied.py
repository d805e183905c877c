"""Is an adapter applied: does it change the base's output through every tensor that it names?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_noisefloor._files import expanded

from .adapters import AdapterError, Attached, GivenAdapter, attached
from .fingerprint import base_fingerprints, listed_tokens
from .head import logits
from .probe import probe_ids

if TYPE_CHECKING:
    from torch import Tensor

    from .base import Base


class State(StrEnum):
    """What came of a check."""

    OK = "ok"
    FAILED = "failed"
    UNCLEAR = "unclear"


class Finding(NamedTuple):
    """What one check found of an adapter, and what to do about it."""

    check: str
    state: State
    figure: str
    advice: str = ""


class AppliedAdapter(NamedTuple):
    """What all checks found of one adapter."""

    name: str
    findings: list[Finding]

    @property
    def usable(self) -> bool:
        """Whether texts can be scored under it."""
        return not any(finding.check in ("fit", "numbers") for finding in self.findings)

    @property
    def state(self) -> State:
        """Failed if a check failed, else unclear if one is."""
        states = {finding.state for finding in self.findings}
        return next((s for s in (State.FAILED, State.UNCLEAR) if s in states), State.OK)


def check_applied(base: Base, adapters: Sequence[GivenAdapter]) -> Iterator[AppliedAdapter]:
    """Check adapters one after another, each on a copy of the base, on the CPU.

    Raises:
        AdapterError: a file cannot be read, PEFT is not installed, or an adapter's type is not
            supported.
        BaseError: the base cannot be loaded.
    """
    for given in adapters:
        given.check_supported()
    equal = _equal(adapters)
    for given in adapters:
        findings = [*_of_values(given), *_of_base(base, given), *_of_effect(base, given)]
        if given.name in equal:
            findings.append(
                Finding(
                    "its own",
                    State.FAILED,
                    f"equal to the last bit to that of {equal[given.name]}",
                    "look for a trainer that saved one user's adapter for two",
                )
            )
        yield AppliedAdapter(given.name, findings)


def _equal(adapters: Sequence[GivenAdapter]) -> dict[str, str]:
    """Of each adapter that equals another one, that one's name."""
    found: dict[str, str] = {}
    first: dict[str, str] = {}
    for given in adapters:
        earlier = first.setdefault(given.digest, given.name)
        if earlier != given.name:
            found[given.name] = earlier
            found.setdefault(earlier, given.name)
    return found


def _of_values(given: GivenAdapter) -> Iterator[Finding]:
    import torch

    tensors = given.tensors
    count = sum(tensor.numel() for tensor in tensors.values())
    dtypes = ", ".join(sorted({_dtype(tensor) for tensor in tensors.values()}))
    bad = [name for name, tensor in tensors.items() if not torch.isfinite(tensor.float()).all()]
    zero = [name for name, tensor in tensors.items() if not tensor.any()]
    if not count:
        yield Finding("values", State.FAILED, "no values in the file", "save the adapter again")
    elif bad:
        yield Finding(
            "numbers",
            State.FAILED,
            f"{_some(bad, tensors)} hold values that are no numbers",
            "look whether the training's loss diverged",
        )
    elif zero:
        yield Finding(
            "values",
            State.FAILED,
            f"{_some(zero, tensors)} are all 0",
            "look whether they trained; LoRA's B begins at 0",
        )
    else:
        yield Finding("values", State.OK, f"{count:,} values of {dtypes}")


def _of_base(base: Base, given: GivenAdapter) -> Iterator[Finding]:
    named = given.config.get("base_model_name_or_path")
    advice = "name by --base the model that it was trained on"
    if not isinstance(named, str) or not named:
        yield Finding("base", State.UNCLEAR, "its config names no base", advice)
    elif (folder := expanded(named)).is_dir() and base.model_fingerprint:
        if base_fingerprints(folder, None)[0] == base.model_fingerprint:
            yield Finding("base", State.OK, f"trained on {named}, whose weights are these")
        else:
            said = f"trained on {named}, whose weights are others"
            yield Finding("base", State.FAILED, said, advice)
    elif named.rpartition("/")[2].lower() == base.name.rpartition("/")[2].lower():
        yield Finding("base", State.OK, f"trained on {named}, by its config")
    else:
        said = f"trained on {named}, by its config; the base here is {base.name}"
        yield Finding("base", State.UNCLEAR, said, advice)


def _of_effect(base: Base, given: GivenAdapter) -> Iterator[Finding]:
    """What the adapter does in the base, if it fits."""
    import torch

    model: Any = deepcopy(base.shared_model("cpu"))  # PEFT may change weights of the base
    rows = len(model.get_input_embeddings().weight)
    if (fast := given.folder / "tokenizer.json").is_file() and len(listed_tokens(fast)) > rows:
        yield Finding(
            "tokenizer",
            State.FAILED,
            f"{len(listed_tokens(fast))} tokens in the tokenizer beside it, {rows} in the base",
            "resize the base's embeddings as its training did",
        )
    ids = probe_ids(rows, torch.device("cpu"))
    with torch.no_grad():
        before = logits(model, ids).clone()
    values = dict(model.named_parameters())
    kinds = {path: type(module).__name__ for path, module in model.named_modules()}
    try:
        with attached(model, given) as found:
            yield from _of_names(given, found, kinds)
            yield from _of_starts(given, found, values)
            yield from _of_logits(found, before, logits(model, ids))
    except AdapterError as error:
        yield Finding(
            "fit", State.FAILED, str(error), "compare its config and its shapes with the base"
        )


def _of_names(given: GivenAdapter, found: Attached, kinds: Mapping[str, str]) -> Iterator[Finding]:
    advice = "save it by PEFT's save_pretrained, from the model as PEFT wrapped it"
    if found.missing:
        said = f"{_some(found.missing, found.asked)} are not in the file"
        yield Finding("names", State.FAILED, said, advice)
    if found.unexpected:
        said = f"{_some(found.unexpected, given.tensors)} find no place"
        yield Finding("names", State.FAILED, said, advice)
    named = given.config.get("target_modules")
    listed = named if isinstance(named, list) else []  # or an expression
    nowhere = [
        target for target in listed if not any(f".{path}".endswith(f".{target}") for path in kinds)
    ]
    if nowhere:
        said = f"{len(nowhere)} of {len(listed)} modules that its config names are not in the base"
        yield Finding(
            "modules", State.FAILED, f"{said}, {nowhere[0]} among them", "correct the config"
        )
    else:
        changed = Counter(kinds.get(path, "module") for path in found.targeted)
        of = Counter(kinds.values())
        parts = [f"{count} of {of[kind]} {kind}" for kind, count in sorted(changed.items())]
        yield Finding("modules", State.OK, f"changes {', '.join(parts)}")


def _of_starts(
    given: GivenAdapter, found: Attached, values: Mapping[str, Tensor]
) -> Iterator[Finding]:
    """Tensors that take the place of the base's own, such as gains, must differ from these."""
    began = {
        name: values[own]
        for name in found.tensors
        if (own := _own_name(name)) in values and values[own].shape == found.tensors[name].shape
    }
    same = [name for name, value in began.items() if (found.tensors[name] == value).all()]
    if same:
        yield Finding(
            "starts",
            State.FAILED,
            f"{_some(same, began)} have the base's own values",
            "look whether they trained, and whether they were saved in the dtype of the training",
        )
    elif began:
        equal = sum(int((found.tensors[n] == value).sum()) for n, value in began.items())
        count = sum(value.numel() for value in began.values())
        coarse = sorted({_dtype(t) for t in given.tensors.values()} - {"float32", "float64"})
        said = f"{equal / count:.0%} of {count:,} values are the base's own"
        if coarse and equal > count / 2:
            advice = f"train and save in float32: {coarse[0]} rounds small steps away"
            yield Finding("starts", State.FAILED, said, advice)
        else:
            yield Finding("starts", State.OK, said)


def _of_logits(found: Attached, before: Tensor, after: Tensor) -> Iterator[Finding]:
    import torch

    moved = float((after - before).detach().abs().max() / before.abs().max())
    if not isfinite(moved):
        yield Finding("numbers", State.FAILED, "logits are no numbers", "look at its values")
        return
    if moved == 0:
        yield Finding(
            "effect",
            State.FAILED,
            "no logit changes",
            "look at its scale (lora_alpha) and whether it trained",
        )
        return
    gradients = torch.autograd.grad(
        after.square().sum(), [*found.tensors.values()], allow_unused=True
    )
    idle = [
        name
        for name, gradient in zip(found.tensors, gradients, strict=True)
        # a probe is too short to go to every expert
        if (gradient is None or not gradient.any()) and "expert" not in name
    ]
    if idle:
        said = f"{_some(idle, found.tensors)} do nothing"
        yield Finding("effect", State.FAILED, said, "look whether they trained")
    else:
        yield Finding("effect", State.OK, f"logits move by up to {moved:.1%} of the largest")


def _some(names: Sequence[str], of: Collection[str]) -> str:
    return f"{len(names)} of {len(of)} tensors, {names[0]} among them,"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _own_name(name: str) -> str:
    """The name of the base's parameter in whose place PEFT puts one of its own."""
    plain = name.removeprefix("base_model.model.")
    return plain.replace(".ln_tuning_layers", "").replace(".modules_to_save", "")
