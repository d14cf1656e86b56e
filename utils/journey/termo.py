"""The "Termo de Aceite de Entrega" of a period, in Portuguese: Markdown to edit and one HTML page to print on A4 and sign."""

import html
import re
from collections.abc import Sequence
from pathlib import Path

from utils import runs
from utils.journey.gates import GO, OPEN, Check, Verdict, weeks_of

TITLE = "Termo de Aceite de Entrega"
BLANK = 3  # lines to write remarks by hand
LINE = "\\_" * 40  # a line to write on, in Markdown
ACCEPTED = "Razão: todas as verificações foram atendidas."
PASSED = {True: "Atende", False: "Falta"}
PAGE = """<!doctype html>
<html lang="pt-BR"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>{title}</title><style>
@page {{ size: A4; margin: 13mm 17mm }}
* {{ box-sizing: border-box }}
body {{ font: 16px/1.45 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; max-width: 820px; margin: 2em auto; padding: 0 1em }}
body {{ color: #111; background: #fff }}
h1 {{ font-size: 1.6em; margin: 0 }}
h2 {{ font-size: 1.1em; margin: 1.1em 0 .3em; border-bottom: 2px solid #111; break-after: avoid }}
header p {{ margin: .2em 0; color: #333 }}
p {{ margin: .4em 0 }}
ul {{ margin: .3em 0; padding-left: 1.3em }}
li {{ overflow-wrap: anywhere }}
.people {{ display: grid; grid-template-columns: 2fr 2fr 1.2fr; gap: .4em 1.5em; margin: .8em 0 }}
.people p {{ margin: 0; border-bottom: 1px solid #555; min-height: 1.7em; overflow-wrap: anywhere }}
table {{ border-collapse: collapse; width: 100% }}
caption {{ text-align: left; color: #333; padding-bottom: .3em }}
th, td {{ text-align: left; vertical-align: top; padding: .3em .9em .3em 0; border-bottom: 1px solid #bbb; overflow-wrap: anywhere }}
td:first-child {{ width: 24% }}
td:nth-child(2) {{ width: 6em }}
thead {{ display: table-header-group }}
tr, li, .lines, .decision {{ break-inside: avoid }}
.no {{ font-weight: bold; color: #a3001b }}
.files {{ font-size: .85em; color: #444 }}
.blank {{ border-bottom: 1px solid #999; height: 1.8em }}
.decision p {{ margin: .3em 0 }}
.box {{ display: inline-block; width: 1.15em; height: 1.15em; border: 1.5px solid #111; text-align: center; line-height: 1.05em; margin-right: .5em }}
.sign {{ display: grid; grid-template-columns: 1fr 1fr; gap: 2em; margin-top: 3.2em; break-inside: avoid }}
.sign p {{ border-top: 1px solid #111; padding-top: .3em; margin: 0; overflow-wrap: anywhere }}
@media screen and (max-width: 560px) {{
  .people, .sign {{ grid-template-columns: 1fr }}
  .sign {{ gap: 3em }}
  thead {{ position: absolute; left: -9999px }}
  tr, td {{ display: block; width: auto !important; border: 0; padding: .1em 0 }}
  tr {{ border-bottom: 1px solid #bbb; padding: .5em 0 }}
  td:first-child {{ font-weight: bold }}
}}
@media print {{
  body {{ font-size: 10pt; line-height: 1.35; max-width: none; margin: 0; padding: 0 }}
  .sign {{ margin-top: 3.6em }}
}}
</style></head><body><main>
{body}
</main></body></html>
"""


def write_termo(verdict: Verdict, folder: Path, student: str = "", supervisor: str = "", date: str = "") -> tuple[Path, Path]:
    """Write the form of a verdict; returns (Markdown, HTML). Names and date that are not given stay blank, to be filled in by hand.

    Equal verdicts give equal files. Raises UserError where the folder cannot be written.
    """
    first, last = verdict.period.weeks
    weeks = f"{first:02d}" if first == last else f"{first:02d}-{last:02d}"
    path = Path(folder) / f"termo_semanas_{weeks}_{verdict.scale}_{verdict.language}_{verdict.recipe}"
    people = {"Estudante": student, "Orientador(a)": supervisor, "Data": date}
    made = path.with_name(f"{path.name}.md"), path.with_name(f"{path.name}.html")
    runs.write_text(made[0], markdown(verdict, people))
    runs.write_text(made[1], page(verdict, people))
    return made


def _heading(verdict: Verdict) -> tuple[str, str]:
    weeks = weeks_of(verdict.period)
    return (
        f"{'Semanas' if '–' in weeks else 'Semana'} {weeks}: {verdict.period.name}",
        f"Escala {verdict.scale} · língua {verdict.language} · receita {verdict.recipe}",
    )


def _plan(verdict: Verdict) -> list[str]:
    """The next period's plan; what is missing comes first."""
    missing = sum(not check.passed for check in verdict.checks)
    first = {0: [], 1: ["Primeiro: resolver a pendência deste período"]}.get(missing, [f"Primeiro: resolver as {missing} pendências deste período"])
    return [*first, *verdict.period.next]


def _reasons(verdict: Verdict) -> list[str]:
    """Why it is not accepted yet: each reason once, behind all the checks that it stops."""
    stopped: dict[str, list[str]] = {}
    for check in verdict.checks:
        if not check.passed:
            stopped.setdefault(check.reason, []).append(check.name)
    return [f"{'; '.join(names)}: {reason}." for reason, names in stopped.items()]


