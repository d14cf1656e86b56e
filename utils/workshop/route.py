"""The ninety minutes as data: what the room does when, which notebooks the machines run meanwhile, and the words of the handout's frame."""

from dataclasses import dataclass

MINUTES = 90
# What the machines run from minute 5 on; 03 makes the corpus that 05 needs, and the room does not read it.
RUN = ("00", "01", "03", "04", "05", "06")
READ = ("00", "01", "04", "05", "06")


@dataclass(frozen=True)
class Part:
    """Minutes of the route spent on one thing; `notebook` is a number such as 05, or "" for none."""

    minutes: int
    notebook: str
    en: str
    pt: str


ROUTE = (
    Part(5, "", "Check the laptop; start the run, which works while we read", "Confira o computador; inicie a execução, que trabalha enquanto lemos"),
    Part(10, "00", "The picture world; the base sees, and answers in English", "O mundo de imagens; o modelo base vê, e responde em inglês"),
    Part(15, "01", "Types A to D: where does the picture meet the text?", "Tipos A a D: onde a imagem encontra o texto?"),
    Part(10, "04", "Recipes as lists of stages; which GPU does each need?", "Receitas como listas de etapas; de que GPU cada uma precisa?"),
    Part(25, "05", "What learns, which tokens carry loss, base and tuned side by side", "O que aprende, quais tokens contam na perda, base e ajustado lado a lado"),
    Part(17, "06", "Rate ten answers blind, alone; then compare with a neighbour", "Avalie dez respostas às cegas, sem conversar; depois compare com quem está ao lado"),
    Part(8, "", "Recall questions, hand in the ratings, what to run at home", "Perguntas de revisão, entrega das avaliações, o que executar em casa"),
)  # fmt: skip

# The frame of the handout; everything else on it comes from the notebooks.
WORDS = {
    "en": {
        "title": "LLaVA em Português in ninety minutes", "name": "Name", "when": "Minutes", "what": "What we do", "notebook": "Notebook",
        "box": "The ninety minutes", "commands": "Three commands, in the folder of the course",
        "check": "is this laptop ready?", "run": "runs what we read, about a quarter of an hour on two cores", "lab": "opens the notebooks",
        "windows": "On Windows write .venv\\Scripts\\python instead of .venv/bin/python.",
        "slow": "No network is needed for any of this. Stopped, the run goes on where it was.",
        "tiny": "Everything here is the tiny scale, in Brazilian Portuguese: real models, made small. It shows how things work, not how good a big model is.",
    },
    "pt-BR": {
        "title": "LLaVA em Português em noventa minutos", "name": "Nome", "when": "Minutos", "what": "O que fazemos", "notebook": "Notebook",
        "box": "Os noventa minutos", "commands": "Três comandos, na pasta do curso",
        "check": "este computador está pronto?", "run": "executa o que lemos, cerca de um quarto de hora em dois núcleos", "lab": "abre os notebooks",
        "windows": "No Windows, escreva .venv\\Scripts\\python no lugar de .venv/bin/python.",
        "slow": "Nada disto precisa de rede. Se parar, a execução continua de onde estava.",
        "tiny": "Tudo aqui está na escala tiny, em português do Brasil: modelos reais, feitos pequenos. Mostra como as coisas funcionam, não o quanto um modelo grande é bom.",
    },
}  # fmt: skip


def clock(route: tuple[Part, ...] = ROUTE) -> list[tuple[int, int, Part]]:
    """(first minute, last minute, part) of each part."""
    found, now = [], 0
    for part in route:
        found.append((now, now + part.minutes, part))
        now += part.minutes
    return found
