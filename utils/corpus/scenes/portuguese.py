"""The Portuguese grammar of the picture world, Brazilian and European: gender, number, contractions.

These texts are gold: they measure the translator and the model. The default journey never trains on them.
"""

from utils.corpus.scenes.asks import Ask
from utils.corpus.scenes.words import CATEGORY, COLOUR, KIND, NUMBERS, Word
from utils.corpus.scenes.world import PLACES

PLACE_WORDS = {
    "top left": "canto superior esquerdo",
    "top right": "canto superior direito",
    "bottom left": "canto inferior esquerdo",
    "bottom right": "canto inferior direito",
}
QUESTIONS = {
    "naming": ("O que está no {place}?", "O que {you} no {place}?", "O que é isso?"),
    "yes_no": ("Existe {a} na imagem?", "{See} {a} na imagem?"),
    "counting": ("{How_many} {plural} há?", "{How_many} {plural} {you}?"),
    "total": ("Quantas coisas há no total?", "Quantas coisas {you}?"),
    "position": ("Onde está {the}?", "Onde {you} {the}?"),
    "background": ("Qual é a cor do fundo?", "Qual é a cor de fundo da imagem?"),
    "card": ("Qual é a cor do cartão atrás {of_the}?", "De que cor é o cartão atrás {of_the}?"),
    "category": ("Que tipo de coisa está no {place}?", "Que tipo de coisa é {the}?"),
    "listing": ("O que {see}?", "O que {see} na imagem?", "Que coisas estão na imagem?"),
    "description": ("Descreva a imagem em detalhes.", "Descreva esta imagem.", "{Can} descrever a imagem em detalhes?"),
    "comparison": ("Há mais {plural} ou mais {others}?",),
    "relation": ("O que está do lado esquerdo {of_the}?", "O que está do lado direito {of_the}?", "O que está acima {of_the}?", "O que está abaixo {of_the}?"),
    "arithmetic": ("Se tirarmos {a}, {how_many} {plural} restam?", "Se adicionarmos {added}, quantas coisas haverá?"),
    "group": ("{How_many} {group} há?", "{How_many} {group} {you}?"),
}  # fmt: skip
# Where the European question is worded differently; "tu", as in AMALIA-VL's prompts (github.com/AMALIA-LLM/amalia-vl-eval: reported).
QUESTIONS_PT = QUESTIONS | {
    "naming": (*QUESTIONS["naming"][:2], "O que é isto?"),
    "description": ("Descreve a imagem em detalhe.", "Descreve esta imagem.", "{Can} descrever a imagem em detalhe?"),
}
ASKED = {"pt-BR": QUESTIONS, "pt-PT": QUESTIONS_PT}
PERSON = {  # how each variety speaks to the model
    "pt-BR": {"you": "você pode ver", "see": "você vê", "See": "Você vê", "Can": "Você pode"},
    "pt-PT": {"you": "consegues ver", "see": "vês", "See": "Vês", "Can": "Consegues"},
}
IN_A = {"pt-BR": "em um", "pt-PT": "num"}  # Brazil contracts in speech, Portugal in writing too
SIDE_WORDS = ("à sua esquerda", "à sua direita", "acima", "abaixo")


def word(kind: str, code: str) -> Word:
    return KIND[kind].words[code]


def number(n: int, gender: str, code: str) -> str:
    forms = NUMBERS[code][n]
    return forms[-1] if gender == "f" else forms[0]


def exactly(w: Word, n: int, code: str) -> str:
    """ "um cachorro", "duas vacas": Portuguese says one and a with the same word."""
    return f"{number(n, w.gender, code)} {w.singular if n == 1 else w.plural}"


def the(w: Word) -> str:
    return f"{'a' if w.gender == 'f' else 'o'} {w.singular}"


def of_the(w: Word) -> str:
    return f"d{the(w)}"


def join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} e {parts[-1]}"


def how_many(w: Word) -> str:
    return "quantas" if w.gender == "f" else "quantos"


def things(n: int, code: str) -> str:
    return f"{number(n, 'f', code)} coisa{'s' * (n != 1)}"


