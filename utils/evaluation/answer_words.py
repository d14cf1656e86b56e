"""What an answer's words mean, one record per language: numbers, articles, contractions, verdicts, option phrases, plurals.

Hand-made. Entries are written with their accents and folded where they are used. Lists of phrases are parted by "|",
lists of words by spaces, pairs by "=". A language that is given as a word list gets its record from that list (`from_list`).
"""

import unicodedata
from dataclasses import dataclass, replace

from utils.corpus.scenes.lists import LISTS
from utils.corpus.scenes.word_list import WordList
from utils.corpus.scenes.words import COLOURS, KINDS
from utils.languages import ALL


@dataclass(frozen=True)
class Words:
    """The words of one language that matter to answer matching.

    `articles` carry no content; `one` are articles that are also the number 1. `contractions` give the preposition that
    is left when the article inside goes. `optional` prepositions may be missing before the whole answer. `leads` and
    `tails` frame an answer without changing it; `answer_leads` name it ("the answer is"). `unsure` openings are no
    answer, `bounds` and `groups` give no exact number. `plurals` are endings (plural=singular); `pairs` are irregular
    forms; `apart` are words whose plural is another thing; `agreeing` are adjectives whose gender carries no meaning;
    `accented` are words that only their accent tells from another word.
    """

    code: str
    short: str
    option: str
    numbers: dict[str, int]
    tens: dict[str, int]
    joiner: str
    thousands: str
    articles: str
    one: str
    contractions: str
    prepositions: str
    optional: str
    yes: str
    no: str
    unsure: str
    either: str
    both: str
    answer_leads: str
    leads: str
    tails: str
    option_nouns: str
    option_tails: str
    functions: str
    zero: str
    negations: str
    bounds: str
    groups: str
    plurals: str
    pairs: str = ""
    apart: str = ""
    agreeing: tuple[tuple[str, ...], ...] = ()
    accented: str = ""


def _numbers(low: str, tens: str, hundred: str) -> tuple[dict[str, int], dict[str, int]]:
    """Single number words 0-100 and, apart, the tens that join with a unit; "|" parts forms of one number."""
    single = {form: value for value, forms in enumerate(low.split()) for form in forms.split("|")}
    by_ten = {form: 10 * value for value, forms in enumerate(tens.split(), start=2) for form in forms.split("|")}
    return single | by_ten | dict.fromkeys(hundred.split("|"), 100), by_ten


def _italian_numbers() -> dict[str, int]:
    """Italian writes 21-99 as one word; the ten drops its vowel before uno and otto."""
    low = (
        "zero un|uno|una due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici diciassette "
        "diciotto diciannove"
    )
    words, tens = _numbers(low, "venti trenta quaranta cinquanta sessanta settanta ottanta novanta", "cento")
    units = {word: value for word, value in words.items() if 1 <= value <= 9}
    for ten, value in tens.items():
        for unit, more in units.items():
            words[(ten[:-1] if unit[0] in "uo" else ten) + unit] = value + more
    return words


def _four_forms(stems: str, endings: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(stem + ending for ending in endings) for stem in stems.split())


_EN_NUMBERS, _EN_TENS = _numbers(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    "twenty thirty forty fifty sixty seventy eighty ninety",
    "hundred",
)
_PT_NUMBERS, _PT_TENS = _numbers(
    "zero um|uma dois|duas três quatro cinco seis sete oito nove dez onze doze treze catorze|quatorze quinze dezesseis|dezasseis "
    "dezessete|dezassete dezoito dezenove|dezanove",
    "vinte trinta quarenta cinquenta|cinqüenta sessenta setenta oitenta noventa",
    "cem",
)

ENGLISH = Words(
    code="en",
    # LLaVA 1.5's evaluation prompts (github.com/haotian-liu/LLaVA, docs/Evaluation.md): reported.
    short="Answer the question using a single word or phrase.",
    option="Answer with the option's letter from the given choices directly.",
    numbers=_EN_NUMBERS, tens=_EN_TENS, joiner="", thousands=",",
    articles="a an the", one="",  # "one" is always the number; "a dog" states no count
    contractions="", prepositions="in on at of with to from", optional="in on at of to",
    yes="yes|yeah|yep|yup|yes it is|yes there is",
    no="no|nope|nah|there is no|there are no|there's no|there is not|there are not|there isn't|there aren't|it is not|it isn't|it's not",
    unsure="i don't know|i do not know|i am not sure|i'm not sure|not sure|no idea|no clue|no way to tell|no way to know|no way of knowing|no answer"
    "|it is unclear|it's unclear",
    either="or", both="and",
    answer_leads="the answer is|correct answer|the correct answer is|the right answer is|my answer is|answer|the correct option is|correct option|the correct choice is|it is|it's",
    leads="it is|it's|this is|that is|that's|these are|they are|they're|there is|there's|there are|i see|i can see|the image shows"
    "|the picture shows|the colour is|the color is",
    tails="in the image|in the picture|in the photo|in this image|in this picture",
    option_nouns="option|letter|choice|alternative|answer|item", functions="a i",
    option_tails="is correct|is the answer|is the correct answer|is the correct option|is right|because|since",
    zero="none|no one|nobody|nothing|there are no|there is no|there aren't any|there are not any|there's no",
    negations="not no isn' aren' don' can' cannot",
    bounds="minus|more than|less than|fewer than|at least|at most|over|under|almost|nearly|up to", groups="pair pairs couple couples dozen dozens several",
    plurals="ies=y ves=f ves=fe sses=ss uses=us shes=sh ches=ch xes=x zes=z oes=o s=",
    pairs="men=man women=woman people=person children=child feet=foot teeth=tooth mice=mouse geese=goose",
    apart="glasses goods woods customs arms news clothes gas bus lens cloths species series",
    accented="résumé",
)  # fmt: skip

