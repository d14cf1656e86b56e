"""The GPUs the planner knows: memory, peak speed and bandwidth from their makers' public data sheets, efficiency assumed."""

from dataclasses import dataclass

from utils.runs import UserError


@dataclass(frozen=True)
class Gpu:
    """One card. `memory` in bytes (the sheet's GB, times 10^9: cards show up to 7 % more, which stays as reserve),
    `peak` in dense 16-bit FLOP/s with 32-bit accumulation, `bandwidth` in bytes/s.

    `busy` is the share of the peak that training reaches. No sheet states it: it is assumed, for PyTorch with SDPA.
    """

    name: str
    memory: float
    peak: float
    bandwidth: float
    busy: float
    source: str
    note: str = ""


GPUS: dict[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        Gpu("t4", 16e9, 65e12, 320e9, 0.30, "NVIDIA T4 data sheet", "no bf16 units: the peak is fp16's, bf16 is emulated and slower"),
        Gpu("4090", 24e9, 165.2e12, 1008e9, 0.50, "NVIDIA Ada GPU architecture white paper, GeForce RTX 4090"),
        Gpu("a100-40", 40e9, 312e12, 1555e9, 0.50, "NVIDIA A100 data sheet, 40 GB SXM"),
        Gpu("a100-80", 80e9, 312e12, 2039e9, 0.50, "NVIDIA A100 data sheet, 80 GB SXM"),
        Gpu("h100", 80e9, 989.4e12, 3350e9, 0.40, "NVIDIA H100 data sheet, SXM, without sparsity"),
        Gpu("h200", 141e9, 989.4e12, 4800e9, 0.40, "NVIDIA H200 data sheet, SXM, without sparsity"),
    )
}

# Held back on every card, both assumed: the CUDA context with its libraries, and what the allocator loses between blocks.
CONTEXT = 1.0e9
FRAGMENTS = 0.05


def gpu(name: str) -> Gpu:
    """The card of that name, whatever the case; raises UserError naming the known ones."""
    if name.lower() not in GPUS:
        raise UserError(f"GPU {name!r} is unknown; use one of: {', '.join(GPUS)}")
    return GPUS[name.lower()]


def room(card: Gpu) -> float:
    """Bytes a training run may use: the memory without the context and the fragments."""
    return card.memory * (1 - FRAGMENTS) - CONTEXT
