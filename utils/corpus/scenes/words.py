"""The words of the picture world: kinds, categories, colours and numbers in four varieties, and in each language with a word list.

Checked by hand, entry by entry. `accepted` lists other forms that mean the same thing to a reader
(`cão` for `cachorro`); scoring takes them, the grammars never write them.
"""

from dataclasses import dataclass

from utils.corpus.scenes.lists import LISTS
from utils.corpus.scenes.word_list import GENDERS, entry_of, numbers_of


@dataclass(frozen=True)
class Word:
    """A noun or adjective of one language: gender ("m", "f", "n" or "" where there is none) and its forms."""

    gender: str
    singular: str
    plural: str
    accepted: tuple[str, ...] = ()

    @property
    def forms(self) -> tuple[str, ...]:
        return (self.singular, self.plural, *self.accepted)


@dataclass(frozen=True)
class Kind:
    """One kind of thing that can stand in a picture. `art` is the emoji; two emoji are drawn one over the other."""

    key: str
    art: str
    category: str
    words: dict[str, Word]


@dataclass(frozen=True)
class Named:
    """A category or colour: a key and its word per language (colours also carry their RGB)."""

    key: str
    words: dict[str, Word]
    rgb: tuple[int, int, int] | None = None


def parse(text: str) -> Word:
    """Parse "m cachorro/cachorros = cão, cães" (gender, singular/plural, accepted forms)."""
    forms, _, accepted = text.partition("=")
    gender, _, nouns = forms.strip().partition(" ")
    if gender not in GENDERS:
        gender, nouns = "", forms.strip()
    singular, _, plural = nouns.strip().partition("/")
    return Word(gender, singular, plural or singular, tuple(a.strip() for a in accepted.split(",") if a.strip()))


def _words(sort: str, en: str, pt: str, it: str, pt_pt: str = "") -> dict[str, Word]:
    """Code -> word: those in the row, and that of each word list, whose key is the English singular."""
    own = {"en": parse(en), "pt-BR": parse(pt), "pt-PT": parse(pt_pt or pt), "it": parse(it)}
    return own | {code: parse(entry_of(words, sort, own["en"].singular)) for code, words in LISTS.items()}


def _kinds(category: str, *rows: tuple[str, ...]) -> tuple[Kind, ...]:
    """Each row: emoji, English, Brazilian Portuguese, Italian and, where it differs, European Portuguese."""
    return tuple(Kind(parse(row[1]).singular, row[0], category, _words("kinds", *row[1:])) for row in rows)


