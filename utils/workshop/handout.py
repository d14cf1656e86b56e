"""The handout: one printable page in English or Portuguese, made from the notebooks of the route; no script, nothing from a network."""

import html
import re
from pathlib import Path

from utils import runs
from utils.prose.blocks import read_blocks
from utils.prose.launch import without
from utils.prose.pages import Page, build, pages
from utils.runs import UserError
from utils.workshop.route import READ, RUN, WORDS, clock

# The first cell that closes a notebook; it and every text behind it belong on the handout.
CLOSING = re.compile(r"^##+ +(?:\d+\. +)?(?:Summary|Takeaways|Recall|Exercises)\b", re.IGNORECASE)
LINK = re.compile(r"\[([^\]]*)\]\([^)\s]+\)")
STYLE = """
@page{size:A4;margin:16mm 15mm}
*{box-sizing:border-box}
body{font:10.5pt/1.4 system-ui,"Segoe UI",Helvetica,Arial,sans-serif;color:#111;background:#fff;max-width:180mm;margin:8mm auto;padding:0 4mm}
h1{font-size:19pt;line-height:1.2;margin:0 0 3mm}
h2{font-size:14pt;margin:0 0 2mm;border-bottom:1.5pt solid #111;padding-bottom:1mm;break-after:avoid}
h3{font-size:11pt;margin:3mm 0 1mm;break-after:avoid}
p,ul,ol{margin:0 0 2mm}ul,ol{padding-left:6mm}li{margin:0 0 .8mm}
section{margin-top:7mm;padding-top:1mm}
p,li,tr{break-inside:avoid}p:has(+ol){break-after:avoid}
.name{display:flex;gap:4mm;margin-bottom:4mm}.name span{flex:1;border-bottom:.75pt solid #767676}
.box{border:1.5pt solid #111;padding:3mm 4mm;margin:4mm 0;break-inside:avoid}
.box h2{border:0;padding:0}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:1mm 3mm 1mm 0;border-bottom:.5pt solid #999}
td:first-child,th:first-child{white-space:nowrap}tr:last-child td{border-bottom:0}
code{font:9.5pt ui-monospace,Consolas,monospace;background:#f2f2f2;padding:0 .8mm;overflow-wrap:anywhere}
dt{margin-top:1mm}dd{margin:0 0 0 6mm;color:#444}
ol.recall li{padding-bottom:7mm;border-bottom:.5pt dotted #767676;margin-bottom:1.5mm}
@media print{body{margin:0;padding:0;max-width:none}}
"""


def write_handout(out: Path, language: str = "en", root: Path = runs.ROOT) -> Path:
    """Write `OUT/handout-LANGUAGE.html`; returns its path. Raises UserError for a language without prose or a missing notebook."""
    if language not in WORDS:
        raise UserError(f"--language {language!r} has no handout; use one of: {', '.join(WORDS)}")
    shelf = {page.english.name[:2]: page for page in pages(root) if page.english.suffix == ".ipynb"}
    if missing := [number for number in READ if number not in shelf]:
        raise UserError(f"{root / 'notebooks'} has no notebook {missing[0]}; run the command in a whole copy of the course")
    sections = "".join(section(texts(shelf[number], language)) for number in READ)
    title = html.escape(WORDS[language]["title"])
    page = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>{front(language)}{sections}</main></body></html>\n"
    )
    target = out / f"handout-{language}.html"
    runs.write_text(target, page)
    return target


def texts(page: Page, language: str) -> list[str]:
    """The texts of a notebook that the handout shows: header, objectives, and all from the summary on, in a language.

    Which cells these are is read from the English notebook; a cell that is not translated yet stays English.
    """
    import nbformat

    english = nbformat.read(page.english, as_version=4).cells
    said = english if language == "en" else nbformat.reads(build(page, read_blocks(page.prose)), as_version=4).cells
    closing = next((n for n, cell in enumerate(english) if cell.cell_type == "markdown" and CLOSING.match(cell.source)), len(english))
    return [
        without(spoken.source)  # how a notebook is opened stands among the commands
        for n, (cell, spoken) in enumerate(zip(english, said, strict=True))
        if cell.cell_type == "markdown" and (n == 0 or cell.source.startswith("## What you will be able to do") or n >= closing)
    ]


def section(cells: list[str]) -> str:
    """The cells of one notebook as HTML: the title one size smaller, links as plain words, recall questions with room to write."""
    import mistune

    render = mistune.create_markdown(escape=True)
    parts = []
    for cell in cells:
        shown = [paragraph for paragraph in cell.split("\n\n") if not _only_leads_on(paragraph)]
        text = "\n\n".join(_listed(paragraph) for paragraph in shown)
        text = re.sub(r"^##+ ", "### ", LINK.sub(r"\1", text), flags=re.MULTILINE)
        parts.append(re.sub(r"<(/?)h1>", r"<\1h2>", render(text)))
    return "<section>" + "".join(parts).replace("<ol>", '<ol class="recall">') + "</section>"


def _only_leads_on(paragraph: str) -> bool:
    """Whether a paragraph is nothing but pictures and short words round links, such as badges or `Next: …`."""
    left = LINK.sub("", re.sub(r"!\[[^\]]*\]\([^)]*\)", "", paragraph))
    return bool(LINK.search(paragraph)) and len(re.findall(r"\w+", left)) <= 4


def _listed(paragraph: str) -> str:
    """A paragraph with a bold start that counts `1. … 2. … 3. …` as a list, each on a line of its own."""
    if paragraph.startswith("**") and all(f" {n}. " in paragraph for n in (1, 2, 3)):
        return re.sub(r" (?=1\. )", "\n\n", re.sub(r" (?=[23]\. )", "\n", paragraph), count=1)
    return paragraph


def front(language: str) -> str:
    """Title, name, the box with the times, the commands."""
    say = {key: html.escape(text) for key, text in WORDS[language].items()}
    spoken = "pt" if language == "pt-BR" else "en"
    rows = "".join(
        f"<tr><td>{start}–{end}</td><td>{part.notebook or '–'}</td><td>{html.escape(getattr(part, spoken))}</td></tr>" for start, end, part in clock()
    )
    head = f'<tr><th scope="col">{say["when"]}</th><th scope="col">{say["notebook"]}</th><th scope="col">{say["what"]}</th></tr>'
    notebooks = "notebooks" if language == "en" else f"notebooks/{language}"
    commands = {"check": "-m utils workshop check", "run": f"-m utils journey --notebooks {' '.join(RUN)}", "lab": f"-m jupyterlab {notebooks}"}
    listed = "".join(f"<dt><code>.venv/bin/python {command}</code></dt><dd>{say[key]}</dd>" for key, command in commands.items())
    return (
        f'<h1>{say["title"]}</h1><div class="name">{say["name"]}: <span></span></div><p>{say["tiny"]}</p>'
        f'<div class="box"><h2>{say["box"]}</h2><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
        f'<div class="box"><h2>{say["commands"]}</h2><dl>{listed}</dl><p>{say["windows"]} {say["slow"]}</p></div>'
    )
