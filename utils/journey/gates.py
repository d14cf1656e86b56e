"""The gate of each period of the residency: reads what lies on disk, checks its substance, and says `Go!` or `Em análise` with reasons.

The periods are the course's weeks; the form's parts are those of the thesis's "Termo de Aceite de Entrega" (UFG, Goiânia 2024).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from utils import runs
from utils.journey import gate_checks as first
from utils.journey import gate_models as later
from utils.journey.gate_files import Asked, Found, notebook
from utils.languages import language as language_record
from utils.runs import UserError
from utils.scales import scale as scale_record
from utils.training.recipes import recipe as recipe_record

GO, OPEN = "Go!", "Em análise"
LAST_WEEK = 10


@dataclass(frozen=True)
class Period:
    """A period of the residency: its first and last week, its name, what it must deliver, what the next one plans.

    `notebooks` are the numbers of the notebooks: the first must be there, the others once they are part of the course. `checks` are
    (name, function) of what is measured beside them.
    """

    weeks: tuple[int, int]
    name: str
    planned: tuple[str, ...]
    next: tuple[str, ...]
    notebooks: tuple[str, ...]
    checks: tuple[tuple[str, Callable[[Asked], Found]], ...]


@dataclass(frozen=True)
class Check:
    """One thing that a gate looked at: its name, whether it passed, what was measured or what to do, and the files."""

    name: str
    passed: bool
    reason: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a gate says of a period of one run (scale, language, recipe)."""

    period: Period
    checks: tuple[Check, ...]
    decision: str
    remarks: tuple[str, ...]
    scale: str
    language: str
    recipe: str


PERIODS = (
    Period(
        (1, 3), "Taxonomia das arquiteturas",
        ("Tabela e linha do tempo dos modelos multimodais por tipo (A, B, C, D e espaço de estados)",
         "Comparação de cinco fusões pequenas com as mesmas lições, três sementes e intervalos"),
        ("Sondar VL-T5 e LLaVA com as mesmas imagens e perguntas", "Separar o efeito da instrução, dos alvos e da arquitetura"),
        ("01",), (("Cinco fusões acima da linha de base", first.study), ("Um ponto do estudo refeito nesta máquina", first.one_point)),
    ),
    Period(
        (4, 5), "Sondas: VL-T5 e LLaVA",
        ("VL-T5 e LLaVA treinados com as mesmas imagens e perguntas", "Respostas comparadas em língua, tamanho, acerto e prova da imagem"),
        ("Traduzir os cinco arquivos do LLaVA-Instruct", "Conferir cada linha e pôr em quarentena as que não passam"),
        ("02",), (("Modelos da sonda aprenderam", first.probed), ("Sonda medida", first.compared)),
    ),
    Period(
        (6, 7), "Tradução do conjunto de dados",
        ("Os cinco arquivos do LLaVA-Instruct na língua do curso", "Quarentena com razões e relatório da tradução",
         "Expressões idiomáticas (semana 7)"),
        ("Comparar as receitas dos quatro sistemas, valor por valor", "Planejar a memória e escolher a GPU"),
        ("03", "08"), (("Nenhuma linha perdida", first.nothing_lost), ("Quarentena pequena", first.little_held),
                       ("Frases na língua", first.spoken), ("Arquivos intactos", first.untouched)),
    ),
    Period(
        (8, 8), "Receitas e memória",
        ("Quatro receitas comparadas, com a origem de cada valor", "Plano de memória e de horas por GPU"),
        ("Ajustar o LLaVA com o corpus traduzido", "Avaliar antes e depois, por tipo de pergunta"),
        ("04",), (("Cada valor da receita tem origem", later.sourced), ("O plano cabe em uma GPU", later.planned)),
    ),
    Period(
        (8, 10), "Ajuste fino do LLaVA",
        ("Modelo ajustado com o corpus traduzido", "Avaliação antes e depois, com intervalos e linha de base", "Prova de que o modelo olha a imagem"),
        ("Avaliação por pessoas, às cegas", "Publicar o modelo com ficha, limites e licenças"),
        ("05",), (("Treino completo e perda em queda", later.trained), ("Supera a base e a maioria", later.better),
                  ("Responde na língua", later.in_language), ("Olha a imagem", later.looks), ("Não perdeu o inglês", later.kept_english)),
    ),
    Period(
        (10, 10), "Avaliação qualitativa e publicação",
        ("Respostas lidas e avaliadas por pessoas", "Limites do modelo em combinações nunca vistas", "Modelo pronto para outra pessoa usar"),
        ("Escrever a monografia e apresentar os resultados", "Repetir o percurso em escala maior, com dados próprios"),
        ("06", "10"), (("Acima da linha de base no que nunca viu", later.unseen), ("Avaliação por pessoas", later.rated),
                       ("Modelo inteiro, em formato aberto", later.loads)),
    ),
)  # fmt: skip


