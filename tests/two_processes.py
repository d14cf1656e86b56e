"""What tests/test_distributed.py runs twice: alone, and in each of two processes that `accelerate launch` started."""

import dataclasses
import sys
from pathlib import Path

from safetensors.torch import save_file

# Kind, batches a step, rate. All weights take small steps: Adam turns rounding into full steps where a gradient is nearly zero.
CASES = {"full": ("full", 1, 1.0), "full in two batches": ("full", 2, 1.0), "preference": ("preference", 1, 10.0)}


def run(corpus: Path, folder: Path) -> None:
    """Train every case in `folder` and save its weights there as `<case>.safetensors`."""
    from tests.training_runs import PLAN, train
    from utils.models.tokenizer import train_tokenizer
    from utils.training import processes

    processes.join("cpu")
    tokenizer = train_tokenizer(scenes=300)
    for case, (kind, accumulate, rate) in CASES.items():
        plan = dataclasses.replace(PLAN, steps=4, batch=4, rate=rate, accumulate=accumulate)
        model, _ = train(kind, tokenizer, corpus, folder / case, plan)
        if processes.is_main():
            save_file({name: value.clone() for name, value in model.state_dict().items()}, folder / f"{case}.safetensors")
        processes.wait()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    run(Path(sys.argv[1]), Path(sys.argv[2]))
