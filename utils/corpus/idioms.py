"""Make training rows that set a Brazilian compound's literal sense against its figurative one, apart from every test item.

The thesis planned to train on idioms; AdMIRe's own items (SemEval-2025 task 1) are for evaluation only, so the sentences
are written by hand here. AdMIRe's known Portuguese compounds are a noun with an adjective (mercado negro); all of ours join
nouns with a preposition, so none can be its neighbour by accident, and `overlap` proves it on the real files. Hyphens are
left out, as in AdMIRe: spelling must not give the sense away (the dictionary writes "pé-de-meia" for the savings).
"""

import random
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from utils.corpus.conversations import IMAGE_TOKEN, write_rows

LITERAL, FIGURATIVE = "literal", "idiomatic"
# Compounds of AdMIRe's Portuguese part that are public in its task page and papers; the rest is in the user's files.
ADMIRE_PORTUGUESE = (
    "mercado negro", "ovelha negra", "pão duro", "elefante branco", "montanha russa", "mesa redonda", "sinal verde", "olho gordo", "corda bamba",
    "tapete vermelho", "planta baixa", "pé frio", "gato pingado", "caixa preta", "água doce", "algodão doce", "alto mar",
)  # fmt: skip
PEOPLE = ("Marta", "João", "Luciana", "Rafael", "Dona Célia", "Seu Antônio", "Beatriz", "Caio", "Fernanda", "Tiago", "Iara", "Moacir")
# Compound | literal sentence | figurative sentence | literal meaning | figurative meaning; {q} is who the sentence is about.
_WRITTEN = """
dor de cotovelo | {q} bateu na quina da mesa e ficou com dor de cotovelo a semana toda. | {q} viu a antiga paixão de mãos dadas com outra pessoa e ficou com dor de cotovelo. | uma dor no meio do braço | ciúme ou inveja
pé de meia | {q} achou um pé de meia debaixo da cama. | {q} juntou um bom pé de meia antes da aposentadoria. | uma das duas meias de um par | dinheiro guardado aos poucos
balde de água fria | {q} jogou um balde de água fria na calçada para tirar a poeira. | Para {q}, o resultado da prova foi um balde de água fria. | um balde cheio de água gelada | uma decepção
mão de vaca | {q} pediu no açougue uma mão de vaca para fazer caldo. | {q} é mão de vaca e nunca paga o café de ninguém. | a pata do animal, usada na cozinha | quem não gosta de gastar
puxão de orelha | {q} deu um puxão de orelha no primo, que ficou com a orelha vermelha. | {q} levou um puxão de orelha da chefia por causa do relatório atrasado. | um puxão na orelha de alguém | uma bronca
saco de pancadas | {q} pendurou um saco de pancadas no quintal para treinar boxe. | Depois da derrota, {q} virou o saco de pancadas da torcida. | um saco pesado em que se treinam socos | quem leva a culpa e as críticas
cara de pau | {q} esculpiu uma cara de pau para o boneco do desfile. | {q} teve a cara de pau de furar a fila na frente de todos. | um rosto feito de madeira | falta de vergonha
bola de neve | {q} fez uma bola de neve e jogou no boneco do jardim. | {q} deixou a dívida do cartão virar uma bola de neve. | uma bola feita de neve | um problema que cresce sem parar
ponta do iceberg | Do navio, {q} fotografou a ponta do iceberg acima da água. | Para {q}, aquela multa era só a ponta do iceberg da fraude. | a parte de cima de um bloco de gelo | a parte pequena que se vê de um problema grande
faca de dois gumes | {q} cortou a corda com uma faca de dois gumes. | {q} acha que trabalhar em casa é uma faca de dois gumes. | uma faca que corta dos dois lados | algo que ajuda e prejudica ao mesmo tempo
castelo de areia | {q} passou a tarde na praia montando um castelo de areia. | O plano de {q} de enriquecer em um mês era um castelo de areia. | uma construção de areia molhada | um sonho sem base
castelo de cartas | {q} empilhou o baralho e montou um castelo de cartas na mesa. | O acordo que {q} costurou era um castelo de cartas e caiu na primeira crise. | uma torre feita com o baralho | algo frágil que desaba logo
pedra no sapato | {q} parou a caminhada porque sentiu uma pedra no sapato. | O novo concorrente é uma pedra no sapato de {q}. | uma pedrinha dentro do calçado | um incômodo que não passa
telhado de vidro | {q} colocou um telhado de vidro na varanda para entrar mais luz. | {q} tem telhado de vidro e não devia criticar os colegas. | uma cobertura transparente | defeitos que também podem ser criticados
fogo de palha | {q} acendeu um fogo de palha para espantar os mosquitos do curral. | O entusiasmo de {q} com a academia foi fogo de palha e durou uma semana. | palha seca queimando | uma animação que passa depressa
bicho de sete cabeças | No desenho animado, {q} viu um bicho de sete cabeças soltando fumaça. | {q} descobriu que a matemática não era nenhum bicho de sete cabeças. | um monstro com sete cabeças | algo que parece difícil demais
cabo de guerra | {q} puxou a corda com toda a força no cabo de guerra da gincana. | {q} cansou do cabo de guerra entre os sócios da empresa. | o jogo de puxar a corda | uma disputa em que ninguém cede
camisa de força | {q} guardou na caixa de fantasias uma camisa de força com fivelas. | {q} acha que o novo regulamento é uma camisa de força para as escolas. | uma roupa que prende os braços | uma regra que tira a liberdade
carta na manga | {q} percebeu que o mágico escondia uma carta na manga do paletó. | {q} negociou com calma porque tinha uma carta na manga. | uma carta de baralho dentro da roupa | um recurso guardado para a hora certa
chave de ouro | {q} guardou no cofre uma chave de ouro que pertenceu ao avô. | {q} encerrou a carreira com chave de ouro. | uma chave feita de metal precioso | um final muito bom
colcha de retalhos | {q} costurou uma colcha de retalhos para a cama do quarto. | Segundo {q}, a nova lei é uma colcha de retalhos. | uma coberta feita de pedaços de pano | uma mistura de partes que não combinam
mina de ouro | {q} visitou uma mina de ouro e desceu até a galeria mais funda. | {q} descobriu que a barraca de pastel era uma mina de ouro. | um lugar de onde se tira metal precioso | um negócio que dá muito lucro
saco sem fundo | {q} descosturou o pano e ficou com um saco sem fundo nas mãos. | Na hora do almoço, {q} é um saco sem fundo e repete três vezes. | um saco aberto embaixo | quem come ou gasta sem parar
sopa de letrinhas | {q} esquentou uma sopa de letrinhas para o jantar. | {q} se perdeu na sopa de letrinhas dos órgãos do governo. | um caldo com massa em forma de letras | um monte de siglas confusas
cortina de fumaça | O incêndio levantou uma cortina de fumaça, e {q} não via mais a estrada. | Para {q}, o anúncio foi uma cortina de fumaça sobre o rombo nas contas. | fumaça que tapa a vista | algo feito para desviar a atenção
braço de ferro | {q} construiu um robô com um braço de ferro. | {q} venceu o braço de ferro com a diretoria sobre o horário. | um braço feito de metal | uma disputa de poder
queda de braço | {q} apoiou o cotovelo na mesa do bar e ganhou a queda de braço. | A queda de braço de {q} com o banco já dura dois anos. | o jogo de baixar o braço do outro | um conflito em que ninguém cede
beco sem saída | {q} errou o caminho e parou o carro em um beco sem saída. | {q} viu que a negociação tinha chegado a um beco sem saída. | uma rua fechada no fim | uma situação sem solução
ninho de cobras | {q} achou um ninho de cobras debaixo da pedra. | {q} pediu demissão daquele escritório, que era um ninho de cobras. | o lugar onde ficam répteis | um grupo de pessoas falsas
freio de mão | {q} puxou o freio de mão antes de sair do carro. | A empresa de {q} passou o ano com o freio de mão puxado. | a alavanca que segura o carro parado | um ritmo lento de propósito
água com açúcar | {q} tomou um copo de água com açúcar depois do susto. | {q} passa o domingo vendo novela água com açúcar. | uma bebida adoçada | uma história romântica e ingênua
luz no fim do túnel | Do trem, {q} já via a luz no fim do túnel. | Depois de meses de dívidas, {q} enxerga uma luz no fim do túnel. | a claridade da saída | uma esperança de solução
pulga atrás da orelha | {q} achou uma pulga atrás da orelha do cachorro. | A ligação estranha deixou {q} com a pulga atrás da orelha. | um inseto no pelo do animal | uma desconfiança
bola de cristal | {q} comprou uma bola de cristal na feira de antiguidades. | {q} não tem bola de cristal para saber quanto o dólar vai custar. | uma esfera de vidro brilhante | o poder de adivinhar o futuro
pano de fundo | {q} pintou o pano de fundo do palco da escola. | O romance de {q} tem a guerra como pano de fundo. | o tecido atrás do cenário | o contexto de uma história
dor de cabeça | {q} tomou um remédio para dor de cabeça e foi deitar. | O conserto do carro virou uma dor de cabeça para {q}. | uma dor no alto do corpo | uma preocupação
mala sem alça | {q} carregou no colo uma mala sem alça pela rodoviária. | {q} evita aquele vizinho, que é uma mala sem alça. | uma bagagem difícil de segurar | uma pessoa muito chata
cartão de visita | {q} deixou um cartão de visita na recepção do hotel. | Para {q}, a praça florida é o cartão de visita da cidade. | um papel com nome e telefone | aquilo que causa a primeira impressão
"""
_ASKS = (
    'Na frase "{s}", a expressão "{c}" está em sentido literal ou figurado?',
    'Leia: "{s}" A expressão "{c}" está em sentido figurado ou literal?',
    'A expressão "{c}" está em sentido literal ou figurado nesta frase: "{s}"',
)
_NAMES = {LITERAL: "literal", FIGURATIVE: "figurado"}
# Endings that become one; "o" for pão, mãos, limões and shoe alike. Then last letters: trem, trens; party, parties; wolf, wolves.
_PLURALS = ((("oes", "oe", "aes", "ae", "aos", "ao"), "o"), (("ais",), "al"), (("eis",), "el"), (("ois",), "ol"), (("uis",), "ul"))
_LAST = {"n": "m", "y": "i", "v": "f"}
_FORMAT = "Cf"  # soft hyphens and zero-width signs, which no reader sees