def gate(week: int | None, scale: str, language: str, recipe: str) -> list[Verdict]:
    """The verdicts of every period that holds `week` (1 to 10), or of all; reads only, and no file on disk makes it fail.

    Raises UserError for another week, and ValueError for an unknown scale, language or recipe.
    """
    if week is not None and not (isinstance(week, int) and 1 <= week <= LAST_WEEK):
        raise UserError(f"week {week} is not part of the residency; give a week from 1 to {LAST_WEEK}, or none for all")
    asked = Asked(scale_record(scale), scale, language_record(language).code, recipe_record(recipe))
    return [_verdict(period, asked) for period in PERIODS if week is None or period.weeks[0] <= week <= period.weeks[1]]


def _verdict(period: Period, asked: Asked) -> Verdict:
    from utils.journey.run import SOURCES

    there = [number for number in period.notebooks if number == period.notebooks[0] or any(SOURCES.glob(f"{number}_*.ipynb"))]
    remarks = [f"O caderno {number} ainda não faz parte do curso; nada foi conferido dele." for number in period.notebooks if number not in there]
    named = [(f"Caderno {number} executado", partial(notebook, prefix=number)) for number in there]
    checks = []
    for name, look in (*named, *period.checks):
        check, more = _checked(name, look, asked)
        checks.append(check)
        remarks += more
    decision = GO if all(check.passed for check in checks) else OPEN
    return Verdict(period, tuple(checks), decision, tuple(dict.fromkeys(remarks)), asked.scale.name, asked.language, asked.recipe.name)


def _checked(name: str, look: Callable[[Asked], Found], asked: Asked) -> tuple[Check, tuple[str, ...]]:
    """(check, remarks): a file that is there, but not as the course writes it, is a reason and no crash."""
    try:
        found = look(asked)
    except (UserError, OSError, LookupError, StopIteration, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        told = str(error) if isinstance(error, UserError) else f"um arquivo não tem a forma esperada ({type(error).__name__}: {error}); {asked.again}"
        return Check(name, False, told.replace(f"{runs.outputs()}/", "").replace(f"{runs.ROOT}/", "")), ()
    return Check(name, True, found.said, found.files), found.remarks


def weeks_of(period: Period) -> str:
    first_week, last_week = period.weeks
    return str(first_week) if first_week == last_week else f"{first_week}–{last_week}"


def line_of_gates(verdicts: list[Verdict]) -> str:
    """All verdicts in one line, such as "semanas 1–3 Go! · 4–5 Em análise"."""
    return "semanas " + " · ".join(f"{weeks_of(one.period)} {one.decision}" for one in verdicts)


def gate_command(week: int | None, scale: str, language: str, recipe: str, student: str = "", supervisor: str = "") -> int:
    """Print the verdicts with reasons and write a form for each; returns 0 when all say Go!, else 1. Raises as `gate` does."""
    from utils.journey.termo import write_termo

    verdicts = gate(week, scale, language, recipe)
    for verdict in verdicts:
        print(f"semanas {weeks_of(verdict.period)} · {verdict.period.name}: {verdict.decision}")
        for check in verdict.checks:
            print(f"  [{'ok' if check.passed else '  '}] {check.name}: {check.reason}")
        for remark in verdict.remarks:
            print(f"  obs. {remark}")
        folder = runs.output_folder(verdict.scale, verdict.language, "termos")
        print(f"  termo: {' e '.join(map(str, write_termo(verdict, folder, student, supervisor)))}")
    print(line_of_gates(verdicts))
    return int(any(verdict.decision != GO for verdict in verdicts))
