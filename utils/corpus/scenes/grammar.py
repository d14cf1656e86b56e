"""One door to the grammars: a question and its answer in any language of the picture world."""

from utils.corpus.scenes import english, frames, italian, portuguese
from utils.corpus.scenes.asks import Ask
from utils.corpus.scenes.lists import LISTS

LANGUAGES = ("en", "pt-BR", "pt-PT", "it", *LISTS)


def say(ask: Ask, language: str) -> tuple[str, str]:
    """(question, answer) in `language`; raises ValueError for a language without a grammar."""
    if language == "en":
        return english.question(ask), english.answer(ask)
    if language in ("pt-BR", "pt-PT"):
        return portuguese.question(ask, language), portuguese.answer(ask, language)
    if language == "it":
        return italian.question(ask), italian.answer(ask)
    if language in LISTS:
        return frames.question(ask, language), frames.answer(ask, language)
    raise ValueError(f"the picture world has no grammar for {language!r}; it has: {', '.join(LANGUAGES)}")
