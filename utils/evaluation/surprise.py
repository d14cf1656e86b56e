"""How surprised a model is by the gold answers to the picture world's questions, with the right picture and with a wrong one."""

from collections.abc import Sequence
from pathlib import Path

from utils.corpus.scenes.asks import Ask
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import Scene
from utils.evaluation.perplexity import answer_nll, summary
from utils.models.load import load_model
from utils.scales import Scale


def surprise(reference: Path | str, scale: Scale, asks: Sequence[Ask], language: str, shown: Sequence[Scene] | None = None) -> dict:
    """`perplexity.summary` of the gold answers under the model of a folder; `shown` puts other pictures in place of the right ones."""
    model, tokenizer = load_model(reference, scale)
    said = [say(ask, language) for ask in asks]
    pictures = [render(scene) for scene in (shown or [ask.scene for ask in asks])]
    return summary(answer_nll(model, tokenizer, pictures, [question for question, _ in said], [gold for _, gold in said]))


def perplexity_row(name: str, found: dict) -> dict:
    """A summary as a line of a table: each way of averaging under its own name."""
    told = found["all"]
    number = lambda value: "–" if value is None else f"{value:,.3g}"  # noqa: E731
    return {
        "model": name, "corpus, per token": number(told["per_token"]["corpus"]), "mean of items": number(told["per_token"]["mean"]),
        "items over 1000": len(found["outliers"]), "mean without them": number(found["within"]["per_token"]["mean"]),
        "corpus, per character": number(told["per_character"]["corpus"]),
    }  # fmt: skip
