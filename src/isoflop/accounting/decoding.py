"""Generating tokens: the cache of keys and values, and how fast memory and arithmetic let a model answer."""

from __future__ import annotations

from dataclasses import dataclass

from isoflop.accounting.architecture import Architecture
from isoflop.accounting.conventions import forward_flops_of
from isoflop.accounting.hardware import Device
from isoflop.accounting.parameters import count_architecture
from isoflop.errors import UsageError

BYTES_OF_16_BITS = 2.0


@dataclass(frozen=True)
class Decoding:
    """One step of generation for a batch of sequences: bytes read, FLOP, and the time neither can beat.

    `bound` says which of the two sets `seconds`. It is a lower bound: no kernel reaches the peak of both.
    """

    weight_bytes: float
    cache_bytes: float
    flops: float
    seconds: float
    bound: str
    tokens_per_second: float


def cache_bytes_per_token(architecture: Architecture, bytes_per_value: float = BYTES_OF_16_BITS) -> float:
    """Bytes of keys and values that one token leaves in the cache: 2 L K bytes, K the width of all key heads.

    Example:
        >>> cache_bytes_per_token(Architecture(layers=80, width=8192, heads=64, kv_heads=8, head_width=128,
        ...     feedforward=28672, gated=True, vocab=32000, context=4096))
        327680.0
    """
    return 2 * architecture.layers * architecture.kv_width * bytes_per_value


def weights_read(architecture: Architecture, batch: int) -> float:
    """Parameters that one step reads for `batch` tokens: of a mixture, the experts that any of them visits.

    A router that picks k of E experts evenly leaves an expert unvisited with probability (1 − k/E)^batch. Of the
    embedding only one row a token is read, which is left out unless it is tied to the unembedding.
    """
    count = count_architecture(architecture)
    visited = 0.0
    if (experts := architecture.experts) is not None:
        one = architecture.expert_layers * architecture.feedforward_matrices * architecture.width * experts.feedforward
        fraction = 1 - (1 - experts.per_token / experts.count) ** batch
        visited = one * (experts.count * fraction - experts.per_token)
    unembedding = count.unembedding or count.embedding
    return count.active_non_embedding + unembedding + visited


def decode(
    architecture: Architecture,
    device: Device,
    *,
    devices: int = 1,
    batch: int = 1,
    cached_tokens: int,
    bytes_per_weight: float = BYTES_OF_16_BITS,
    bytes_per_value: float = BYTES_OF_16_BITS,
) -> Decoding:
    """The fastest step in which `devices` devices can extend `batch` sequences of `cached_tokens` tokens by one each.

    seconds = max((weights + cache) / bandwidth, FLOP / peak), both over all devices and without communication.

    Raises:
        UsageError: a count below one.
    """
    for name, value in (("devices", devices), ("batch", batch), ("cached_tokens", cached_tokens)):
        if value < 1:
            raise UsageError(f"{name}={value} must be at least 1.")
    weight_bytes = weights_read(architecture, batch) * bytes_per_weight
    cache_bytes = batch * cached_tokens * cache_bytes_per_token(architecture, bytes_per_value)
    flops = float(batch * forward_flops_of(architecture, context=cached_tokens).products)
    reading = (weight_bytes + cache_bytes) / (devices * device.bandwidth)
    computing = flops / (devices * device.peak_flops)
    seconds = max(reading, computing)
    bound = "memory" if reading >= computing else "arithmetic"
    return Decoding(weight_bytes, cache_bytes, flops, seconds, bound, batch / seconds)
