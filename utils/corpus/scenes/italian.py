"""The Italian grammar of the picture world: articles by sound, gender, number, contractions."""

from utils.corpus.scenes.asks import Ask
from utils.corpus.scenes.words import CATEGORY, COLOUR, KIND, NUMBERS, Word
from utils.corpus.scenes.world import PLACES

CODE = "it"
PLACE_WORDS = {
    "top left": "nell'angolo in alto a sinistra",
    "top right": "nell'angolo in alto a destra",
    "bottom left": "nell'angolo in basso a sinistra",
    "bottom right": "nell'angolo in basso a destra",
}
QUESTIONS = {
    "naming": ("Che cosa c'è {place}?", "Che cosa puoi vedere {place}?", "Che cos'è questo?"),
    "yes_no": ("C'è {a} nell'immagine?", "Vedi {a} nell'immagine?"),
    "counting": ("{How_many} {plural} ci sono?", "{How_many} {plural} puoi vedere?"),
    "total": ("Quante cose ci sono in totale?", "Quante cose puoi vedere?"),
    "position": ("Dov'è {the}?", "Dove puoi vedere {the}?"),
    "background": ("Qual è il colore dello sfondo?", "Qual è il colore di sfondo dell'immagine?"),
    "card": ("Di che colore è il cartoncino dietro {the}?", "Qual è il colore del cartoncino dietro {the}?"),
    "category": ("Che tipo di cosa c'è {place}?", "Che tipo di cosa è {the}?"),
    "listing": ("Che cosa vedi?", "Che cosa vedi nell'immagine?", "Quali cose ci sono nell'immagine?"),
    "description": ("Descrivi l'immagine in dettaglio.", "Descrivi questa immagine.", "Puoi descrivere l'immagine in dettaglio?"),
    "comparison": ("Ci sono più {plural} o più {others}?",),
    "relation": ("Che cosa c'è sul lato sinistro {of_the}?", "Che cosa c'è sul lato destro {of_the}?", "Che cosa c'è sopra {the}?", "Che cosa c'è sotto {the}?"),
    "arithmetic": ("Se togliamo {a}, {how_many} {plural} rimangono?", "Se aggiungiamo {added}, quante cose ci saranno?"),
    "group": ("{How_many} {group} ci sono?", "{How_many} {group} puoi vedere?"),
}  # fmt: skip
SIDE_WORDS = ("alla sua sinistra", "alla sua destra", "sopra", "sotto")
VOWELS = "aeiouàèéìòù"


def _hard(noun: str) -> bool:
    """True before sounds that take lo/uno: s + consonant, z, gn, ps, x, y."""
    low = noun.lower()
    return low[0] in "zxy" or low[:2] in ("gn", "ps") or (low[0] == "s" and low[1] not in VOWELS)


def one(w: Word) -> str:
    if w.gender == "f":
        return f"un'{w.singular}" if w.singular[0] in VOWELS else f"una {w.singular}"
    return f"{'uno' if _hard(w.singular) else 'un'} {w.singular}"


def the(w: Word) -> str:
    if w.singular[0] in VOWELS:
        return f"l'{w.singular}"
    return f"{'la' if w.gender == 'f' else 'lo' if _hard(w.singular) else 'il'} {w.singular}"


def of_the(w: Word) -> str:
    """il cane -> del cane; la rana -> della rana; l'ape -> dell'ape."""
    return f"de{the(w)[1:]}" if the(w).startswith("il ") else f"del{the(w)}"


def exactly(w: Word, n: int) -> str:
    return one(w) if n == 1 else f"{NUMBERS[CODE][n][0]} {w.plural}"


def number(n: int) -> str:
    return "uno" if n == 1 else NUMBERS[CODE][n][0]


def there(n: int) -> str:
    return "c'è" if n == 1 else "ci sono"


def join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} e {parts[-1]}"


def how_many(w: Word) -> str:
    return "quante" if w.gender == "f" else "quanti"


def things(n: int) -> str:
    return "una cosa" if n == 1 else f"{NUMBERS[CODE][n][0]} cose"