_PT_ADJECTIVES = _four_forms(
    "vermelh branc pret amarel rox dourad pratead castanh alaranjad rosad azulad esverdead avermelhad acinzentad escur clar pequen alt "
    "baix comprid larg estreit limp suj chei vazi abert fechad ligad desligad aces apagad molhad sec redond quadrad quebrad "
    "listrad colorid lis parad deitad sentad",
    ("o", "a", "os", "as"),
)
PORTUGUESE_BR = Words(
    code="pt-BR",
    # The first sentence is the project's own, the second written like it: no published Brazilian pair was found.
    short="Responda à pergunta com uma única palavra ou expressão.",
    option="Responda diretamente com a letra da alternativa correta.",
    numbers=_PT_NUMBERS, tens=_PT_TENS, joiner="e", thousands=".",
    articles="o a os as uns umas à às ao aos", one="um uma",
    contractions="no=em na=em nos=em nas=em num=em numa=em nuns=em numas=em do=de da=de dos=de das=de dum=de duma=de d'=de pelo=por pela=por "
    "pelos=por pelas=por",
    prepositions="em de com por sem sob sobre para", optional="em de",
    yes="sim|claro que sim|com certeza|certamente",
    no="não|claro que não|certamente não|com certeza não",
    unsure="não sei|não tenho certeza|não tenho a certeza|não tenho como|não posso|não consigo|não é possível saber|não é possível dizer"
    "|não é possível determinar|não é possível ver|não é possível responder|não é possível identificar|não dá para|não dá pra|não faço ideia"
    "|não está claro|não há como|não há informação|não há informações|não há resposta",
    either="ou", both="e",
    answer_leads="a resposta é|a resposta correta é|a resposta certa é|a minha resposta é|minha resposta é|resposta certa|resposta correta|resposta|a opção correta é|a opção certa é|opção correta|alternativa correta"
    "|a alternativa correta é|a alternativa certa é|a letra correta é|é",
    leads="é|são|isto é|isso é|este é|esta é|estes são|estas são|trata-se de|há|existe|existem|tem|está|estão|vejo|vê-se|na imagem há|na foto há"
    "|a imagem mostra|a foto mostra|a cor é",
    tails="na imagem|na foto|na fotografia|nesta imagem|nesta foto|na figura",
    option_nouns="opção|letra|alternativa|resposta|alínea|escolha|item", functions="a e o",
    option_tails="está correta|está certa|é a correta|é a certa|é a resposta|é a resposta correta|é a opção correta|é a alternativa correta|porque|pois",
    zero="nenhum|nenhuma|ninguém|nada|não há|não existe|não existem|não tem", negations="não nem",
    bounds="menos|mais de|mais que|pelo menos|ao menos|no mínimo|no máximo|quase|até", groups="par pares casal dúzia dúzias dezena dezenas",
    plurals="oes=ao aes=ao ns=m ais=al eis=el eis=il ois=ol uis=ul is=il res=r zes=z ses=s s=",
    apart="pais mais costas deus férias copas espadas atrás",
    agreeing=(*_PT_ADJECTIVES, ("marrom", "marrons"), ("azul", "azuis")),
    accented="avó avô avós avôs país cocô cocôs maçã maçãs sábia sabiá babá babás nó nós secretária cáqui",
)  # fmt: skip
# The contents are one language; only the sentences that ask differ: here AMALIA's (github.com/AMALIA-LLM/amalia-vl-eval): reported.
PORTUGUESE_PT = replace(
    PORTUGUESE_BR,
    code="pt-PT",
    short="Responde à pergunta utilizando uma palavra ou frase.",
    option="Responde diretamente com a letra da opção das opções disponíveis.",
)

