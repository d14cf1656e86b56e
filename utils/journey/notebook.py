"""What every notebook begins with: the three parameters made records, a folder, and small HTML tables."""

import html
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils import runs
from utils.languages import Language, language
from utils.scales import Scale, scale
from utils.training.recipes import Recipe, recipe
from utils.translation.engines.bergamot import PAIRS


@dataclass(frozen=True)
class Course:
    """The three parameters of a run and where its results go."""

    scale: Scale
    language: Language
    recipe: Recipe
    folder: Path

    @property
    def gold(self) -> bool:
        """Whether gold text stands in for a translation: the corpus's report says so, or will where there is none yet."""
        try:
            return runs.read_json(self.folder / "corpus" / "report.json").get("engine") == "gold"
        except runs.UserError:
            return self.scale.weights == "data" and self.language.code not in PAIRS and not os.environ.get("ENGINE")

    @property
    def mark(self) -> str:
        """What every figure's title ends with where gold text stands in for a translation."""
        return " · gold text" if self.gold else ""

    def title(self, text: str) -> str:
        """A figure's title with recipe, scale and language, and a word where gold text stands in for translation."""
        return f"{text}\n{self.recipe.name} · {self.scale.name} · {self.language.code}{self.mark}"

    def told(self) -> str:
        """What a reader must know when the language is another than the one the notebooks are written about; "" for pt-BR."""
        code, name = self.language.code, self.language.prompt_name
        if code == "pt-BR":
            return ""
        said = f"LANGUAGE is {code}: where the text says Portuguese of what is trained or asked here, read {name}."
        said += " The thesis, and results that travel with the course, stay in Brazilian Portuguese and say so."
        if self.gold:
            said += f" The offline engine does not translate into {name}: the picture world's gold text is used, and every figure says so."
        elif code == "pt-PT" and not os.environ.get("ENGINE"):
            said += " The offline engine's Portuguese is mostly Brazilian, and the model learns it: notebook 03 counts the variety."
        return said

    def note(self, **numbers: object) -> None:
        """Keep headline numbers for the journey's report."""
        path = self.folder / "headlines.json"
        kept = runs.read_json(path) if path.exists() else {}
        runs.write_json(path, {**kept, **numbers})


def course_recipe(name: str) -> Recipe:
    """The recipe that the notebooks walk through; raises ValueError for one that trains, but has no notebook yet."""
    found = recipe(name)
    if found.shape:
        raise ValueError(f"RECIPE {name!r} trains with: python -m utils train --recipe {name}; the notebooks walk through llava-pt alone so far")
    return found


def begin(scale_name: str, language_code: str, recipe_name: str) -> Course:
    """The course for a notebook's parameters, what its language changes printed; raises ValueError or UserError with one sentence."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    size = scale(scale_name)
    course = Course(size, language(language_code), course_recipe(recipe_name), runs.output_folder(size.name, language_code))
    if course.told():
        print(course.told())
    return course


def table(rows: Sequence[dict], caption: str):
    """Rows as an HTML table; keys of the first row are the head, and all text is escaped."""
    from IPython.display import HTML

    short = lambda text: ";white-space:nowrap" if len(text) <= 24 else ""  # noqa: E731  (a number with its unit stays on one line)
    cell = lambda value: f'<td style="text-align:left;padding:3px 10px{short(str(value))}">{html.escape(str(value))}</td>'  # noqa: E731
    head = "".join(f'<th scope="col" style="text-align:left;padding:3px 10px">{html.escape(str(key))}</th>' for key in (rows[0] if rows else {}))
    body = "".join(f"<tr>{''.join(map(cell, row.values()))}</tr>" for row in rows)
    return HTML(
        f"<table><caption style='text-align:left'>{html.escape(caption).replace(chr(10), '<br>')}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def inline(page: Path, height: int = 640):
    """A page of ours shown inside a notebook, self-contained, so that the exported notebook still holds it."""
    from IPython.display import HTML

    text = html.escape(page.read_text(encoding="utf-8"), quote=True)
    # In a <div>, because IPython warns of every HTML that begins with an iframe.
    return HTML(
        f'<div><iframe title="{html.escape(page.name)}" srcdoc="{text}" style="width:100%;height:{height}px;border:1px solid #ccc"></iframe></div>'
    )


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def score_rows(tables: dict[str, list[dict]], order: Sequence[str]) -> list[dict]:
    """Rows of a table: type, baseline, and each model's share with its interval."""
    rows = []
    for name in order:
        row = {"type": name}
        for label, scores in tables.items():
            found = next(r for r in scores if r["type"] == name)
            row.setdefault("baseline", percent(found["baseline"]))
            row[label] = f"{percent(found['share'])} [{100 * found['low']:.0f}–{100 * found['high']:.0f}]"
        rows.append(row)
    return rows
