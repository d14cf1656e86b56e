"""One training run in several processes: who decides, who writes, who waits; a run of one process passes through untouched."""

import datetime
import os
from collections.abc import Callable
from typing import Any

PATIENCE = datetime.timedelta(hours=2)  # the others wait so long while the main process merges and writes a big model


def count() -> int:
    """How many processes work together, as `accelerate launch` tells them; 1 without it."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def is_main() -> bool:
    """Whether this process writes folders, locks, lines and models."""
    return int(os.environ.get("RANK") or 0) == 0


def join(device: str) -> None:
    """Meet the other processes, over gloo for "cpu" and nccl for "cuda"; each takes its own GPU."""
    if count() > 1:
        from accelerate import PartialState

        PartialState(cpu=device == "cpu", timeout=PATIENCE)


def wait() -> None:
    """Go on when every process has come here."""
    if count() > 1:
        import torch.distributed

        torch.distributed.barrier()


def agreed(decide: Callable[[], Any]) -> Any:
    """What `decide` returns in the main process, in every process; the others do not call it, and wait for it."""
    if count() == 1:
        return decide()
    import torch.distributed

    box = [decide() if is_main() else None]
    torch.distributed.broadcast_object_list(box)
    return box[0]
