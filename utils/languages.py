"""Everything that depends on a language, as one frozen record per language."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """A target language.

    `engine_codes` names it for each translation engine; `prompt_name` is how a prompt names it; `manglings` are the
    ways in which translators are known to break `<image>`; `function_words` tell the language of a short answer;
    `numerals` are the small numbers as words; `marks` is a pattern for words that only this variety uses. `word_list` names the
    file of the picture world's words in `utils/corpus/scenes`: a further language needs this record and that file, no code.
    """

    code: str
    name: str
    prompt_name: str
    engine_codes: dict[str, str]
    yes: tuple[str, ...]
    no: tuple[str, ...]
    short_answer: str
    manglings: tuple[str, ...]
    decimal: str
    spelling: str
    function_words: frozenset[str]
    equal: tuple[str, ...]
    numerals: dict[str, tuple[str, ...]]
    marks: str = ""
    word_list: str = ""


def _numerals(names: str) -> dict[str, tuple[str, ...]]:
    """ "zero one two|a" … as {"0": ("zero",), …}: position is value, | parts other forms."""
    return {str(number): tuple(forms.split("|")) for number, forms in enumerate(names.split())}


ENGLISH = Language(
    code="en", name="English", prompt_name="English", engine_codes={},
    yes=("yes",), no=("no",), short_answer="Answer the question using a single word or phrase.",
    manglings=(), decimal=".", spelling="en_US",
    function_words=frozenset("the is are there it of in and an yes not so more below above its minus plus things corner background card".split()),
    equal=("same number", "same", "equal"),
    numerals=_numerals("zero|no one|a|an|single two|both|pair three four five six seven eight nine ten eleven twelve"),
)  # fmt: skip

_PT_WORDS = frozenset(
    "o os é são está há não sim um uma uns umas dois duas no na do da dos das e em que mais menos coisa coisas canto fundo "
    "cartão acima abaixo esquerda direita superior inferior então existe existem com de à mesmo número cada ele ela sua seu".split()
)
_PT_NUMERALS = _numerals(
    "zero um|uma|único|única dois|duas|ambos|ambas|par três quatro cinco seis sete oito nove dez onze doze treze catorze|quatorze quinze"
)
# Words and spellings that one side of the Atlantic uses and the other does not; the gerund against "a" and the infinitive.
_BR_MARKS = (
    r"ônibus|tre(?:m|ns)|celular(?:es)?|geladeiras?|banheiros?|vocês?|sorvetes?|xícaras?|café da manhã|gramados?|esportes?|esportiv[ao]s?|telas?"
    r"|caminhão|caminhões|pedestres?|ternos?|sucos?|açougue|garçom|garçons|abacaxis?|bondes?|usuários?|registros?|goleiros?|mouse|arquivos?"
    r"|planej\w+|bebês?|equipes?|contatos?|\w*[êô][mn][aeiou]\w*|est(?:á|ão|ava|avam) (?:\w+ )?\w+ndo"
)
_PT_MARKS = (
    r"autocarros?|comboios?|telemóve(?:l|is)|frigoríficos?|casas? de banho|gelados?|chávenas?|pequeno-almoço|relvados?|desportos?|desportiv[ao]s?"
    r"|ecrãs?|camião|camiões|peões|fatos de banho|sumos?|talho|ananás|utilizador(?:es)?|registos?|guarda-redes|factos?|ficheiros?"
    r"|plane(?:ar|ado|ada)|bebés?|sandes|equipas?|contactos?|\w*[éó][mn][aeiou]\w*|est(?:á|ão|ava|avam) (?:\w+ )?a \w+[aei]r"
)

PORTUGUESE_BR = Language(
    code="pt-BR", name="Português do Brasil", prompt_name="Brazilian Portuguese",
    engine_codes={"googletrans": "pt", "nllb": "por_Latn", "madlad": "pt"},
    yes=("sim",), no=("não",), short_answer="Responda à pergunta com uma única palavra ou expressão.",
    manglings=("<imagem>", "-imagem>", "<Imagem>", "<IMAGEM>", "< imagem >", "<imagens>", "<imagen>", "&lt;imagem&gt;", "<imagem", "imagem>"),
    decimal=",", spelling="pt_BR",
    function_words=_PT_WORDS, equal=("mesmo número", "mesma quantidade", "mesmo", "igual", "iguais", "tantos"),
    numerals=_PT_NUMERALS, marks=_BR_MARKS,
)  # fmt: skip

PORTUGUESE_PT = Language(
    code="pt-PT", name="Português europeu", prompt_name="European Portuguese",
    engine_codes={"googletrans": "pt-PT", "nllb": "por_Latn", "madlad": "pt"},
    yes=("sim",), no=("não",), short_answer="Responda à pergunta com uma única palavra ou expressão.",
    manglings=PORTUGUESE_BR.manglings, decimal=",", spelling="pt_PT",
    function_words=_PT_WORDS, equal=PORTUGUESE_BR.equal, numerals=_PT_NUMERALS, marks=_PT_MARKS,
)  # fmt: skip

ITALIAN = Language(
    code="it", name="Italiano", prompt_name="Italian",
    engine_codes={"googletrans": "it", "nllb": "ita_Latn", "madlad": "it"},
    yes=("sì", "si"), no=("no",), short_answer="Rispondi alla domanda con una sola parola o frase.",
    manglings=("<immagine>", "<Immagine>", "<IMMAGINE>", "< immagine >", "-immagine>", "&lt;immagine&gt;", "<immagine", "immagine>"),
    decimal=",", spelling="it_IT",
    function_words=frozenset(
        "il lo la gli le è sono c'è ci non sì un uno una e nell'angolo in alto basso sinistra destra di del della dello "
        "che più meno cosa cose sfondo cartoncino su sopra sotto quindi alla sua stesso numero ciascuno fa".split()
    ),
    equal=("stesso numero", "stesso", "uguale"),
    numerals=_numerals("zero|nessun|nessuno|nessuna un|uno|una|un' due|entrambi|entrambe tre quattro cinque sei sette otto nove dieci undici dodici"),
)  # fmt: skip

SPANISH = Language(
    code="es", name="Español", prompt_name="Spanish",
    engine_codes={"googletrans": "es", "nllb": "spa_Latn", "madlad": "es"},
    yes=("sí", "si"), no=("no",), short_answer="Responde a la pregunta con una sola palabra o frase.",
    manglings=("<imagen>", "<Imagen>", "<IMAGEN>", "< imagen >", "-imagen>", "<imágenes>", "&lt;imagen&gt;", "<imagen", "imagen>"),
    decimal=",", spelling="es_ES",
    function_words=frozenset(
        "el la los las lo es son está están hay no sí un una unos unas y de del en que más menos cosa cosas esquina fondo tarjeta "
        "superior inferior izquierda derecha encima debajo sobre así su mismo número cada uno".split()
    ),
    equal=("mismo número", "misma cantidad", "mismo", "misma", "igual", "iguales", "tantos", "tantas"),
    numerals=_numerals("cero|ningún|ninguno|ninguna uno|un|una dos|ambos|ambas|par tres cuatro cinco seis siete ocho nueve diez once doce"),
    word_list="spanish",
)  # fmt: skip

LANGUAGES = {language.code: language for language in (PORTUGUESE_BR, PORTUGUESE_PT, ITALIAN, SPANISH)}
ALL = {ENGLISH.code: ENGLISH, **LANGUAGES}


def language(code: str) -> Language:
    """The record of a target language; raises ValueError naming the valid ones."""
    if code not in LANGUAGES:
        raise ValueError(f"LANGUAGE {code!r} is unknown; use one of: {', '.join(LANGUAGES)}")
    return LANGUAGES[code]
