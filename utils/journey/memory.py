"""The plans that notebook 04 draws: the thesis's three attempts and the course's own recipe, on one card."""

import dataclasses

from utils.scales import A100
from utils.training.gpus import gpu
from utils.training.plan_page import report
from utils.training.recipes import LLAVA_PT, Recipe, Tune

ONEVISION = "llava-hf/llava-onevision-qwen2-7b-ov-hf"


def _tuned(**tune: Tune) -> Recipe:
    """The thesis's recipe with other parts learning."""
    stage = dataclasses.replace(LLAVA_PT.stages[0], tune=tune)
    return dataclasses.replace(LLAVA_PT, stages=(stage,))


def attempts(card: str = "a100-80") -> dict[str, dict]:
    """name -> plan on a card: OneVision-7B in full, 13B with LoRA (as haotian-liu/LLaVA's script tunes it), 13B as the course does."""
    full = _tuned(**{part: Tune("full", 1e-5) for part in ("vision", "projector", "llm", "embeddings")})
    lora = _tuned(llm=LLAVA_PT.stages[0].tune["llm"], projector=LLAVA_PT.stages[0].tune["projector"])
    plans = {
        "OneVision-7B, full": (full, {"model": ONEVISION, "batch": 1, "length": 8192, "image_tokens": 7290, "views": 10}),
        "13B, LoRA, batch 1": (lora, {"batch": 1}),
        "13B, LoRA, batch 16": (lora, {}),
        "13B, LoRA and embeddings": (LLAVA_PT, {}),
    }
    return {name: report(recipe, recipe.stages[0], A100, gpu(card), **changes) for name, (recipe, changes) in plans.items()}
