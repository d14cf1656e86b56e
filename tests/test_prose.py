"""The Portuguese pages: built from the English ones, never out of date in silence, the same numbers, links, code and words."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from urllib.parse import unquote

import nbformat
import pytest

from utils import runs
from utils.__main__ import main
from utils.prose import course, launch, pages
from utils.prose.blocks import Block, hash_of, matches, prose_text, read_blocks, updated
from utils.prose.rules import GLOSSARY, faults, read_glossary
from utils.runs import ROOT, UserError

TERMS = read_glossary(ROOT / GLOSSARY)
NOTEBOOKS = [page for page in pages.pages(ROOT) if page.english.suffix == ".ipynb"]
SOLUTIONS = pages.solutions(ROOT)
HEADER = "# 00 · Start\n\nBefore: [01](01_b.ipynb#top). Data: [here](../data/README.md), [a paper](https://arxiv.org/abs/1).\n\n![plot](img/a.png)"
TRANSLATED = (
    "# 00 · Início\n\nAntes: [01](01_b.ipynb#top). Dados: [aqui](../data/README.md), [um artigo](https://arxiv.org/abs/1).\n\n![gráfico](img/a.png)"
)
README = """# Course

English · [Português](README.pt-BR.md)

Learn it.

<!-- answers: written by code -->
<!-- end of answers -->

<!-- results: written by code -->

![bars](docs/bars.png)

| model | right |
|---|---|
| base | 2 % |

<!-- end of results -->

## Run

```bash
make journey  # all of it

# a comment
```

See [00](notebooks/00_a.ipynb) and [data](data/README.md).
"""


def notebook(path, cells) -> None:
    made = [(nbformat.v4.new_markdown_cell if kind == "md" else nbformat.v4.new_code_cell)(text, id=name) for name, kind, text in cells]
    made[1].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": {"name": "python3", "display_name": "P"}}), path)


@pytest.fixture()
def tree(tmp_path, monkeypatch):
    """A course of two notebooks and a README, with the true glossary; the commands run on it."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / GLOSSARY).write_text((ROOT / GLOSSARY).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    notebook(tmp_path / "notebooks" / "00_a.ipynb", [("a-0", "md", HEADER), ("a-1", "code", 'X = "é"  # [n](x.md)'), ("a-2", "md", "Two tiles.")])
    notebook(tmp_path / "notebooks" / "01_b.ipynb", [("b-0", "md", "# 01 · Tiles"), ("b-1", "code", "x = 1")])
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    return tmp_path


def translate(path, **texts: str) -> None:
    """Do what a translator does: put text below marks and take “untranslated” away. Keys have _ for blanks and dashes."""
    blocks = read_blocks(path)
    new = {re.sub(r"\W", "_", block.key): block for block in blocks}
    assert set(texts) <= set(new), set(new)
    done = [replace(new[key], text=texts[key], untranslated=False) if key in texts else block for key, block in new.items()]
    path.write_text(
        prose_text("x", done).replace("text for x;", path.read_text().split("text for ")[1].split(";")[0].join(("text for ", ";"))), "utf-8"
    )


def sound(tree):
    """The tree, translated and built; returns its first notebook's prose file."""
    course.update_all(tree)
    prose = tree / "notebooks" / "pt-BR"
    translate(prose / "00_a.md", cell_a_0=TRANSLATED, cell_a_2="Dois recortes.")
    translate(prose / "01_b.md", cell_b_0="# 01 · Recortes")
    readme = {"part_Course_1": "# Curso", "part_Course_2": "Aprenda.", "part_Run_1": "## Rode"}
    translate(tree / "docs" / "pt-BR" / "README.md", **readme, part_Run_2="Veja [00](notebooks/00_a.ipynb) e [dados](data/README.md).")
    course.build_all(tree)
    return prose / "00_a.md"


def edit(path, name: str, text: str | None) -> None:
    """Change a cell's text, or take the cell away."""
    found = nbformat.read(path, 4)
    for cell in found.cells:
        cell.source = text if cell.id == name and text is not None else cell.source
    found.cells = [cell for cell in found.cells if cell.id != name or text is not None]
    nbformat.write(found, path)