KINDS: tuple[Kind, ...] = (
    *_kinds(
        "animal",
        ("🐕", "dog/dogs", "m cachorro/cachorros = cão, cães", "m cane/cani", "m cão/cães = cachorro, cachorros"),
        ("🐈", "cat/cats", "m gato/gatos", "m gatto/gatti"),
        ("🐎", "horse/horses", "m cavalo/cavalos", "m cavallo/cavalli"),
        ("🐄", "cow/cows", "f vaca/vacas", "f mucca/mucche = vacca, vacche"),
        ("🦁", "lion/lions", "m leão/leões", "m leone/leoni"),
        ("🐇", "rabbit/rabbits", "m coelho/coelhos", "m coniglio/conigli"),
        ("🐸", "frog/frogs", "m sapo/sapos = rã, rãs", "f rana/rane", "f rã/rãs = sapo, sapos"),
        ("🐢", "turtle/turtles", "f tartaruga/tartarugas", "f tartaruga/tartarughe"),
        ("🐟", "fish/fish = fishes", "m peixe/peixes", "m pesce/pesci"),
        ("🦋", "butterfly/butterflies", "f borboleta/borboletas", "f farfalla/farfalle"),
        ("🐝", "bee/bees", "f abelha/abelhas", "f ape/api"),
        ("🦩", "flamingo/flamingos", "m flamingo/flamingos", "m fenicottero/fenicotteri"),
        ("🐧", "penguin/penguins", "m pinguim/pinguins", "m pinguino/pinguini"),
    ),
    *_kinds(
        "food",
        ("🍎", "apple/apples", "f maçã/maçãs", "f mela/mele"),
        ("🍌", "banana/bananas", "f banana/bananas", "f banana/banane"),
        ("🍓", "strawberry/strawberries", "m morango/morangos", "f fragola/fragole"),
        ("🍉", "watermelon/watermelons", "f melancia/melancias", "f anguria/angurie"),
        ("🍕", "pizza/pizzas", "f pizza/pizzas", "f pizza/pizze"),
        ("🧀", "cheese/cheeses", "m queijo/queijos", "m formaggio/formaggi"),
        ("🥕", "carrot/carrots", "f cenoura/cenouras", "f carota/carote"),
        ("🥚", "egg/eggs", "m ovo/ovos", "m uovo/uova"),
        ("🍰", "cake/cakes", "m bolo/bolos = torta, tortas", "f torta/torte"),
    ),
    *_kinds(
        "vehicle",
        ("🚗", "car/cars", "m carro/carros", "f macchina/macchine = auto"),
        ("🚌", "bus/buses", "m ônibus/ônibus = autocarro, autocarros", "m autobus/autobus", "m autocarro/autocarros = ônibus"),
        ("🚚", "truck/trucks", "m caminhão/caminhões = camião, camiões", "m camion/camion", "m camião/camiões = caminhão, caminhões"),
        ("🚂", "train/trains", "m trem/trens = comboio, comboios", "m treno/treni", "m comboio/comboios = trem, trens"),
        ("🚲", "bicycle/bicycles", "f bicicleta/bicicletas", "f bicicletta/biciclette"),
        ("⛵", "boat/boats", "m barco/barcos", "f barca/barche"),
        ("✈", "airplane/airplanes", "m avião/aviões", "m aereo/aerei"),
        ("🚀", "rocket/rockets", "m foguete/foguetes = foguetão, foguetões", "m razzo/razzi", "m foguetão/foguetões = foguete, foguetes"),
    ),
    *_kinds(
        "object",
        ("🪑", "chair/chairs", "f cadeira/cadeiras", "f sedia/sedie"),
        ("📕", "book/books", "m livro/livros", "m libro/libri"),
        ("🔑", "key/keys", "f chave/chaves", "f chiave/chiavi"),
        ("🕰", "clock/clocks", "m relógio/relógios", "m orologio/orologi"),
        ("☂", "umbrella/umbrellas", "m guarda-chuva/guarda-chuvas", "m ombrello/ombrelli"),
        ("🎸", "guitar/guitars", "f guitarra/guitarras = violão, violões, viola, violas", "f chitarra/chitarre"),
        ("🎩", "hat/hats", "m chapéu/chapéus = cartola, cartolas", "m cappello/cappelli"),
        (
            "🎾",
            "tennis ball/tennis balls",
            "f bola de tênis/bolas de tênis = bola de ténis, bolas de ténis",
            "f pallina da tennis/palline da tennis",
            "f bola de ténis/bolas de ténis = bola de tênis, bolas de tênis",
        ),
        ("⚽", "soccer ball/soccer balls", "f bola de futebol/bolas de futebol", "m pallone da calcio/palloni da calcio"),
    ),
    *_kinds(
        "plant",
        ("🌳", "tree/trees", "f árvore/árvores", "m albero/alberi"),
        ("🌻", "flower/flowers", "f flor/flores", "m fiore/fiori"),
        ("🌵", "cactus/cactuses", "m cacto/cactos", "m cactus/cactus", "m cato/catos = cacto, cactos"),
    ),
    *_kinds(
        "landscape",
        ("🌋", "volcano/volcanoes", "m vulcão/vulcões", "m vulcano/vulcani"),
        ("🏙", "city/cities", "f cidade/cidades", "f città/città"),
        ("🌅", "sunset/sunsets", "m pôr do sol/pores do sol = pôr do sol, pôr-do-sol, por do sol, pôres do sol", "m tramonto/tramonti"),
    ),
    *_kinds(
        "building",
        ("🏠", "house/houses", "f casa/casas", "f casa/case"),
        ("🏰", "castle/castles", "m castelo/castelos", "m castello/castelli"),
        ("⛪", "church/churches", "f igreja/igrejas", "f chiesa/chiese"),
    ),
    *_kinds(
        "celestial body",
        (
            "🌞🕶",
            "sun with sunglasses/suns with sunglasses",
            "m sol de óculos escuros/sóis de óculos escuros = sol com óculos de sol, sóis com óculos de sol, sol com óculos escuros, sóis com óculos escuros, sol de óculos de sol, sóis de óculos de sol",
            "m sole con gli occhiali/soli con gli occhiali",
        ),
        ("🌞", "sun/suns", "m sol/sóis", "m sole/soli"),
        ("🌙", "moon/moons", "f lua/luas", "f luna/lune"),
        ("⭐", "star/stars", "f estrela/estrelas", "f stella/stelle"),
    ),
    *_kinds(
        "person",
        (
            "🧔",
            "bearded man/bearded men",
            "m homem barbudo/homens barbudos = homem de barba, homens de barba, homem com barba, homens com barba",
            "m uomo con la barba/uomini con la barba",
        ),
        ("👶", "baby/babies", "m bebê/bebês = bebé, bebés", "m neonato/neonati = bambino, bambini", "m bebé/bebés = bebê, bebês"),
        (
            "👧",
            "girl/girls",
            "f menina/meninas = garota, garotas, rapariga, raparigas",
            "f ragazza/ragazze = bambina, bambine",
            "f rapariga/raparigas = menina, meninas, garota, garotas",
        ),
    ),
)

