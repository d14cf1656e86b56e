"""Answer one question about one picture with a model from a folder."""

from pathlib import Path

from utils.runs import UserError
from utils.serving.predict import Loaded, answer, upright


def ask(picture: Path, question: str, model_folder: Path) -> str:
    """The model's answer, as the served page gives it; raises UserError for a missing or broken picture or model, or an empty question."""
    from utils.models.load import load_folder

    if not question.strip():
        raise UserError("the question is empty; ask something, for example: O que você vê?")
    shown = upright(picture)
    return answer(Loaded("", *load_folder(model_folder)), shown, question)
