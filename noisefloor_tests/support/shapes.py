"""Shapes of models: the reference base's, and any that an architecture allows."""

from hypothesis import strategies as st

REFERENCE = {
    "vocab_size": 49_152,
    "hidden_size": 256,
    "intermediate_size": 688,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "tie_word_embeddings": True,
}

LAYERS, HEADS, WIDTHS = st.integers(1, 4), st.integers(1, 4), st.sampled_from([4, 8, 16])


@st.composite
def shapes(draw, *, grouped=True, width_of_heads=False, **more):
    """Settings of a configuration: blocks, heads and sizes as the architecture allows them."""
    heads, width = draw(HEADS), draw(WIDTHS)
    drawn = {
        "num_hidden_layers": draw(LAYERS),
        "num_attention_heads": heads,
        "hidden_size": heads * width,
        "vocab_size": draw(st.integers(2, 300)),
        "tie_word_embeddings": draw(st.booleans()),
    }
    if grouped:
        shared = [n for n in range(1, heads + 1) if heads % n == 0]
        drawn["num_key_value_heads"] = draw(st.sampled_from(shared))
    if width_of_heads:  # free of the hidden size
        drawn["head_dim"] = draw(WIDTHS)
    return drawn | {name: draw(strategy) for name, strategy in more.items()}