ITALIAN = Words(
    code="it",
    # LLaVA-NDiNO's (github.com/swapUniba/LLaVA-NDiNO): reported.
    short="Rispondi utilizzando una sola parola o frase.",
    option="Rispondi utilizzando la lettera dell'opzione corretta.",
    numbers=_italian_numbers(), tens={}, joiner="", thousands=".",
    articles="il lo la i gli le l' gl' a ad al allo alla all' ai agli alle", one="un uno una un'",
    contractions="del=di dello=di della=di dell'=di dei=di degli=di delle=di d'=di nel=in nello=in nella=in nell'=in nei=in negli=in nelle=in sul=su "
    "sullo=su sulla=su sull'=su sui=su sugli=su sulle=su dal=da dallo=da dalla=da dall'=da dai=da dagli=da dalle=da col=con coi=con",
    prepositions="in su di da con per sotto sopra", optional="in su di",
    yes="sì|si|certo|certo che sì|certamente",
    no="no|certo che no|non c'è|non ci sono|non ce n'è|non è|non sono",
    unsure="non so|non lo so|non sono sicuro|non sono sicura|non posso|non riesco|non è possibile|non è chiaro|non saprei|non c'è modo|nessuna idea",
    either="o|oppure", both="e|ed",
    answer_leads="la risposta è|la risposta corretta è|la risposta giusta è|la mia risposta è|risposta corretta|risposta esatta|risposta|l'opzione corretta è|opzione corretta|l'opzione giusta è"
    "|la lettera corretta è|è|e'",
    leads="è|e'|sono|c'è|ci sono|questo è|questa è|questi sono|queste sono|si tratta di|vedo|si vede|si vedono|l'immagine mostra|la foto mostra"
    "|nell'immagine c'è|nella foto c'è|il colore è",
    tails="nell'immagine|nella foto|in questa immagine|in questa foto|nella figura",
    option_nouns="opzione|lettera|alternativa|risposta|scelta", functions="a e i o",
    option_tails="è corretta|è giusta|è la risposta|è la risposta corretta|è quella corretta|perché|poiché",
    zero="nessuno|nessuna|nessun|niente|nulla|non ci sono|non c'è", negations="non",
    bounds="meno|più di|almeno|al massimo|al minimo|quasi|fino a|oltre", groups="paio paia coppia coppie dozzina dozzine decina decine",
    # Only endings that tell one noun class: "porti" (of porto) must not become the plural of "porte" (doors).
    plurals="chi=co ghi=go che=ca ghe=ga oni=one ori=ore ali=ale ili=ile anti=ante enti=ente esi=ese cie=cia gie=gia ce=cia ge=gia i=o i=io e=a",
    pairs="cani=cane pesci=pesce chiavi=chiave navi=nave notti=notte torri=torre uomini=uomo uova=uovo mani=mano verdi=verde ponti=ponte monti=monte "
    "pani=pane mari=mare luci=luce voci=voce croci=croce noci=noce fiumi=fiume piedi=piede denti=dente reti=rete",
    apart="signore sale mente latte corte vite colle",
    agreeing=(
        *_four_forms("ross ner giall azzurr dorat argentat scur chiar piccol alt bass sporc pulit pien vuot apert bagnat acces spent rotond "
                     "quadrat rott colorat sedut sdraiat", ("o", "a", "i", "e")),
        ("bianco", "bianca", "bianchi", "bianche"), ("largo", "larga", "larghi", "larghe"), ("chiuso", "chiusa", "chiusi", "chiuse"),
        ("grigio", "grigia", "grigi", "grigie"),
    ),
    accented="papà casinò metà però",
)  # fmt: skip


def _plain(text: str) -> str:
    """Without accents, as the tables of a language compare."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def from_list(words: WordList) -> Words:
    """The record of a language that is given as a word list: its articles, numbers, nouns and colours, and what `words.matching` says.

    What no list says is left out: phrases for "I do not know", bounds ("at least"), other plurals than those of its nouns.
    """
    record, nouns, code = ALL[words.code], [kind.words[words.code] for kind in KINDS], words.code
    ones = record.numerals["1"]
    verbs = "|".join(dict.fromkeys((words.answers["naming"].partition("{")[0].strip().lower(), *words.there)))
    articles = {form.strip() for forms in words.articles.values() for form in forms.values() if " " not in form.strip()}
    made = {
        "numbers": {forms[0]: int(value) for value, forms in record.numerals.items()} | dict.fromkeys(ones, 1), "tens": {},
        "short": record.short_answer, "option": words.letter or ENGLISH.option, "joiner": "", "thousands": "," if record.decimal == "." else ".",
        "articles": " ".join(sorted(articles - {*ones, *record.numerals["0"]})), "one": " ".join(ones), "contractions": "", "prepositions": "",
        "optional": "", "yes": "|".join(record.yes), "no": "|".join(record.no), "unsure": "", "either": "", "both": words.joined.strip(),
        "answer_leads": verbs, "leads": verbs, "tails": "", "option_nouns": ENGLISH.option_nouns, "option_tails": ENGLISH.option_tails, "functions": "",
        "zero": "|".join(record.numerals["0"][1:]), "negations": " ".join(record.no), "bounds": "", "groups": "", "plurals": "s=",
        "pairs": " ".join(f"{_plain(w.plural)}={_plain(w.singular)}" for w in nouns if w.plural != w.singular and " " not in w.plural + w.singular),
        "agreeing": tuple(
            tuple(dict.fromkeys((w.singular, words.feminine.get(colour.key, w.singular), w.plural)))
            for colour in COLOURS for w in (colour.words[code],)
        ),
    }  # fmt: skip
    return Words(code=code, **(made | words.matching))


WORDS = {words.code: words for words in (ENGLISH, PORTUGUESE_BR, PORTUGUESE_PT, ITALIAN, *map(from_list, LISTS.values()))}