# The pages of the course


def test_the_committed_pages_are_up_to_date_and_sound():
    assert course.problems(ROOT) == [], "run `python -m utils prose --check` and do what it says"


@pytest.mark.parametrize("page", NOTEBOOKS, ids=[page.english.stem for page in NOTEBOOKS])
def test_a_portuguese_notebook_is_the_english_one_with_other_text(page):
    english, built = (json.loads(path.read_text(encoding="utf-8")) for path in (page.english, page.built))
    hidden = {key: value for key, value in built.items() if key != "cells"}
    assert hidden == {key: value for key, value in english.items() if key != "cells"}
    assert [cell["id"] for cell in built["cells"]] == [cell["id"] for cell in english["cells"]]
    for ours, theirs in zip(built["cells"], english["cells"], strict=True):
        if ours["cell_type"] == "code":
            assert ours == theirs and ours["outputs"] == []
        else:
            assert {**ours, "source": ""} == {**theirs, "source": ""} and ours["source"] != theirs["source"], ours["id"]


@pytest.mark.parametrize("page", SOLUTIONS, ids=[page.english.stem for page in SOLUTIONS])
def test_a_portuguese_solution_keeps_code_and_outputs_and_takes_the_exercises_from_its_notebook(page):
    english, built = (nbformat.read(path, 4) for path in (page.english, page.built))
    there = nbformat.read(page.built.parents[1] / page.built.name, 4).cells
    exercises = {cell.id: cell.source for cell in there if cell.cell_type == "markdown"}
    for ours, theirs in zip(built.cells, english.cells, strict=True):
        if ours.cell_type == "code":
            assert ours == theirs
        else:
            assert ours.id == theirs.id and ours.source != theirs.source and ours.source == exercises.get(ours.id, ours.source)
    assert sum(cell.id in exercises for cell in built.cells) == 3, "the three exercises"
    assert any(cell.get("outputs") for cell in built.cells)


