"""What a ternary base takes when it is packed: five trits a byte."""

import math

TRITS_PER_BYTE = 5
"""As many as go into one: 3⁵ = 243."""


def packed_bytes(model):
    """Bytes of a model's parameters with five trits a byte; any device, the meta device too.

    Each matrix is packed for itself and has its scale in fp32 beside it; what is no matrix is fp32.
    """
    total = 0
    for weight in model.parameters():
        if weight.ndim > 1:
            matrices, trits = math.prod(weight.shape[:-2]), math.prod(weight.shape[-2:])
            total += matrices * (math.ceil(trits / TRITS_PER_BYTE) + 4)
        else:
            total += 4 * weight.numel()
    return total
