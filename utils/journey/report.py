"""The report: executed notebooks as HTML, and one page with the numbers and pictures. Nothing needs a network."""

import html
import re
from pathlib import Path

from utils import runs

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#111;background:#fff}}
table{{border-collapse:collapse}}td,th{{text-align:left;padding:4px 14px 4px 0;border-bottom:1px solid #ddd;vertical-align:top}}
figure{{margin:2em 0}}figcaption,small{{color:#555;font-size:14px}}.failed,.stopped{{color:#b00020;font-weight:bold}}img{{max-width:100%}}
a{{color:#0645ad}}code{{font-size:13px;overflow-wrap:anywhere}}.wide{{overflow-x:auto}}.number{{white-space:nowrap}}
@media(max-width:600px){{.runs thead{{position:absolute;left:-9999px}}.runs tr{{display:block;border-bottom:1px solid #ddd;padding:8px 0}}
.runs td{{display:block;border:0;padding:1px 0}}.runs td:empty{{display:none}}.runs td[data-name]:before{{content:attr(data-name) ": ";color:#555}}}}
</style></head><body>{body}</body></html>
"""

INTERACTIVE = "[a part to click on: open the notebook in Jupyter to use it]"
# Over nbconvert's own colours: comments, numbers and operators at a contrast of 4.5:1, links that do not live by colour alone.
READABLE = (
    ".highlight .c1{color:#2f6060!important}.highlight .ow{color:#8a1bd1!important}"
    ".highlight :is(.mi,.mf,.mh,.mb,.mo,.il){color:#006b00!important}.jp-RenderedHTMLCommon a{text-decoration:underline!important}"
)


def to_html(notebook: Path) -> Path | None:
    """An executed notebook as a page beside it; None when it was not executed, or is torn. No script is fetched."""
    made = _read(notebook)
    if made is None:
        return None
    target = notebook.with_suffix(".html")
    if target.exists() and target.stat().st_mtime >= notebook.stat().st_mtime:
        return target
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(mathjax_url="", require_js_url="", exclude_input_prompt=True, exclude_output_prompt=True)
    page, _ = exporter.from_notebook_node(still(made), {"metadata": {"name": notebook.stem}})
    page = page.replace("</head>", f"<style>{READABLE}</style></head>", 1)
    runs.write_text(target, re.sub(r'href="([\w-]+)\.ipynb"', r'href="\1.html"', page))
    return target


def _read(notebook: Path):
    """A notebook; None where there is none, or half of one, as a kill leaves it."""
    import nbformat

    try:
        return nbformat.read(notebook, as_version=4)
    except (OSError, ValueError):
        return None


def still(notebook):
    """The same notebook without widgets, whose scripts come from a network; one that has no still twin says where it can be used."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if data.pop("application/vnd.jupyter.widget-view+json", None) and set(data) == {"text/plain"}:
                data["text/plain"] = INTERACTIVE
    return notebook


def tidy(notebook: Path) -> None:
    """Write an executed notebook anew without widgets, which no kernel moves any more, and without this machine's paths."""
    import nbformat

    made = _read(notebook)
    if made is None:
        return
    for key in ("input_path", "output_path"):
        if path := made.metadata.get("papermill", {}).get(key):
            made.metadata.papermill[key] = Path(path).name
    runs.write_text(notebook, nbformat.writes(still(made)) + "\n")


def write_report(folder: Path, parameters: dict, results: list[dict], spent: dict | None = None) -> Path:
    """`index.html`: what ran, how long and in how much memory, the headline numbers, every figure with its alternative text."""
    # The folder's name tells a share of a scale and a seed, too.
    title = f"LLaVA em Português: {parameters['RECIPE']} · {folder.parent.name} · {parameters['LANGUAGE']}"
    parts = [f"<h1>{html.escape(title)}</h1>"]
    if parameters["SCALE"] == "tiny":
        parts.append(
            "<p>Everything here was made at the <b>tiny</b> scale: real models, made small. It shows how things work, not how good a big model is.</p>"
        )
    corpus = folder / "corpus" / "report.json"
    if corpus.exists() and runs.read_json(corpus).get("engine") == "gold":
        parts.append("<p>No translator was used: the texts in this language are the picture world's <b>gold text</b>, and every figure says so.</p>")
    parts += [_notebooks(results), _overhead(spent), _headlines(folder), _figures(folder)]
    parts.append("<p>Artwork: OpenMoji, CC BY-SA 4.0. Offline translation: Firefox Translations models, Mozilla.</p>")
    target = folder / "index.html"
    runs.write_text(target, PAGE.format(title=html.escape(title), body="".join(parts)))
    return target


HEADS = ("notebook", "status", "time", "peak memory", "slowest cells", "log")


def _notebooks(results: list[dict]) -> str:
    rows = "".join(f"<tr>{''.join(_cells(one))}</tr>" for one in results)
    head = "".join(f'<th scope="col">{name}</th>' for name in HEADS)
    return f'<h2>Notebooks</h2><div class="wide" tabindex="0"><table class="runs"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cells(one: dict) -> list[str]:
    """The six cells of a notebook's row."""
    name, status = html.escape(one["name"]), html.escape(one["status"])
    where = f"cell {one['cell']}: " if one.get("cell") is not None else ""
    told = f"<br>{html.escape(where + one['message'])}" if "message" in one else ""
    done = " <small>done before</small>" if one.get("skipped") and status == "ok" else ""
    slow = "<br>".join(f"{c['seconds']:.0f} s, cell {c['cell']}: <code>{html.escape(c['code'])}</code>" for c in one.get("slowest", ()))
    return [
        f'<td><a href="notebooks/{name}.html">{name}</a></td>', f'<td><span class="{status}">{status}</span>{done}{told}</td>',
        f'<td class="number" data-name="time">{one["seconds"]:.0f} s</td>', f'<td class="number" data-name="peak memory">{_memory(one)}</td>',
        f'<td data-name="slowest cells">{slow}</td>' if slow else "<td></td>", f'<td><a href="notebooks/{name}.log">log</a></td>',
    ]  # fmt: skip


def _memory(one: dict) -> str:
    """Peak memory of a notebook's kernel, and of what its stages held on a GPU, in GB of 1024 MiB."""
    kinds = (("", "peak_memory_mb"), ("GPU ", "gpu_memory_mb"))
    return "<br>".join(f"{label}{one[key] / 1024:.1f} GB" for label, key in kinds if one.get(key)) or "not told"


def _overhead(spent: dict | None) -> str:
    """One sentence: what the journey took on top of its cells."""
    if not spent or spent["share"] is None:
        return ""
    return (
        f"<p>The cells took {spent['cells']:.0f} s of {spent['seconds']:.0f} s: starting kernels, saving and writing pages added "
        f"{100 * spent['share']:.0f} % (target: at most {100 * spent['target']:.0f} %).</p>"
    )


def _headlines(folder: Path) -> str:
    path = folder / "headlines.json"
    if not path.exists():
        return ""
    rows = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(as_told(v))}</td></tr>" for k, v in runs.read_json(path).items())
    return f'<h2>Numbers</h2><div class="wide" tabindex="0"><table>{rows}</table></div>'


def as_told(value: object) -> str:
    """A headline as text: a share is kept as a number, so that a gate can read it."""
    return f"{100 * value:.0f} %" if isinstance(value, float) and 0 <= value <= 1 else str(value)


def _figures(folder: Path) -> str:
    from utils.figures import picture_tag

    drawn = []
    for path in sorted((folder / "figures").glob("*.png")):
        text = path.with_suffix(".txt")
        alt = text.read_text(encoding="utf-8") if text.exists() else path.stem
        drawn.append(f"<figure>{picture_tag(path.read_bytes(), alt)}<figcaption>{html.escape(alt)}</figcaption></figure>")
    return f"<h2>Pictures</h2>{''.join(drawn)}" if drawn else ""
