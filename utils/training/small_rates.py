"""The rates of the tiny scale: what a model hundreds of times narrower takes instead of a system's own, stage by stage."""

import dataclasses

from utils.scales import Scale
from utils.training.recipes import Recipe, Stage

# (start, stage) -> what the scale's rate is multiplied by. A start is a hub id, as in Recipe.shape: a recipe under another name, or with
# fewer stages, keeps its rates. All are ours, found by trial; the ratio between the parts of a stage stays the source's.
RATES = {
    # 1e-5 becomes 1e-3, the rate that made the English base: at 1.5e-4 a few hundred steps teach next to nothing.
    **dict.fromkeys([("llava-hf/llama3-llava-next-8b-hf", stage) for stage in ("adapt", "short", "long")], 100 / 15),
    ("amalia-llm/AMALIA-VL-SFT", "align"): 0.02,  # the base's projector is trained already: 3e-4, as llava-pt gives it
    ("amalia-llm/AMALIA-VL-SFT", "instruct"): 100 / 15,
    ("amalia-llm/AMALIA-VL-SFT", "prefer"): 6.0,  # at 20 the model lost its words within twenty steps
    # 5e-3 times 15 breaks the projection; the rest of mBLIP takes the scale's rate as it is.
    ("Gregor/mblip-mt0-xl", "warmup"): 1 / 15,
}


def at_size(scale: Scale, recipe: Recipe, stage: Stage) -> Scale:
    """The scale with the rate that this stage takes there; scales of full size keep theirs, which is 1."""
    factor = RATES.get((recipe.shape, stage.name), 1.0) if scale.weights == "data" else 1.0
    return dataclasses.replace(scale, rate=scale.rate * factor)