@dataclass(frozen=True)
class Pair:
    """One compound in both senses, about the same person; `meanings` are (literal, figurative)."""

    compound: str
    literal: str
    idiomatic: str
    meanings: tuple[str, str]


def _written() -> list[list[str]]:
    return [[part.strip() for part in line.split("|")] for line in _WRITTEN.strip().splitlines()]


def compounds() -> list[str]:
    """The compounds that have sentences here."""
    return [line[0] for line in _written()]


def pairs(each: int = 4, seed: int = 0) -> list[Pair]:
    """`each` pairs of every compound, with different people; at most len(PEOPLE) of them are different."""
    if not 1 <= each <= len(PEOPLE):
        raise ValueError(f"each is {each}; use 1 to {len(PEOPLE)}, for there are so many people")
    rng, found = random.Random(f"idioms/{seed}"), []
    for compound, literal, idiomatic, plain, figure in _written():
        found += [Pair(compound, literal.format(q=who), idiomatic.format(q=who), (plain, figure)) for who in rng.sample(PEOPLE, each)]
    return found


def rows(made: Iterable[Pair], picture: str = "", seed: int = 0) -> Iterator[dict]:
    """Two LLaVA rows a pair, one a sense: which sense and what it means, then a yes-no question on it.

    Both rows of a pair are asked in the same words, so only the sentence tells the answer. The rows have no picture,
    as LLaVA's text rows; with `picture`, the path of a blank one, they fit a trainer that wants one a row.
    """
    rng = random.Random(f"idiom rows/{seed}")
    for number, pair in enumerate(made):
        ask, claimed = rng.choice(_ASKS), rng.choice((LITERAL, FIGURATIVE))
        for sense, sentence, meaning in ((LITERAL, pair.literal, pair.meanings[0]), (FIGURATIVE, pair.idiomatic, pair.meanings[1])):
            said = [
                ask.format(s=sentence, c=pair.compound), f'Está em sentido {_NAMES[sense]}: aqui "{pair.compound}" quer dizer {meaning}.',
                f'Então "{pair.compound}" está em sentido {_NAMES[claimed]} nessa frase? Responda sim ou não.', "Sim." if claimed == sense else "Não.",
            ]  # fmt: skip
            if picture:
                said[0] = f"{IMAGE_TOKEN}\n{said[0]}"
            turns = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(said)]
            yield {"id": f"idiom_{number:05d}_{sense}", **({"image": picture} if picture else {}), "conversations": turns}