def _files(evidence: Sequence[str]) -> list[str]:
    """The files of a check, those of one folder together."""
    folders: dict[str, list[str]] = {}
    for name in evidence:
        folder, slash, file = name.rpartition("/")
        folders.setdefault(folder + slash, []).append(file)
    return [f"{folder}: {', '.join(files)}" if folder and len(files) > 1 else f"{folder}{', '.join(files)}" for folder, files in folders.items()]


def _summary(verdict: Verdict) -> str:
    return f"{sum(check.passed for check in verdict.checks)} de {len(verdict.checks)} verificações atendidas."


# Signs that Markdown reads as its own; a number or a dash at the start of a line cannot occur, for all text stands behind other text.
_SIGNS = re.compile(r"([\\`*_\[\]|~<>&$])")


def _one_line(text: object) -> str:
    """Without line ends and signs that no one can see: half characters, and those that turn the writing direction."""
    return "".join(sign for sign in " ".join(str(text).split()) if sign.isprintable())


def plain(text: object) -> str:
    """Text for Markdown that stays text: on one line, every sign of Markdown or HTML shown as itself."""
    return _SIGNS.sub(lambda sign: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(sign[1], f"\\{sign[1]}"), _one_line(text))


def _list(texts: Sequence[str], none: str) -> str:
    return "\n".join(f"- {plain(text)}" for text in texts or (none,))


def markdown(verdict: Verdict, people: dict[str, str]) -> str:
    """The form as Markdown; `people` are Estudante, Orientador(a) and Data, empty where they are not known."""
    period, run = _heading(verdict)
    names = "\n\n".join(f"**{role}:** {plain(name) or LINE}" for role, name in people.items())
    rows = "\n".join(
        f"| {plain(check.name)} | {PASSED[check.passed]} | {plain(check.reason)} | {'; '.join(map(plain, _files(check.evidence))) or '–'} |"
        for check in verdict.checks
    )
    boxes = "\n".join(f"- [{'x' if verdict.decision == decision else ' '}] {decision}" for decision in (GO, OPEN))
    reasons = _reasons(verdict)
    why = f"Razões:\n\n{_list(reasons, '')}" if reasons else ACCEPTED
    signed = "\n\n".join(f"{LINE}\n\n{role}" for role in ("Estudante", "Orientador(a)"))
    return f"""# {TITLE}

**{plain(period)}**

{plain(run)}

{names}

## Entregas do período

Planejadas:

{_list(verdict.period.planned, "nenhuma")}

Verificadas nos arquivos do curso: {_summary(verdict)}

| Verificação | Situação | O que foi medido, ou o que falta | Arquivos |
|---|---|---|---|
{rows}

## Planejamento do próximo período

{_list(_plan(verdict), "nada planejado")}

## Observações

{_list(verdict.remarks, "Nenhuma observação automática.")}

## Decisão

{boxes}

{why}

{signed}
"""


def safe(text: object) -> str:
    """Text for HTML that stays text, on one line; a percent sign stays beside its number."""
    return html.escape(_one_line(text)).replace(" %", "&nbsp;%")


def _row(check: Check) -> str:
    files = f'<div class="files">{" · ".join(map(safe, _files(check.evidence)))}</div>' if check.evidence else ""
    missing = "" if check.passed else ' class="no"'
    return f"<tr><td>{safe(check.name)}</td><td{missing}>{PASSED[check.passed]}</td><td>{safe(check.reason)}{files}</td></tr>"


def _box(decision: str, chosen: bool) -> str:
    told, sign = ("marcado", "✕") if chosen else ("não marcado", "&#8203;")
    return f'<p><span class="box" role="img" aria-label="{told}">{sign}</span>{f"<strong>{decision}</strong>" if chosen else decision}</p>'


def page(verdict: Verdict, people: dict[str, str]) -> str:
    """The form as one HTML page that needs no network; all text that comes from data or from people is escaped."""
    items = lambda texts, none: "<ul>" + "".join(f"<li>{safe(text)}</li>" for text in texts or (none,)) + "</ul>"  # noqa: E731
    period, run = _heading(verdict)
    names = "".join(f"<p><strong>{role}:</strong> {safe(name)}</p>" for role, name in people.items())
    rows = "".join(map(_row, verdict.checks))
    boxes = "".join(_box(decision, verdict.decision == decision) for decision in (GO, OPEN))
    lines = '<div class="blank"></div>' * BLANK
    blank = f'<div class="lines">{lines}</div>'
    reasons = _reasons(verdict)
    why = f"<p>Razões:</p>{items(reasons, '')}" if reasons else f"<p>{ACCEPTED}</p>"
    body = f"""<header><h1>{TITLE}</h1><p><strong>{safe(period)}</strong></p><p>{safe(run)}</p></header>
<div class="people">{names}</div>
<h2>Entregas do período</h2><p>Planejadas:</p>{items(verdict.period.planned, "nenhuma")}
<table><caption>Verificadas nos arquivos do curso: {_summary(verdict)}</caption>
<thead><tr><th scope="col">Verificação</th><th scope="col">Situação</th>
<th scope="col">O que foi medido, ou o que falta, e arquivos</th></tr></thead>
<tbody>{rows}</tbody></table>
<h2>Planejamento do próximo período</h2>{items(_plan(verdict), "nada planejado")}
<h2>Observações</h2>{items(verdict.remarks, "Nenhuma observação automática.")}{blank}
<h2>Decisão</h2><div class="decision">{boxes}</div>{why}
<div class="sign"><p>Estudante: {safe(people["Estudante"])}</p><p>Orientador(a): {safe(people["Orientador(a)"])}</p></div>"""
    return PAGE.format(title=f"{TITLE}, {safe(period)}", body=body)
