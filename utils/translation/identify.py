"""Which language a text is in, with the honesty to say nothing about short ones."""

from functools import cache, lru_cache

from utils.languages import Language

AMONG = ("en", "pt", "it", "es", "fr")
WORDS = 6  # below so many words too many texts are told wrong: no verdict
SURE = 0.6  # share that the winner must have


@cache
def _identifier(among: tuple[str, ...]):
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(among)
    return identifier


@lru_cache(maxsize=8192)
def language_of(text: str, wanted: str = "") -> str | None:
    """The two-letter code of a text's language among AMONG and `wanted`; None when it is too short or too mixed to tell."""
    if len([word for word in text.split() if any(letter.isalpha() for letter in word)]) < WORDS:
        return None
    code, sure = _identifier(AMONG if not wanted or wanted in AMONG else (*AMONG, wanted)).classify(text)
    return code if sure >= SURE else None


def language_reasons(text: str, language: Language) -> list[str]:
    """Why a text is not in the language it should be in; nothing for a text that is too short to tell."""
    found = language_of(text, language.code[:2])
    return [f"reads as {found}"] if found and found != language.code[:2] else []