@pytest.mark.parametrize("page", [*pages.pages(ROOT), *SOLUTIONS], ids=lambda page: page.name)
def test_the_links_of_a_portuguese_page_lead_somewhere(page):
    text = page.built.read_text(encoding="utf-8")
    if page.built.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")
    targets = [target for _, target in pages.LINK.findall(re.sub(r"```.*?```|`[^`\n]+`", "", text, flags=re.DOTALL))]
    heads = {"#" + head.replace(" ", "-") for head in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    if page.built.suffix == ".ipynb":
        assert {unquote(target) for target in targets if target.startswith("#")} <= heads
    near = [unquote(target.split("#")[0]) for target in targets if not re.match(r"[a-z]+:|#", target)]
    assert near and [target for target in near if not (page.built.parent / target).exists()] == []
    english = {one.english for one in (*NOTEBOOKS, *SOLUTIONS)}
    assert page.built.suffix == ".md" or not english & {(page.built.parent / target).resolve() for target in near}, (
        "Portuguese notebooks lead to each other"
    )


@pytest.mark.parametrize("folder", ["notebooks", "notebooks/pt-BR", "notebooks/solutions", "notebooks/pt-BR/solutions"])
def test_the_first_line_of_code_finds_the_course_from_both_folders(folder):
    found = SOLUTIONS if folder.endswith("solutions") else NOTEBOOKS
    cells = [cell.source for page in found for cell in nbformat.read(page.english, 4).cells if cell.cell_type == "code"]
    first = [line for cell in cells for line in cell.splitlines() if line.startswith("import sys")]
    assert len(first) == len(found) == 11 and len(set(first)) == 1
    code = f"{first[0]}\nimport utils.languages as found; print(found.__file__)"
    ended = subprocess.run([sys.executable, "-S", "-E", "-c", code], cwd=ROOT / folder, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert (ROOT / folder / ended.stdout.strip()).resolve() == ROOT / "utils" / "languages.py"


def test_make_test_runs_the_english_notebooks_alone():
    told = subprocess.run(["make", "test", "--dry-run"], cwd=ROOT, capture_output=True, text=True).stdout
    line = next(line for line in told.splitlines() if "nbval" in line and "no:nbval" not in line)
    targets = [word for word in line.split() if word.startswith("notebooks")]
    assert targets == ["notebooks/*.ipynb"]


def test_the_glossary_is_in_order_and_fills_every_column():
    english = [term.english.lower() for term in TERMS]
    assert len(TERMS) >= 60 and english == sorted(english)
    assert {"projector", "resampler", "tile", "turn", "placeholder", "stage", "label mask", "held-out", "quarantine"} <= set(english)


# One page from two


def test_a_page_is_built_from_code_and_translated_text(tree):
    sound(tree)
    assert course.problems(tree) == []
    built = nbformat.read(tree / "notebooks" / "pt-BR" / "00_a.ipynb", 4)
    english = nbformat.read(tree / "notebooks" / "00_a.ipynb", 4)
    assert built.cells[1] == english.cells[1] and built.metadata == english.metadata
    assert built.cells[0].id == "a-0" and built.cells[2].source == "Dois recortes."
    said = built.cells[0].source
    assert "[01](01_b.ipynb#top)" in said, "notebooks stay among the Portuguese ones"
    assert "](../../data/README.md)" in said and "](../img/a.png)" in said and "](https://arxiv.org/abs/1)" in said


def test_badges_lead_to_the_portuguese_notebook():
    names = {"00_a.ipynb"}
    for before, after in (
        ("https://colab.research.google.com/github/o/r/blob/main/notebooks/00_a.ipynb", "https://colab.research.google.com/github/o/r/blob/main/notebooks/pt-BR/00_a.ipynb"),
        ("https://mybinder.org/v2/gh/o/r/main?labpath=notebooks%2F00_a.ipynb", "https://mybinder.org/v2/gh/o/r/main?labpath=notebooks%2Fpt-BR%2F00_a.ipynb"),
        ("https://elsewhere.org/notebooks/99_x.ipynb", "https://elsewhere.org/notebooks/99_x.ipynb"),
        ("data/00_a.ipynb", "../data/00_a.ipynb"), ("../../docs/a.md", "../../../docs/a.md"), ("#top", "#top"), ("../README.md", "../../README.pt-BR.md"),
        ("../data/README.md", "../../data/README.md"), ("../../README.md", "../../../README.pt-BR.md"),
    ):  # fmt: skip
        assert pages.deeper(before, names) == after


def opened(path) -> str:
    """The last line of a notebook's header."""
    return nbformat.read(path, 4).cells[0].source.splitlines()[-1]


def test_each_header_tells_how_the_notebook_is_opened_here():
    for page in NOTEBOOKS:
        at = (page.english, ""), (page.built, "pt-BR")
        assert [opened(path) for path, _ in at] == [launch.line(path.name, launch.repository(ROOT), folder) for path, folder in at]
    asked = re.search(r"`make (lab NOTEBOOK=\S+)`", opened(NOTEBOOKS[5].built))[1]
    told = subprocess.run(["make", "--dry-run", *asked.split()], cwd=ROOT, capture_output=True, text=True).stdout
    named = next(word for word in told.split() if word.startswith("notebooks/"))  # below make, make tells its folder too
    assert [path.name for path in ROOT.glob(named)] == [NOTEBOOKS[5].built.name] and "pt-BR" in named


def test_a_public_repository_adds_links_in_both_languages_and_needs_no_translation(tree, monkeypatch):
    sound(tree)
    (tree / "CITATION.cff").write_text("title: t\nlicense: MIT\n", encoding="utf-8")
    monkeypatch.setattr(runs, "ROOT", tree)
    pair = tree / "notebooks" / "00_a.ipynb", tree / "notebooks" / "pt-BR" / "00_a.ipynb"
    assert main(["launch"]) == 0 and [opened(path) for path in pair] == ["▶ `make lab NOTEBOOK=00`", "▶ `make lab NOTEBOOK=pt-BR/00`"]
    for _ in range(2):  # given again, it adds nothing
        assert main(["launch", "owner/course"]) == 0
    for path, folder in zip(pair, ("", "pt-BR/"), strict=True):
        header = nbformat.read(path, 4).cells[0].source
        assert header.count("▶") == 1 and "](https://codespaces.new/owner/course)" in header
        assert f"](https://colab.research.google.com/github/owner/course/blob/main/notebooks/{folder}00_a.ipynb)" in header
    assert course.problems(tree) == []
    cited = (tree / "CITATION.cff").read_text(encoding="utf-8")
    assert cited == "title: t\nrepository-code: https://github.com/owner/course\nlicense: MIT\n"
    assert main(["launch", "no repository"]) == 2


def test_a_link_to_a_heading_leads_to_its_translation(tree):
    sound(tree)
    edit(tree / "notebooks" / "00_a.ipynb", "a-2", "See [this](#00-·-Start), [that](#else).")
    (tree / "README.md").write_text(README.replace("Learn it.", "Learn it: [how](#run)."), encoding="utf-8")
    translate(tree / "notebooks" / "pt-BR" / "00_a.md", cell_a_2="Veja [isto](#00-·-Start), [aquilo](#else).")
    translate(tree / "docs" / "pt-BR" / "README.md", part_Course_2="Aprenda: [como](#run).")
    course.build_all(tree)
    assert nbformat.read(tree / "notebooks" / "pt-BR" / "00_a.ipynb", 4).cells[2].source == "Veja [isto](#00-·-Início), [aquilo](#else)."
    assert "[como](#rode)" in (tree / "README.pt-BR.md").read_text(encoding="utf-8")


def test_links_in_code_are_left_alone():
    text = "`[a](b.md)` [c](d.md)\n```\n[e](f.md)\n```\n[g](h.md)"
    assert pages.relinked(text, lambda target: "X") == "`[a](b.md)` [c](X)\n```\n[e](f.md)\n```\n[g](X)"


def test_readme_takes_code_and_results_over(tree):
    sound(tree)
    text = (tree / "README.pt-BR.md").read_text(encoding="utf-8")
    assert text.startswith("# Curso\n\n[English](README.md) · **Português**\n\nAprenda.\n\n<!-- answers:")
    assert README[README.index("<!-- answers") : README.index("## Run")] in text
    assert README[README.index("```bash") : README.index("See")] in text
    assert "English · " not in text and "[00](notebooks/pt-BR/00_a.ipynb)" in text and "[dados](data/README.md)" in text
    (tree / "README.md").write_text(README.replace("2 %", "3 %").replace("make journey", "make all"), encoding="utf-8")
    assert [line for line in course.problems(tree) if "out of date" not in line] == [], "code and numbers make no text stale"
    course.build_all(tree)
    assert "| base | 3 % |" in (tree / "README.pt-BR.md").read_text(encoding="utf-8")


def test_a_new_paragraph_of_readme_leaves_the_others_as_they_were(tree):
    sound(tree)
    (tree / "README.md").write_text(README.replace("Learn it.", "News.\n\nLearn it."), encoding="utf-8")
    told = [line for line in course.problems(tree) if "out of date" not in line]
    assert len(told) == 1 and told[0].startswith("README.md, part Course 2: has no Portuguese block"), told
    course.update_all(tree)
    blocks = {block.key: block for block in read_blocks(tree / "docs" / "pt-BR" / "README.md")}
    assert blocks["part Course 3"].text == "Aprenda." and blocks["part Course 2"].untranslated and blocks["part Course 2"].text == "News."


# What changed is named


def test_a_new_cell_is_missing_then_untranslated_then_good(tree, capsys):
    assert main(["prose", "--check"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert any(line.startswith("notebooks/00_a.ipynb, cell a-2: has no Portuguese block; run") for line in told)
    assert main(["prose", "--update"]) == 0
    text = (tree / "notebooks" / "pt-BR" / "00_a.md").read_text(encoding="utf-8")
    assert f"<!-- cell a-2 · {hash_of('Two tiles.')} · untranslated -->\n\nTwo tiles.\n" in text
    assert main(["prose"]) == 1 and "cell a-2: is still English" in capsys.readouterr().err
    assert nbformat.read(tree / "notebooks" / "pt-BR" / "00_a.ipynb", 4).cells[2].source == "Two tiles."
    sound(tree)
    assert main(["prose"]) == 0 and main(["prose", "--check"]) == 0 and main(["prose", "--update"]) == 0
    assert "written" not in capsys.readouterr().out.split("0 problems")[-2], "a second update has nothing to write"


def test_a_changed_cell_makes_its_block_stale_and_only_that(tree):
    prose = sound(tree)
    edit(tree / "notebooks" / "00_a.ipynb", "a-2", "Three tiles.")
    course.update_all(tree)
    told = course.problems(tree)
    assert told == [f"notebooks/00_a.ipynb, cell a-2: changed in English; revise the Portuguese text and put {hash_of('Three tiles.')} in its mark"]
    assert "Dois recortes." in prose.read_text(encoding="utf-8"), "the old text stays for the translator"
    prose.write_text(prose.read_text().replace(hash_of("Two tiles."), hash_of("Three tiles.")).replace("Dois", "Três"), "utf-8")
    assert [line for line in course.problems(tree) if "out of date" not in line] == []


def test_a_cell_that_went_leaves_a_block_that_is_named(tree):
    prose = sound(tree)
    edit(tree / "notebooks" / "00_a.ipynb", "a-2", None)
    course.build_all(tree)
    told = course.problems(tree)
    assert len(told) == 1 and told[0].startswith("notebooks/00_a.ipynb, cell a-2: is in the prose file and no longer in English"), told
    course.update_all(tree)
    assert "Dois recortes." in prose.read_text(encoding="utf-8")


def test_a_changed_code_cell_and_a_hand_edited_page_are_out_of_date(tree):
    sound(tree)
    edit(tree / "notebooks" / "01_b.ipynb", "b-1", "x = 2")
    built = tree / "notebooks" / "pt-BR" / "00_a.ipynb"
    built.write_text(built.read_text(encoding="utf-8").replace("Dois", "Três"), encoding="utf-8")
    told = course.problems(tree)
    assert [line.split(":")[0] for line in told] == ["notebooks/00_a.ipynb", "notebooks/01_b.ipynb"] and all("out of date" in line for line in told)


def test_a_page_without_an_english_notebook_is_named(tree):
    sound(tree)
    (tree / "notebooks" / "01_b.ipynb").rename(tree / "notebooks" / "02_b.ipynb")
    told = course.problems(tree)
    assert [line for line in told if "no English notebook" in line] == [
        f"notebooks/pt-BR/01_b.{kind}: no English notebook has this name; delete it" for kind in ("ipynb", "md")
    ]


def test_blocks_follow_cells_that_move_or_get_another_id():
    blocks = [Block("cell a", hash_of("One"), "Um"), Block("cell b", hash_of("Two"), "Dois", ("turn",)), Block("cell c", hash_of("Old"), "Velho")]
    pieces = [("cell b", "Two"), ("cell x", "One"), ("cell c", "New")]
    assert [(block.key, block.text) for block in updated(pieces, blocks)] == [("cell b", "Dois"), ("cell x", "Um"), ("cell c", "Velho")]
    found, left = matches(pieces, blocks)
    assert [match.state for match in found] == ["good", "good", "stale"] and not left
    assert [m.block.text for m in matches([("cell a", "One"), ("cell b", "One")], [*blocks[:1], Block("cell b", hash_of("One"), "Uma")])[0]] == [
        "Um",
        "Uma",
    ]


def test_prose_files_read_as_they_were_written_and_broken_ones_are_refused(tmp_path):
    path = tmp_path / "p.md"
    blocks = (Block("cell a", "0" * 8, "Um\n\n```\n<!-- x -->\n```", ("turn", "label mask")), Block("part B 1", "a" * 8, "Two", (), True))
    path.write_text(prose_text("notebooks/p.ipynb", blocks), encoding="utf-8")
    assert read_blocks(path) == blocks and read_blocks(tmp_path / "none.md") == ()
    good = path.read_text(encoding="utf-8")
    for bad, said in (
        (good.replace("0" * 8, "0" * 7), "line 3: this mark cannot be read"), (good + good.split("\n", 1)[1], "cell a, part B 1 stands there twice"),
        (good.replace("\n\n<!-- cell", "\n\nlost\n\n<!-- cell"), "line 3: text stands above"), (good.replace("not: turn", "nicht: turn"), "cannot be read"),
    ):  # fmt: skip
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(UserError, match=said):
            read_blocks(path)


# What a translation must keep

ENGLISH = "## 1. Rows\n\nThe thesis reports 0.8 of 250,000 rows; see [docs](../docs/a.md), `make it` and:\n\n- one *turn*\n- two\n\n```\nrun\n```"
GOOD = "## 1. Linhas\n\nO TCC relata 0,8 de 250.000 linhas; veja [docs](../docs/a.md), `make it` e:\n\n- um *turno*\n- dois\n\n```\nrun\n```"


def test_a_faithful_translation_has_no_fault():
    assert faults(ENGLISH, GOOD, TERMS) == []
    assert faults("The gate's extremes: 2 rows.", "Os extremos do portão: 2 linhas. Ele diz “vamos” e “seed”; estão perto.", TERMS) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0,8", "0,9", "numbers differ: not in English: ['09']; not in Portuguese: ['08']"), ("250.000", "250.000.000", "numbers differ"),
        ("`make it`", "`faça`", "code differ"), ("\nrun", "\nrode", "code differ"), ("../docs/a.md", "docs/a.md", "links differ"),
        ("## 1.", "### 1.", "headings differ"), ("\n- dois", "", "list items differ"), ("O TCC relata", "Vemos que o TCC relata", "“Vemos”: speaks as “we”"),
        ("O TCC", "O nosso TCC", "“nosso”"), ("veja", "vê no teu", "“teu”: write “você”"), ("veja", "veja o ficheiro,", "“ficheiro”: European"),
        ("linhas;", "registros;", "glossary: “row” is “linha”"), ("turno", "vez", "glossary: “turn” is “turno”"), ("O TCC", "A tese", "“thesis” is “TCC”"),
        ("linhas;", "linhas do baseline;", "“baseline” is left in English"), ("veja", "palavra " * 140 + "veja", "words; 140 at most"),
    ],
)  # fmt: skip
def test_each_fault_of_a_translation_is_named(old, new, said):
    assert old in GOOD
    found = faults(ENGLISH, GOOD.replace("Linhas", "Fileiras" if "row" in said else "Linhas").replace(old, new), TERMS)
    assert any(said in fault for fault in found), found


def test_terms_are_found_whole_and_excused_one_by_one():
    assert faults("Each in turn passes the gate.", "Cada um por vez passa.", TERMS, apart=("turn",)) == ["glossary: “gate” is “portão”"]
    assert faults("A picture tower.", "Uma torre visual.", TERMS) == [], "the longer term is meant, not “picture”"
    assert faults("A label mask.", "Uma máscara.", TERMS) == ["glossary: “label mask” is “máscara de rótulos”"], "every word of a term"
    assert faults("Label masks, held-out rows.", "Máscaras de rótulos, linhas reservadas.", TERMS) == [], "plural and feminine"


def test_a_broken_glossary_is_refused(tmp_path):
    text = (ROOT / GLOSSARY).read_text(encoding="utf-8")
    for bad, said in (
        (text + "| tower | torre |  | Uma torre. |\n", "four filled columns"),
        (text + "| Tile | telha | A. | B. |\n", "stands there twice"),
    ):
        (tmp_path / "g.md").write_text(bad, encoding="utf-8")
        with pytest.raises(UserError, match=said):
            read_glossary(tmp_path / "g.md")
