"""What the picture world's kinds are called in fourteen languages: three of them our own words, the others the names of emoji.

Source of the names: Unicode CLDR's short names, as the PyPI package `emoji` 2.16.0 holds them (`emoji.EMOJI_DATA[char]["es"]`).
They name a drawing, so the rule that cleans them is: underscores are spaces; a kind in TWIN takes the name of a second emoji that
bears the kind's bare name; the words in CUTS, which describe the drawing (a face, a slice, a colour, a make), are cut; a German
noun gets its capital. What is still another thing than the kind is in LEFT_OUT, with the reason.
"""

import functools

from utils.corpus.scenes.words import KIND, KINDS
from utils.runs import UserError

OURS = ("en", "pt-BR", "it")  # languages whose words the picture world has, checked by hand
FROM_EMOJI = ("es", "fr", "de", "ru", "zh", "tr", "ar", "ja", "fa", "ko", "id")
LANGUAGES = (*OURS, *FROM_EMOJI)
# The emoji drawn are a rising sun, a sun with a face and a steam engine: these name what the kind is.
TWIN = {"sunset": "🌇", "sun": "☀️", "train": "🚆"}
# Language -> "kind=words to cut", as the package writes them.
CUTS = {
    "es": "apple=roja cheese=cuña_de cake=trozo_de truck=de_reparto book=cerrado clock=de_sobremesa tree=de_hoja_caduca castle=europeo",
    "fr": "lion=tête_de apple=rouge cheese=part_de cake=sablé truck=de_livraison book=fermé umbrella=ouvert tree=à_feuilles_caduques",
    "de": "apple=roter cheese=stück book=geschlossenes sunset=in_der_stadt star=weißer_mittelgroßer",
    "ru": "apple=красное book=закрытая clock=каминные star=желтая",
    "zh": "apple=红 cake=水果 book=合上的 tree=落叶 city=风光 castle=欧洲",
    "tr": "apple=kırmızı pizza=dilimi cheese=dilimi cake=dilimi book=kapalı tree=yaprak_döken",
    "ar": "lion=وجه frog=وجه apple=أحمر cheese=قطعة cake=قطعة_من_ال truck=توصيل_طلبات book=مغلق clock=موقد tree=زائلة_الخضرة star=متوسط_أبيض",
    "ja": "lion=の顔 frog=の顔 apple=赤 train=正面 book=閉じた castle=西洋の",
    "fa": "apple=سرخ cheese=قاچ cake=شُرت truck=پخش book=بسته clock=طاقچه_ای hat=مردانه_استوانه_ای tree=سبز star=سفید",
    "ko": "lion=얼굴 frog=얼굴 apple=빨간 cheese=조각 cake=조각 truck=운송 book=펼치지_않은 clock=벽난로_선반 hat=마술사 city=전경 castle=유럽",
    "id": "apple=merah cheese=irisan truck=pengiriman clock=perapian tree=meranggas star=medium_putih",
}
# Kind -> (languages, why the package's name is none for it).
LEFT_OUT = {
    "sun with sunglasses": (FROM_EMOJI, "it is drawn from two emoji, which have no name together"),
    "tennis ball": (("fr", "ru", "tr", "ar", "ja", "fa", "ko", "id"), "the name is that of the sport"),
    "soccer ball": (("ru", "ja"), "the name is that of the sport"),
    "bearded man": (("de", "id"), "the name is two nouns side by side, no phrase"),
    "lion": (("ru",), "the name is that of its face; cut, the noun would stay in the genitive"),
    "frog": (("ru",), "the name is that of its face; cut, the noun would stay in the genitive"),
}


def left_out(language: str) -> dict[str, str]:
    """Kind -> why it has no name in the language; empty for the languages whose words are our own."""
    return {kind: why for kind, (languages, why) in LEFT_OUT.items() if language in languages}


@functools.cache
def _package():
    try:
        import emoji
    except ImportError as error:
        raise UserError("the names of the kinds need the package emoji; run: pip install -r requirements.txt") from error
    return emoji


def emoji_name(kind: str, language: str) -> str:
    """The package's name of a kind's emoji (or its twin's), colons off, not cleaned; "" where it has none."""
    package, code = _package(), language[:2]
    if code != "en":  # English is always loaded
        package.config.load_language(code)
    art = TWIN.get(kind, KIND[kind].art)
    record = package.EMOJI_DATA.get(art) or package.EMOJI_DATA.get(f"{art}\ufe0f") or {}
    return record.get(code, "").strip(":")


def _cuts(language: str) -> dict[str, str]:
    return dict(entry.split("=") for entry in CUTS[language].split())


def _cleaned(kind: str, language: str) -> str:
    name, cut = emoji_name(kind, language), _cuts(language).get(kind, "")
    if not name or cut not in name:
        raise UserError(
            f"the package emoji names {kind!r} {name!r} in {language!r}, which is not what this course was checked with; "
            "install the version in requirements.txt"
        )
    bare = name.replace(cut, "", 1).strip("_").replace("_", " ")
    return bare[0].upper() + bare[1:] if language == "de" else bare


def _known(language: str) -> str:
    if language not in LANGUAGES:
        raise UserError(f"the picture world has no names in {language!r}; use some of: {', '.join(LANGUAGES)}")
    return language


@functools.lru_cache(maxsize=len(LANGUAGES))
def names(language: str) -> dict[str, str]:
    """Kind -> its bare name in a language, in the order of KINDS, without those left out.

    Raises UserError for an unknown language, or when the package's names are not the checked ones.
    """
    if _known(language) in OURS:
        return {kind.key: kind.words[language].singular for kind in KINDS}
    missing = left_out(language)
    return {kind.key: _cleaned(kind.key, language) for kind in KINDS if kind.key not in missing}


def forms(kind: str, language: str) -> tuple[str, ...]:
    """Every name of a kind that an answer may use: our own words have plurals and synonyms, the package's names stand alone."""
    return KIND[kind].words[language].forms if _known(language) in OURS else (names(language)[kind],)


def common(languages: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds that have a name in every one of the languages: what a fair comparison of languages may show."""
    named = [names(language) for language in languages]
    return tuple(kind.key for kind in KINDS if all(kind.key in one for one in named))


def agreement(language: str) -> dict:
    """How often the package's name is one of our own words, in a language that has both: what its other names may be worth.

    {"equal", "total", "other": kind -> the package's name}, before cleaning, case aside; raises UserError for other languages.
    """
    if language not in OURS:
        raise UserError(f"the picture world has no words of its own in {language!r}; use one of: {', '.join(OURS)}")
    told = {kind.key: emoji_name(kind.key, language).replace("_", " ") for kind in KINDS}
    other = {kind: name for kind, name in told.items() if name.lower() not in {form.lower() for form in forms(kind, language)}}
    return {"equal": len(told) - len(other), "total": len(told), "other": other}
