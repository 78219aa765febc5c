"""Where a run is trained: CUDA, Apple's MPS or the CPU, whatever is there, from the same code.

CUDA and MPS have not been tried by the project itself: no machine at hand has them.
"""

from __future__ import annotations

import torch


def best_device() -> torch.device:
    """The accelerator of this machine, or its CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice; the CPU allocator has no class of its own for that."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "alloc" in str(error).lower() and "memory" in str(error).lower()
