"""The report: executed notebooks as HTML, and one page with the numbers and pictures. Nothing needs a network."""

import html
import re
from pathlib import Path

from utils import runs
from utils.figures import picture_tag

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#111;background:#fff}}
table{{border-collapse:collapse}}td,th{{text-align:left;padding:4px 14px 4px 0;border-bottom:1px solid #ddd;vertical-align:top}}
figure{{margin:2em 0}}figcaption{{color:#555;font-size:14px}}.failed{{color:#b00020;font-weight:bold}}img{{max-width:100%}}
a{{color:#0645ad}}</style></head><body>{body}</body></html>
"""


def to_html(notebook: Path) -> Path | None:
    """An executed notebook as a page beside it; None when it was not executed. No script is fetched."""
    if not notebook.exists():
        return None
    target = notebook.with_suffix(".html")
    if target.exists() and target.stat().st_mtime >= notebook.stat().st_mtime:
        return target
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(mathjax_url="", require_js_url="", exclude_input_prompt=True, exclude_output_prompt=True)
    page, _ = exporter.from_filename(str(notebook))
    runs.write_text(target, re.sub(r'href="([\w-]+)\.ipynb"', r'href="\1.html"', page))
    return target


def write_report(folder: Path, parameters: dict, results: list[dict]) -> Path:
    """`index.html`: what ran, the headline numbers, every figure with its alternative text."""
    title = f"LLaVA em Português: {parameters['RECIPE']} · {parameters['SCALE']} · {parameters['LANGUAGE']}"
    parts = [f"<h1>{html.escape(title)}</h1>"]
    if parameters["SCALE"] == "tiny":
        parts.append(
            "<p>Everything here was made at the <b>tiny</b> scale: real models, made small. It shows how things work, not how good a big model is.</p>"
        )
    corpus = folder / "corpus" / "report.json"
    if corpus.exists() and runs.read_json(corpus).get("engine") == "gold":
        parts.append("<p>No translator was used: the texts in this language are the picture world's <b>gold text</b>, and every figure says so.</p>")
    parts += [_notebooks(results), _headlines(folder), _figures(folder)]
    parts.append("<p>Artwork: OpenMoji, CC BY-SA 4.0. Offline translation: Firefox Translations models, Mozilla.</p>")
    target = folder / "index.html"
    runs.write_text(target, PAGE.format(title=html.escape(title), body="".join(parts)))
    return target


def _notebooks(results: list[dict]) -> str:
    rows = "".join(
        f'<tr><td><a href="notebooks/{r["name"]}.html">{html.escape(r["name"])}</a></td>'
        f'<td class="{r["status"]}">{r["status"]}</td><td>{r["seconds"]:.0f} s</td><td>{html.escape(r.get("message", ""))}</td></tr>'
        for r in results
    )
    return f"<h2>Notebooks</h2><table><tr><th>notebook</th><th>status</th><th>time</th><th></th></tr>{rows}</table>"


def _headlines(folder: Path) -> str:
    path = folder / "headlines.json"
    if not path.exists():
        return ""
    rows = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(_told(v))}</td></tr>" for k, v in runs.read_json(path).items())
    return f"<h2>Numbers</h2><table>{rows}</table>"


def _told(value: object) -> str:
    """A headline as text: a share is kept as a number, so that a gate can read it."""
    return f"{100 * value:.0f} %" if isinstance(value, float) and 0 <= value <= 1 else str(value)


def _figures(folder: Path) -> str:
    drawn = []
    for path in sorted((folder / "figures").glob("*.png")):
        text = path.with_suffix(".txt")
        alt = text.read_text(encoding="utf-8") if text.exists() else path.stem
        drawn.append(f"<figure>{picture_tag(path.read_bytes(), alt)}<figcaption>{html.escape(alt)}</figcaption></figure>")
    return f"<h2>Pictures</h2>{''.join(drawn)}" if drawn else ""


START, END = "<!-- results:", "<!-- end of results -->"


def update_readme(folder: Path) -> Path:
    """Put a journey's figure and headline numbers into README.md, between its two marks."""
    journey = runs.read_json(folder / "journey.json")
    figure = runs.ROOT / "docs" / "tiny-pt-BR.png"
    figure.parent.mkdir(exist_ok=True)
    figure.write_bytes((folder / "figures" / "05_target.png").read_bytes())
    alt = (folder / "figures" / "05_target.txt").read_text(encoding="utf-8")
    minutes = sum(n["seconds"] for n in journey["notebooks"]) / 60
    rows = "\n".join(f"| {name} | {_told(value)} |" for name, value in journey["headlines"].items())
    readme = runs.ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    head, rest = text[: text.index("\n", text.index(START)) + 1], text[text.index(END) :]
    body = f"\n![{alt}](docs/tiny-pt-BR.png)\n\n| tiny, pt-BR, all notebooks in {minutes:.0f} minutes | |\n|---|---|\n{rows}\n\n"
    runs.write_text(readme, head + body + rest)
    return readme
