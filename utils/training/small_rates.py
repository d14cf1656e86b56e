"""The rates of the tiny scale: what a model hundreds of times narrower takes instead of a system's own, stage by stage."""

import dataclasses

from utils.scales import Scale
from utils.training.recipes import Recipe, Stage

# (start, stage) -> what its rates are multiplied by, beside the scale's own factor; by part where the parts differ. A start is a hub id,
# as in Recipe.shape: a recipe under another name, or with fewer stages, keeps its rates. All are ours, found by trial.
RATES = {
    # 1e-5 becomes 1e-3, the rate that made the English base: at 1.5e-4 a few hundred steps teach next to nothing.
    **dict.fromkeys([("llava-hf/llama3-llava-next-8b-hf", stage) for stage in ("adapt", "short", "long")], 100 / 15),
    # The base's projector is trained already: 3e-4, as llava-pt gives it.
    **dict.fromkeys([("llava-hf/llama3-llava-next-8b-hf", "align"), ("amalia-llm/AMALIA-VL-SFT", "align")], 0.02),
    ("amalia-llm/AMALIA-VL-SFT", "instruct"): 100 / 15,
    ("amalia-llm/AMALIA-VL-SFT", "prefer"): 10.0,  # at 6 the variety moves by half as much; at 20 seeing suffers
    ("Gregor/mblip-mt0-xl", "warmup"): 1 / 15,  # 5e-3 in all: fifteen times as much breaks the projection
    # A projection that meets its language model anew has 80,000 steps in mBLIP and a few hundred here; the adapter's rate stays.
    **dict.fromkeys([(f"Gregor/mblip-{name}", "instruct") for name in ("mt0-xl", "bloomz-7b")], {"projector": 20.0, "resampler": 4.0}),
}


def at_size(scale: Scale, recipe: Recipe, stage: Stage) -> Stage:
    """The stage with the rates that it takes at a scale; at full size, where the scale's own factor is 1, the source's stay."""
    factors = RATES.get((recipe.shape, stage.name)) if scale.weights == "data" else None
    if factors is None or stage.tune is None:
        return stage
    of_part = lambda part: factors if isinstance(factors, float) else factors.get(part, 1.0)  # noqa: E731
    return dataclasses.replace(stage, tune={part: dataclasses.replace(how, lr=how.lr * of_part(part)) for part, how in stage.tune.items()})