def question(ask: Ask) -> str:
    slots = {"place": PLACE_WORDS[PLACES[ask.cell]]} if ask.cell is not None else {}
    counted = None
    if ask.kind:
        counted = KIND[ask.kind].words[CODE]
        slots |= {"a": one(counted), "the": the(counted), "of_the": of_the(counted), "plural": counted.plural}
    if ask.type == "comparison":
        slots["others"] = KIND[ask.other].words[CODE].plural
    if ask.number:
        slots["added"] = things(ask.number)
    if ask.category:
        counted = CATEGORY[ask.category].words[CODE]
        slots["group"] = counted.plural
    if counted:
        slots |= {"how_many": how_many(counted), "How_many": how_many(counted).capitalize()}
    return QUESTIONS[ask.type][ask.wording].format(**slots)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def answer(ask: Ask) -> str:
    scene, counts = ask.scene, ask.scene.counts
    colour = lambda key: COLOUR[key].words[CODE].singular  # noqa: E731
    word = lambda key: KIND[key].words[CODE]  # noqa: E731
    match ask.type:
        case "naming":
            return f"È {one(word(ask.kind))}."
        case "yes_no":
            n = counts.get(ask.kind, 0)
            # "Non c'è nessun…" would need its own forms by sound; the plain negative is right for all.
            return f"Sì, {there(n)} {exactly(word(ask.kind), n)}." if n else f"No, non c'è {one(word(ask.kind))}."
        case "counting":
            return _capital(f"{there(counts[ask.kind])} {exactly(word(ask.kind), counts[ask.kind])}.")
        case "total":
            return _capital(f"{there(len(scene.items))} {things(len(scene.items))}.")
        case "position":
            return _capital(f"{the(word(ask.kind))} è {PLACE_WORDS[PLACES[ask.cell]]}.")
        case "background":
            return f"Lo sfondo è {colour(scene.background)}."
        case "card":
            return f"Il cartoncino è {colour(scene.at(ask.cell).card)}."
        case "category":
            return f"È {one(CATEGORY[KIND[ask.kind].category].words[CODE])}."
        case "listing":
            return _capital(join([exactly(word(k), n) for k, n in counts.items()])) + "."
        case "description":
            n = len(scene.items)
            first = f"Lo sfondo è {colour(scene.background)} e {there(n)} {things(n)}."
            rest = [
                _capital(f"{PLACE_WORDS[PLACES[i.cell]]} c'è {one(word(i.kind))}") + (f" su un cartoncino {colour(i.card)}." if i.card else ".")
                for i in scene.items
            ]
            return " ".join([first, *rest])
    return _reasoning(ask, word)


def _reasoning(ask: Ask, word) -> str:
    counts = ask.scene.counts
    match ask.type:
        case "comparison":
            n, m = counts[ask.kind], counts[ask.other]
            more = f"più {word(ask.kind if n > m else ask.other).plural}" if n != m else "lo stesso numero di ciascuno"
            both = f"{exactly(word(ask.kind), n)} e {exactly(word(ask.other), m)}"
            return f"{_capital(there(n))} {both}, quindi {there(2 if n != m else 1)} {more}."
        case "relation":
            return _capital(f"{the(word(ask.kind))} è {PLACE_WORDS[PLACES[ask.cell]]}, e {SIDE_WORDS[ask.wording]} c'è {one(word(ask.other))}.")
        case "arithmetic" if ask.wording == 0:
            n = counts[ask.kind]
            return f"Ci sono {exactly(word(ask.kind), n)}, e {number(n)} meno uno fa {number(n - 1)}."
        case "arithmetic":
            n, m = len(ask.scene.items), ask.number
            return _capital(f"{there(n)} {things(n)}, e {number(n)} più {number(m)} fa {number(n + m)}.")
        case "group":
            members = [(k, n) for k, n in counts.items() if KIND[k].category == ask.category]
            total = sum(n for _, n in members)
            listed = join([exactly(word(k), n) for k, n in members])
            return f"{_capital(there(members[0][1]))} {listed}, quindi {there(total)} {exactly(CATEGORY[ask.category].words[CODE], total)}."
    raise ValueError(f"no Italian answer for question type {ask.type!r}")
