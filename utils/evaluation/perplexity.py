"""How much a model is surprised by the right answers: their likelihood, and perplexities that hide no item."""

import inspect
import math
from collections.abc import Sequence

from PIL import Image

from utils.runs import UserError

Item = tuple[float, int, int]  # sum of negative log likelihood in nats, answer tokens, answer characters


def summary(items: Sequence[Item], limit: float = 1000.0) -> dict:
    """Perplexities of a test set with (`all`) and without (`within`) the items over `limit`; every item is in a count.

    An item is (sum of negative log likelihood in nats, answer tokens, answer characters). Both groups hold `items`, `tokens`,
    `characters`, and perplexity `per_token` and `per_character`: `corpus` is exp(sum of nats / sum of tokens), in which each
    token weighs the same, and `mean` the mean of the items' own perplexities, which one item can rule. A value that
    has no item is None, one too big for a number is inf. Compare models with different tokenizers per character only.

    `outliers` lists the items (their position from 0, and perplexity) whose perplexity per token is over `limit`. LLaVA-NDiNO
    (swap-uniba/LLaVA-NDiNO, evaluate_ppl.py) drops those over 1000 without a count, which favours a model that fails often.
    `infinite` counts the items whose likelihood is 0. `empty` answers (no token or no character) and those `not_a_number`,
    listed by position, have no perplexity: they are in neither group. Raises UserError for a negative value.
    """
    _check(items)
    empty = [at for at, (_, tokens, characters) in enumerate(items) if not (tokens and characters)]
    told = {at: item for at, item in enumerate(items) if item[1] and item[2]}
    nan = [at for at, item in told.items() if math.isnan(item[0])]
    known = {at: item for at, item in told.items() if not math.isnan(item[0])}
    apart = {at: value for at, item in known.items() if (value := _exp(item[0] / item[1])) > limit}
    return {
        "items": len(items), "limit": limit, "all": _group(list(known.values())),
        "within": _group([item for at, item in known.items() if at not in apart]),
        "outliers": [{"item": at, "perplexity": value} for at, value in apart.items()],
        "infinite": sum(math.isinf(item[0]) for item in known.values()), "empty": empty, "not_a_number": nan,
    }  # fmt: skip


def _check(items: Sequence[Item]) -> None:
    """All problems at once."""
    wrong = [at for at, (nats, tokens, characters) in enumerate(items) if nats < 0 or tokens < 0 or characters < 0]
    if wrong:
        shown = ", ".join(map(str, wrong[:5])) + (" …" if len(wrong) > 5 else "")
        raise UserError(
            f"{len(wrong)} of {len(items)} items have a negative likelihood or length (counted from 0: {shown}); "
            "give the negative log likelihood, which is never below 0"
        )


def _exp(nats: float) -> float:
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def _group(items: list[Item]) -> dict:
    """Perplexities of some items that all have tokens, characters and a likelihood."""
    nats, tokens, characters = (_sum([item[part] for item in items]) for part in range(3))
    found = {"items": len(items), "tokens": int(tokens), "characters": int(characters)}
    for name, part, size in (("per_token", 1, tokens), ("per_character", 2, characters)):
        mean = _sum([_exp(item[0] / item[part]) for item in items]) / len(items) if items else None
        found[name] = {"corpus": _exp(nats / size) if items else None, "mean": mean}
    return found


def _sum(values: list[float]) -> float:
    """Exact, so that the order of the items changes nothing; inf where it is too big."""
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf


def answer_nll(
    model, tokenizer, pictures: Sequence[Image.Image], questions: Sequence[str], answers: Sequence[str], batch: int = 8, prompt: str = ""
) -> list[Item]:
    """For each answer given picture and question: negative log likelihood in nats, its tokens, and its characters; in order.

    Tokens are the answer's only, and the token that ends it: a model that would have gone on is surprised by the end. The
    end is no character. An answer is stripped first, as in training; an empty one is (0.0, 0, 0), and `summary` counts it.
    Without a `prompt` the format is the model's own, as in `generate.answer_all`. For the classes that take picture and text
    in one sequence. Raises UserError for a model with an encoder, and naming all rows that cannot be asked:
    control tokens, an empty question, longer than the model's positions.
    """
    import torch

    from utils.models.prompt_formats import PROMPTS

    if model.config.text_config.is_encoder_decoder:
        raise UserError(f"answers are scored by models that read picture and answer in one sequence, and {type(model).__name__} has an encoder here")
    form = PROMPTS[prompt or getattr(model.config, "prompt", "vicuna_v1")]
    rows = _rows(model.config, tokenizer, pictures, questions, answers, form)
    found: list[Item] = [(0.0, 0, 0)] * len(rows)
    # Rows with equally long questions stand together: then few positions but the answers' need logits.
    order = sorted((at for at, row in enumerate(rows) if row), key=lambda at: (rows[at][1], len(rows[at][0])))
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            nats = _batch_nll(model, tokenizer.pad_token_id, [rows[at] for at in chosen], [pictures[at] for at in chosen])
            for at, value in zip(chosen, nats, strict=True):
                ids, before = rows[at]
                found[at] = (value, len(ids) - before, len(answers[at].strip()))
    return found


def _rows(config, tokenizer, pictures, questions, answers, form) -> list[tuple[list[int], int] | None]:
    """(ids of the whole row, how many stand before its answer) for each item, None for an empty answer."""
    from utils.models.prompts import IGNORE, encode_prefix, encode_turns
    from utils.models.tiling import picture_tokens

    room = getattr(config.text_config, "max_position_embeddings", None)
    rows, problems = [], []
    prefixes: dict[int, list[int]] = {}
    for at, (picture, question, answer) in enumerate(zip(pictures, questions, answers, strict=True), start=1):
        if not answer.strip():
            rows.append(None)
            continue
        try:
            size = picture_tokens(config, (picture.height, picture.width))
            if size not in prefixes:
                prefixes[size] = encode_prefix(tokenizer, size, form)
            prefix = prefixes[size]
            ids, labels = encode_turns(tokenizer, [(question, answer)], form)
            if room and len(prefix) + len(ids) > room:
                raise ValueError(f"it has {len(prefix) + len(ids)} tokens and the model {room} positions")
        except ValueError as error:
            problems.append(f"item {at}: {error}")
            continue
        rows.append((prefix + ids, len(prefix) + labels.count(IGNORE)))
    if problems:
        raise UserError(f"{len(problems)} of {len(answers)} items cannot be scored, so mend or leave them out: " + "; ".join(problems[:20]))
    return rows


def _batch_nll(model, pad: int, rows: list[tuple[list[int], int]], pictures: list[Image.Image]) -> list[float]:
    """Negative log likelihood of what follows the first `before` ids of each row, padded on the right."""
    import torch

    from utils.evaluation.generate import shown

    lengths, length = [len(ids) for ids, _ in rows], max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), length), pad)
    for row, (one, _) in enumerate(rows):
        ids[row, : len(one)] = torch.tensor(one)
    attention = (torch.arange(length)[None] < torch.tensor(lengths)[:, None]).long()
    first = min(before for _, before in rows)
    kept = {"logits_to_keep": length - first + 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    logits = model(input_ids=ids.to(model.device), attention_mask=attention.to(model.device), **shown(model, pictures), **kept).logits
    logits = logits[:, -(length - first + 1) : -1].float()  # the token at a place is told by the logits one before
    taken = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, first:].to(logits.device), reduction="none").double().cpu()
    return [float(taken[row, before - first : len(one) - first].sum()) for row, (one, before) in enumerate(rows)]
