"""A small AdMIRe of our own: five OpenMoji pictures for each compound, items in the published layout, training rows.

SemEval-2025's pictures and sentences are for evaluation and must be fetched (doi 10.15131/shef.data.28436600). What a model
does with an idiom can be seen on ours: the same five roles (strong idiomatic, idiomatic-related, literal-related, strong
literal, distractor), drawn from emoji. Which emoji stands for what was chosen by hand, by one person: assumed, not agreed.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from utils.corpus.conversations import IMAGE_TOKEN
from utils.corpus.idioms import FIGURATIVE, LITERAL, PEOPLE, Pair, pairs
from utils.corpus.scenes.render import SIZE, glyphs

ROLES = ("literal", "literal-related", "idiomatic", "idiomatic-related", "distractor")
GROUND = "#fffdf5"
KINDS = ("one sense", "both senses", "two steps")
WHICH = 'Na frase "{s}", a expressão "{c}" está em sentido literal ou figurado?'
SHOWS = 'A imagem mostra "{c}" em sentido literal ou figurado?'
SENSE = {LITERAL: "Sentido literal.", FIGURATIVE: "Sentido figurado."}
NEARLY = {LITERAL: "Quase literal.", FIGURATIVE: "Quase figurado."}
SHOWN = dict(zip(ROLES, (SENSE[LITERAL], NEARLY[LITERAL], SENSE[FIGURATIVE], NEARLY[FIGURATIVE], "Nenhum dos dois."), strict=True))
# Compound | strong literal | literal-related | strong idiomatic | idiomatic-related.
_DRAWN = """
dor de cotovelo | 💪 | 🩹 | 💔 | 😒
pé de meia | 🧦 | 🛏 | 🏦 | 💵
balde de água fria | 🪣 | 💧 | 😞 | 👎
mão de vaca | 🐄 | 🍖 | 👛 | 🙅
puxão de orelha | 👂 | 👉 | 🗯 | 😠
saco de pancadas | 🥊 | 🏋 | 😢 | 👥
cara de pau | 🪵 | 🎭 | 😏 | 🚶
bola de neve | ☃ | ❄ | 💸 | 📈
ponta do iceberg | 🧊 | 🚢 | 🔎 | 🤥
faca de dois gumes | 🔪 | 🍴 | ⚖ | 🤔
castelo de areia | 🏖 | 🏰 | 💭 | 🫧
castelo de cartas | 🃏 | 🏯 | 🏚 | 💥
pedra no sapato | 👞 | 🪨 | 😣 | 🏪
telhado de vidro | 🏠 | 🪟 | 🙊 | 🫣
fogo de palha | 🔥 | 🌾 | ⏳ | 😪
bicho de sete cabeças | 🐉 | 🐲 | 📐 | 😰
cabo de guerra | 🤼 | 🪢 | 🙎 | 💼
camisa de força | 👕 | 🔒 | 📜 | 🏫
carta na manga | 🎴 | 👔 | 🤫 | 💡
chave de ouro | 🔑 | 🗝 | 🏆 | 🎉
colcha de retalhos | 🧵 | 🧶 | 🧩 | 🤯
mina de ouro | ⛏ | 🪙 | 🤑 | 💰
saco sem fundo | 🛍 | ✂ | 🍔 | 🍽
sopa de letrinhas | 🍲 | 🔤 | 🏛 | ❓
cortina de fumaça | 💨 | 🌫 | 🙈 | 🕵
braço de ferro | 🦾 | 🤖 | 🤬 | ⏰
queda de braço | 🍻 | 🖐 | ⚔ | 🏧
beco sem saída | ⛔ | 🚧 | 🤷 | 🤝
ninho de cobras | 🐍 | 🥚 | 😈 | 🗡
freio de mão | 🚗 | 🛑 | 🐢 | 🐌
água com açúcar | 🥛 | 🍬 | 💑 | 📺
luz no fim do túnel | 🚇 | 🚂 | 🌅 | 🙏
pulga atrás da orelha | 🦟 | 🐕 | 🤨 | 📞
bola de cristal | 🔮 | ✨ | 📅 | 💱
pano de fundo | 🎨 | 🖼 | 📖 | 🪖
dor de cabeça | 🤕 | 💊 | 🧾 | 😩
mala sem alça | 🧳 | 🚌 | 🥱 | 🙄
cartão de visita | 📇 | 🏨 | 🌷 | 🏙
"""


def drawn() -> dict[str, dict[str, str]]:
    """Compound -> role -> emoji, for every compound that has sentences; the distractor comes with the item."""
    lines = [[part.strip() for part in line.split("|")] for line in _DRAWN.strip().splitlines()]
    return {compound: dict(zip(ROLES, emoji, strict=False)) for compound, *emoji in lines}


def split(test: int = 13, seed: int = 0) -> tuple[list[str], list[str]]:
    """(compounds to learn from, compounds held out); 13 as in AdMIRe's Portuguese test set."""
    every = list(drawn())
    held = set(random.Random(f"idiom split/{seed}").sample(every, test))
    return [name for name in every if name not in held], [name for name in every if name in held]


def _picture(emoji: str) -> Image.Image:
    picture = Image.new("RGB", (SIZE, SIZE), GROUND)
    art = glyphs(emoji, SIZE - 18)
    ImageDraw.Draw(picture).rectangle((0, 0, SIZE - 1, SIZE - 1), outline="#c8c2b0")
    picture.paste(art, (9, 9), art)
    return picture


