"""Answer one question about one picture with a model from a folder."""

from pathlib import Path

from utils.corpus.images import load_picture
from utils.evaluation.generate import answer_all
from utils.models.load import load_folder
from utils.runs import UserError


def ask(picture: Path, question: str, model_folder: Path) -> str:
    """The model's answer; raises UserError for a missing or broken picture or model, or an empty question."""
    if not question.strip():
        raise UserError("the question is empty; ask something, for example: O que você vê?")
    shown = load_picture(picture)
    model, tokenizer = load_folder(model_folder)
    return answer_all(model, tokenizer, [shown], [question])[0]