CATEGORIES: tuple[Named, ...] = tuple(
    Named(parse(row[0]).singular, _words("categories", *row))
    for row in (
        ("animal/animals", "m animal/animais", "m animale/animali"),
        ("food/foods", "m alimento/alimentos = comida, comidas", "m cibo/cibi"),
        ("vehicle/vehicles", "m veículo/veículos", "m veicolo/veicoli"),
        ("object/objects", "m objeto/objetos = objecto, objectos", "m oggetto/oggetti"),
        ("plant/plants", "f planta/plantas", "f pianta/piante"),
        ("landscape/landscapes", "f paisagem/paisagens", "m paesaggio/paesaggi"),
        (
            "building/buildings",
            "f construção/construções = edifício, edifícios, prédio, prédios",
            "m edificio/edifici",
            "m edifício/edifícios = construção, construções, prédio, prédios",
        ),
        ("celestial body/celestial bodies", "m corpo celeste/corpos celestes = corpo celestial, corpos celestiais", "m corpo celeste/corpi celesti"),
        ("person/people", "f pessoa/pessoas", "f persona/persone"),
    )
)

COLOURS: tuple[Named, ...] = tuple(
    Named(parse(row[1]).singular, _words("colours", *row[1:]), row[0])
    for row in (
        ((250, 250, 250), "white", "m branco/brancos = branca, brancas", "m bianco/bianchi"),
        ((150, 150, 150), "gray = grey", "m cinza = cinzento, cinzenta", "m grigio/grigi", "m cinzento/cinzentos = cinza, cinzenta"),
        ((220, 50, 47), "red", "m vermelho/vermelhos = vermelha, vermelhas, encarnado", "m rosso/rossi"),
        ((245, 140, 30), "orange", "m laranja = alaranjado, cor de laranja", "m arancione/arancioni", "m cor de laranja = laranja, alaranjado"),
        ((250, 220, 60), "yellow", "m amarelo/amarelos = amarela, amarelas", "m giallo/gialli"),
        ((70, 170, 80), "green", "m verde/verdes", "m verde/verdi"),
        ((60, 120, 215), "blue", "m azul/azuis", "m blu"),
        ((130, 80, 180), "purple", "m roxo/roxos = roxa, púrpura, violeta", "m viola"),
        ((245, 150, 190), "pink", "m rosa = cor-de-rosa, cor de rosa, rosado", "m rosa", "m cor-de-rosa = rosa, cor de rosa, rosado"),
        ((130, 85, 50), "brown", "m marrom/marrons = castanho, castanha", "m marrone/marroni", "m castanho/castanhos = marrom"),
    )
)

NUMBERS: dict[str, tuple[tuple[str, ...], ...]] = {
    # Index = value; several forms where gender changes the word.
    "en": (("zero", "no"), ("one", "a", "an"), ("two",), ("three",), ("four",), ("five",), ("six",)),
    "pt-BR": (("zero", "nenhum", "nenhuma"), ("um", "uma"), ("dois", "duas"), ("três",), ("quatro",), ("cinco",), ("seis",)),
    "pt-PT": (("zero", "nenhum", "nenhuma"), ("um", "uma"), ("dois", "duas"), ("três",), ("quatro",), ("cinco",), ("seis",)),
    "it": (("zero", "nessun", "nessuno", "nessuna"), ("un", "uno", "una", "un'"), ("due",), ("tre",), ("quattro",), ("cinque",), ("sei",)),
    **{code: numbers_of(words) for code, words in LISTS.items()},
}

KIND = {kind.key: kind for kind in KINDS}
CATEGORY = {category.key: category for category in CATEGORIES}
COLOUR = {colour.key: colour for colour in COLOURS}
