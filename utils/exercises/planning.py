"""The exercises of notebook 04: plan the course's recipe on a card, shorten the rows, and count the tokens of one's own pictures."""

import functools

LENGTHS = (1024, 2048, 4096, 8192)
SYSTEMS = {"LLaVA-1.5": "llava-hf/llava-1.5-13b-hf", "LLaVA-NeXT": "llava-hf/llama3-llava-next-8b-hf"}
SHOWN_GPU = "a100-80"


@functools.cache
def plan_of(card: str, length: int = 2048) -> dict:
    """The course's own recipe at a100 on a card, as `report` plans it; raises UserError for an unknown card."""
    from utils.scales import A100
    from utils.training.gpus import gpu
    from utils.training.plan_page import report
    from utils.training.recipes import LLAVA_PT

    return report(LLAVA_PT, LLAVA_PT.stages[0], A100, gpu(card), length=length)


def own_card(answer: dict) -> str:
    """a dict with "gpu" (a name of utils/training/gpus.py), "total" in GB (10^9 bytes), "fits" (True or False) and "change" (a list of names)

    Copy: `report` for the course's recipe, on another card than the notebook's.
    """
    card, total, fits, change = (answer[key] for key in ("gpu", "total", "fits", "change"))
    if card.lower() == SHOWN_GPU:
        return f"the card: section 5's bars are planned on {SHOWN_GPU}; choose another"
    plan = plan_of(card.lower())
    if abs(total - plan["total"] / 2**30) < 0.05:
        return "the unit of “total”: this is GiB; cards and the planner count GB of 10^9 bytes"
    if plan["change"] and abs(total - plan["change"]["total"] / 1e9) < 0.05:
        return "“total”: this is what remains after the change; wanted is the recipe as it stands"
    if abs(total - plan["total"] / 1e9) > 0.5:
        return "“total”: take `plan['total']` of the recipe as it stands, in GB"
    if bool(fits) != bool(plan["fits"]):
        return "“fits”: compare the total with the room, which is less than the card's memory"
    names = plan["change"]["names"] if plan["change"] else []
    if list(change) != names:
        return "“change”: `plan['change']['names']` lists all that has to change together; an empty list where nothing helps or nothing must"
    return ""


def half_the_length(answer: dict) -> str:
    """a dict with "ratios", from each part of the plan that is not 0 to its bytes at 1,024 over those at 2,048, and "text", tokens left for words

    Adapt: the same plan with rows of half the length, part by part.
    """
    from utils.training.planner import PROMPT

    long, short = plan_of(SHOWN_GPU)["parts"], plan_of(SHOWN_GPU, 1024)["parts"]
    wanted = {part: short[part] / size for part, size in long.items() if size}
    got = {str(part): float(ratio) for part, ratio in dict(answer["ratios"]).items()}
    text, image = int(answer["text"]), plan_of(SHOWN_GPU)["image_tokens"]
    if set(got) != set(wanted):
        stray = sorted(set(wanted) ^ set(got))
        return f"the parts: {stray[0]!r} is missing, is no part, or is 0 in both plans"
    wrong = [part for part in wanted if abs(got[part] - wanted[part]) > 0.02]
    if wrong and all(abs(got[part] * wanted[part] - 1) < 0.05 for part in wanted):
        return "which plan is divided by which: 1,024 over 2,048"
    if wrong:
        why = (
            "what learns or lies still does not know how long a row is"
            if wanted[wrong[0]] == 1
            else "it grows with tokens, but not each part in step"
        )
        return f"the ratio of {wrong[0]!r}: {why}"
    if text != 1024 - image - PROMPT:
        return f"“text”: of 1,024 tokens the picture takes {image}, and the system text `PROMPT` of utils/training/planner.py"
    return ""


def own_pictures(answer: dict) -> str:
    """a dict with "sizes", at least five (width, height) in pixels, "text", tokens of your longest conversation, and, for "LLaVA-1.5" and "LLaVA-NeXT", (mean image tokens, shortest row that holds the largest)

    Own data: pictures of one's own, counted before any model sees them. Rows may have 1,024, 2,048, 4,096 or 8,192 tokens.
    """
    from utils.models.shapes import true_shape
    from utils.models.tiling import picture_tokens
    from utils.training.planner import PROMPT

    sizes, text = [(int(width), int(height)) for width, height in answer["sizes"]], int(answer["text"])
    if len(sizes) < 5 or min(min(size) for size in sizes) < 1 or text < 1:
        return "the sizes: at least five pictures, in pixels, and a conversation of at least one token"
    if len({width >= height for width, height in sizes}) < 2:
        return "the shapes: take pictures in landscape and in portrait, for tiles depend on the shape"
    for name, shape in SYSTEMS.items():
        mean, row = answer[name]
        config = true_shape(shape)
        counts = [picture_tokens(config, (height, width)) for width, height in sizes]
        turned = [picture_tokens(config, size) for size in sizes]
        if abs(mean - sum(counts) / len(counts)) > 0.5:
            if counts != turned and abs(mean - sum(turned) / len(turned)) <= 0.5:
                return f"the order in {name}: `picture_tokens` takes (height, width), and a picture's `size` is (width, height)"
            return f"the mean of {name}: average `picture_tokens` over all your pictures"
        fitting = [length for length in LENGTHS if length >= max(counts) + PROMPT + text]
        if row != (fitting[0] if fitting else None):
            return f"the row of {name}: the largest picture, {PROMPT} tokens of system text and your conversation must fit; None if no row does"
    return ""


EXERCISES = {"04.1": own_card, "04.2": half_the_length, "04.3": own_pictures}