def write_idioms(path: Path, each: int = 4, picture: str = "", seed: int = 0) -> int:
    """Write the rows of `pairs(each, seed)` as a LLaVA file, shuffled; returns how many. Whole or not at all."""
    made = list(rows(pairs(each, seed), picture, seed))
    random.Random(f"idiom file/{seed}").shuffle(made)
    write_rows(path, made)
    return len(made)


def _stem(word: str) -> str:
    """A word without what number changes in Portuguese and English: crude, but the same for both forms."""
    for endings, instead in _PLURALS:
        ending = next((ending for ending in endings if word.endswith(ending) and len(word) > len(ending)), None)
        if ending:
            return word[: -len(ending)] + instead
    for ending, longer_than in (("s", 2), ("e", 3), ("s", 2)):  # pé, pés; luz, luzes; mês, meses
        if word.endswith(ending) and len(word) > longer_than:
            word = word[:-1]
    return word[:-1] + _LAST.get(word[-1], word[-1])


def _stems(text: str) -> list[str]:
    """The text's words for comparison: no accents, capitals, hyphens, apostrophes, invisible signs or plural."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign) and unicodedata.category(sign) != _FORMAT)
    return [_stem(word) for word in re.findall(r"[^\W_]+", plain)]


def overlap(rows: Iterable[dict], items: Iterable[object]) -> list[dict]:
    """Every compound of an evaluation file that occurs in training rows: {"compound", "rows", "ids"} with up to five ids.

    `items` are AdMIRe items (anything with `.compound`) or the compounds themselves. Accents, case, hyphens and plural do
    not hide one; words of the same stem may raise a false alarm, which is the safe side.
    """
    wanted = {tuple(_stems(name)): name for name in (getattr(item, "compound", item) for item in items)}
    wanted.pop((), None)
    by_first: dict[str, list[tuple[str, ...]]] = {}
    for key in wanted:
        by_first.setdefault(key[0], []).append(key)
    hits: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        found = set()
        for turn in row["conversations"]:
            words = _stems(turn["value"])
            found |= {key for at, word in enumerate(words) for key in by_first.get(word, ()) if tuple(words[at : at + len(key)]) == key}
        for key in found:
            hits.setdefault(key, []).append(str(row.get("id")))
    return [{"compound": wanted[key], "rows": len(hits[key]), "ids": hits[key][:5]} for key in wanted if key in hits]
