"""Tensors moved, and tensors to the last bit."""

import torch


def shift(tensors):
    with torch.no_grad():
        for number, tensor in enumerate(tensors.values()):
            tensor.add_(0.1 * (number + 1))


def bits(tensors):
    return {name: tensor.tobytes() for name, tensor in tensors.items()}
