"""How many tokens sharing the picture saves on LLaVA-Instruct: computed from the published counts and file sizes, over a range of text lengths."""

from utils.training import planner
from utils.training.rehearsal_data import CHARACTERS, KINDS, MARKS, mean_tokens, text_tokens

IMAGE = 576  # LLaVA-1.5: 336 / 14 patches a side, squared (arXiv 2310.03744)
TARGET = 25.0  # per cent
DENSE = 3.0  # characters a token, assumed: fewer than in English, as in a language that the tokenizer knows less well
TEXTS = (150, 250, 400)
FORMULA = "saved = (C - P) x (image + prompt) / (C x (image + prompt + text)): each picture and its prompt once instead of once a conversation"
NUMBERS = (
    f"reported: C = {planner.CONVERSATIONS:,} conversations, P = {planner.PICTURES:,} pictures (counted by users of the files, haotian-liu/LLaVA "
    f"issue 657; 158K in arXiv 2304.08485), {IMAGE} image tokens; assumed: {planner.PROMPT} prompt tokens"
)


def saved(text: float, prompt: float = planner.PROMPT) -> float:
    """Share of all tokens that shared-image packs do not compute, with so many tokens of text a conversation, in per cent."""
    own, pictures, conversations = IMAGE + prompt, planner.PICTURES, planner.CONVERSATIONS
    separate = conversations * (own + text)
    return 100 * (separate - pictures * own - conversations * text) / separate


def break_even(target: float = TARGET, prompt: float = planner.PROMPT) -> float:
    """Text tokens a conversation at which the saving falls to `target` per cent."""
    return (IMAGE + prompt) * ((1 - planner.PICTURES / planner.CONVERSATIONS) * 100 / target - 1)


def most_text() -> float:
    """More text tokens a conversation than the file sizes allow: every byte is text, at DENSE characters a token, and the marks."""
    rows = sum(kind.rows for kind in KINDS)
    return sum(kind.bytes / DENSE + MARKS * kind.rounds * kind.rows for kind in KINDS) / rows


def shared_rows() -> list[dict]:
    """Rows for the table of `make bench-training`; nothing is timed."""
    told = mean_tokens()
    parts = ", ".join(f"{kind.name} {kind.bytes / 1e6:g} MB, {text_tokens(kind):.0f} tokens" for kind in KINDS)
    sizes = (
        f"{FORMULA}; {NUMBERS}; text {told:.0f} from the file sizes (reported: {parts}), less JSON's own bytes with an indent of 2, "
        f"{CHARACTERS} characters a token, {MARKS} tokens of marks a round, {KINDS[0].rounds} rounds a conversation (all assumed)"
    )
    limit, most = break_even(), most_text()
    return [
        _row("LLaVA-Instruct: tokens saved by sharing, text from the file sizes", saved(told), "%", TARGET, sizes),
        *(
            _row(f"LLaVA-Instruct: tokens saved by sharing, {text} text tokens{own}", saved(text), "%", TARGET, f"{FORMULA}; {NUMBERS}")
            for text, own in dict.fromkeys((n, " (the planner's)" if n == planner.TEXT else "") for n in (*TEXTS, planner.TEXT))
        ),
        _row(
            f"text tokens at which the saving falls to {TARGET:g} %", limit, "tokens", round(most, 1),
            f"target: more than the file sizes allow, every byte text at {DENSE} characters a token; {NUMBERS}",
        ),
    ]  # fmt: skip


def _row(measure: str, value: float, unit: str, target: float, how: str) -> dict:
    return {"measure": measure, "value": value, "unit": unit, "target": target, "meets": value >= target, "how": how}