def question(ask: Ask, code: str = "pt-BR") -> str:
    slots = dict(PERSON[code])
    if ask.cell is not None:
        slots["place"] = PLACE_WORDS[PLACES[ask.cell]]
    counted = None
    if ask.kind:
        counted = word(ask.kind, code)
        slots |= {"a": exactly(counted, 1, code), "the": the(counted), "of_the": of_the(counted), "plural": counted.plural}
    if ask.type == "comparison":
        slots["others"] = word(ask.other, code).plural
    if ask.number:
        slots["added"] = things(ask.number, code)
    if ask.category:
        counted = CATEGORY[ask.category].words[code]
        slots["group"] = counted.plural
    if counted:
        slots |= {"how_many": how_many(counted), "How_many": how_many(counted).capitalize()}
    return ASKED[code][ask.type][ask.wording].format(**slots)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def answer(ask: Ask, code: str = "pt-BR") -> str:
    scene, counts = ask.scene, ask.scene.counts
    colour = lambda key: COLOUR[key].words[code].singular  # noqa: E731
    match ask.type:
        case "naming":
            return f"É {exactly(word(ask.kind, code), 1, code)}."
        case "yes_no":
            n, w = counts.get(ask.kind, 0), word(ask.kind, code)
            return f"Sim, há {exactly(w, n, code)}." if n else f"Não, não há {w.singular}."
        case "counting":
            return f"Há {exactly(word(ask.kind, code), counts[ask.kind], code)}."
        case "total":
            return f"Há {things(len(scene.items), code)}."
        case "position":
            return f"{_capital(the(word(ask.kind, code)))} está no {PLACE_WORDS[PLACES[ask.cell]]}."
        case "background":
            return f"O fundo é {colour(scene.background)}."
        case "card":
            return f"O cartão é {colour(scene.at(ask.cell).card)}."
        case "category":
            return f"É {exactly(CATEGORY[KIND[ask.kind].category].words[code], 1, code)}."
        case "listing":
            return _capital(join([exactly(word(k, code), n, code) for k, n in counts.items()])) + "."
        case "description":
            first = f"O fundo é {colour(scene.background)} e há {things(len(scene.items), code)}."
            rest = [
                f"No {PLACE_WORDS[PLACES[i.cell]]} há {exactly(word(i.kind, code), 1, code)}"
                + (f" {IN_A[code]} cartão {colour(i.card)}." if i.card else ".")
                for i in scene.items
            ]
            return " ".join([first, *rest])
    return _reasoning(ask, code)


def _reasoning(ask: Ask, code: str) -> str:
    counts = ask.scene.counts
    match ask.type:
        case "comparison":
            n, m = counts[ask.kind], counts[ask.other]
            a, b = word(ask.kind, code), word(ask.other, code)
            more = f"mais {(a if n > m else b).plural}" if n != m else "o mesmo número de cada"
            return f"Há {exactly(a, n, code)} e {exactly(b, m, code)}, então há {more}."
        case "relation":
            w, other = word(ask.kind, code), word(ask.other, code)
            place = PLACE_WORDS[PLACES[ask.cell]]
            return f"{_capital(the(w))} está no {place}, e {SIDE_WORDS[ask.wording]} há {exactly(other, 1, code)}."
        case "arithmetic" if ask.wording == 0:
            n = counts[ask.kind]
            return f"Há {exactly(word(ask.kind, code), n, code)}, e {number(n, 'm', code)} menos um é {number(n - 1, 'm', code)}."
        case "arithmetic":
            n, m = len(ask.scene.items), ask.number
            return f"Há {things(n, code)}, e {number(n, 'm', code)} mais {number(m, 'm', code)} é {number(n + m, 'm', code)}."
        case "group":
            members = [(k, n) for k, n in counts.items() if KIND[k].category == ask.category]
            total = exactly(CATEGORY[ask.category].words[code], sum(n for _, n in members), code)
            return f"Há {join([exactly(word(k, code), n, code) for k, n in members])}, então há {total}."
    raise ValueError(f"no Portuguese answer for question type {ask.type!r}")