def _plan(compound: str, seed: int) -> tuple[str, dict[str, str]]:
    """(the compound whose literal thing is the distractor, role -> file name)."""
    rng = random.Random(f"idiom pictures/{seed}/{compound}")
    other = rng.choice([name for name in drawn() if name != compound])
    digits = [f"{number:011d}" for number in rng.sample(range(10**11), len(ROLES))]
    return other, {role: f"{name}.png" for role, name in zip(ROLES, digits, strict=True)}


def file_names(seed: int = 0) -> dict[str, dict[str, str]]:
    """Compound -> role -> file name, as `write_pictures` names them; nothing is drawn."""
    return {compound: _plan(compound, seed)[1] for compound in drawn()}


def write_pictures(folder: Path, seed: int = 0) -> dict[str, dict[str, str]]:
    """Draw every compound's five pictures to `folder/<compound>/<eleven digits>.png`; returns compound -> role -> file name.

    Names are random digits, as in AdMIRe: nothing in them tells the role. The distractor is another compound's literal thing.
    """
    table = drawn()
    for compound, roles in table.items():
        other, names = _plan(compound, seed)
        shown = roles | {"distractor": table[other]["literal"]}
        (folder / compound).mkdir(parents=True, exist_ok=True)
        for role, name in names.items():
            _picture(shown[role]).save(folder / compound / name)
    return file_names(seed)


def gold_order(roles: dict[str, str], sense: str) -> tuple[str, ...]:
    """The five file names from best to worst for a sense, by AdMIRe's rule: this sense's two, the other's two, the distractor."""
    literal, idiomatic = ("literal", "literal-related"), ("idiomatic", "idiomatic-related")
    order = (*literal, *idiomatic) if sense == LITERAL else (*idiomatic, *literal)
    return tuple(roles[role] for role in (*order, "distractor"))


def sense_of(compound: str, seed: int = 0) -> str:
    """The sense in which a compound comes in the first release, half of them literal; the other release has the other."""
    order = list(drawn())
    random.Random(f"idiom senses/{seed}").shuffle(order)
    return (LITERAL, FIGURATIVE)[order.index(compound) % 2]


def other(sense: str) -> str:
    return FIGURATIVE if sense == LITERAL else LITERAL


def sentences(compound: str, seed: int = 0) -> tuple[list[Pair], Pair]:
    """(pairs to learn from, the pair to be tested on): the last one is about somebody whom the others are not."""
    every = [pair for pair in pairs(len(PEOPLE), seed) if pair.compound == compound]
    return every[:-1], every[-1]


def sentence_in(pair: Pair, sense: str) -> str:
    return pair.literal if sense == LITERAL else pair.idiomatic


def rows(compounds: Sequence[str], names: dict, ask: Callable[[str, str], str], kind: str, each: int = 10, seed: int = 0) -> list[dict]:
    """LLaVA rows, one a picture, of one of KINDS; every compound has `each` sentences and twice as many questions.

    "one sense" and "both senses" ask whether the picture is the best one for the sense that the compound has in a sentence, in the
    words of `ask(sentence, compound)`; as many yes as no. In the first a compound has the sense of `sense_of` alone: "this compound,
    this picture" is then all there is to learn. The second has contrast pairs, half of the sentences in each sense. "two steps" has
    the same pairs, and asks apart what the answer rests on: the sense of the sentence, and the sense that the picture shows.
    """
    if kind not in KINDS:
        raise ValueError(f"the kind of idiom rows {kind!r} is unknown; use one of: {', '.join(KINDS)}")
    found = []
    for compound in compounds:
        told = [(pair, sense) for pair in sentences(compound, seed)[0] for sense in (LITERAL, FIGURATIVE)]
        if kind == "one sense":
            told = [(pair, sense_of(compound, seed)) for pair in sentences(compound, seed)[0]]
        rng = random.Random(f"idiom questions/{seed}/{compound}")
        turns: dict[str, list[tuple[str, str]]] = {name: [] for name in names[compound].values()}
        steps = _two_steps if kind == "two steps" else _direct
        for name, question, answer in steps(compound, names[compound], told[:each], ask, rng):
            turns[name].append((question, answer))
        found += [_row(compound, name, said) for name, said in turns.items() if said]
    return found


def _direct(compound: str, roles: dict[str, str], told: list, ask: Callable[[str, str], str], rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """(picture, question, answer): the best picture for the sentence, and another one, mostly the best of the other sense."""
    for pair, sense in told:
        best, near, opposite, *rest = gold_order(roles, sense)
        no = opposite if rng.random() < 0.6 else rng.choice([near, *rest])
        for name, answer in ((best, "Sim."), (no, "Não.")):
            yield name, ask(sentence_in(pair, sense), compound), answer


def _two_steps(compound: str, roles: dict[str, str], told: list, _: object, rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """(picture, question, answer): what a sentence means, beside any picture; and what each picture shows, as often."""
    for at, (pair, sense) in enumerate(told):
        yield rng.choice(list(roles.values())), WHICH.format(s=sentence_in(pair, sense), c=compound), SENSE[sense]
        role = ROLES[at % len(ROLES)]
        yield roles[role], SHOWS.format(c=compound), SHOWN[role]


def _row(compound: str, name: str, said: list[tuple[str, str]]) -> dict:
    conversations = []
    for number, (question, answer) in enumerate(said):
        asked = f"{IMAGE_TOKEN}\n{question}" if number == 0 else question
        conversations += [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
    return {"id": f"{compound}/{name}", "image": f"{compound}/{name}", "conversations": conversations, "turns": "independent"}
