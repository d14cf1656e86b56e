"""The front door: every link, anchor and command of the pages, and the files that a public host reads."""

import re
import shlex
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
import yaml

from utils.__main__ import _parser, main
from utils.runs import ROOT

PAGES = [path for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "data" / "README.md") if path.exists()]
NOTEBOOKS = sorted(path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
HOSTED = sorted((ROOT / ".github").rglob("*.yml"))
RUN = ".venv/bin/python -m utils "
QUICK = ("plan", "check")  # run for real; the others' options are parsed, and README's commands run in test_house.py
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(([^()\s]+)\)|(?:href|src)=\"([^\"]+)\"")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)


def prose(path: Path) -> str:
    """The Markdown of a page or of a notebook's cells, without code."""
    if path.suffix == ".ipynb":
        text = "\n\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    else:
        text = path.read_text(encoding="utf-8")
    return FENCE.sub("", text)


def anchors(path: Path) -> set[str]:
    """What headings of a file are called: as GitHub does (`own-data`), and as Jupyter does (`Own-data`); numbered where they repeat."""
    found: set[str] = set(re.findall(r"id=\"([^\"]+)\"", prose(path)))
    for title in re.findall(r"^#+ +(.+?) *#*$", prose(path), flags=re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").replace("*", "")
        slug, count = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-"), 0
        while (name := f"{slug}-{count}" if count else slug) in found:
            count += 1
        found |= {name, plain.replace(" ", "-")}
    return found


def dead(path: Path) -> list[str]:
    """Relative links of a file whose file or anchor is not there."""
    text = re.sub(r"`[^`\n]+`", "", prose(path))
    wrong = []
    for link in [one or other for one, other in LINK.findall(text)]:
        if re.match(r"[a-z]+:", link):
            continue
        to, _, anchor = unquote(link).partition("#")
        goal = path if not to else (path.parent / to)
        if not goal.exists() or (anchor and goal.suffix in (".md", ".ipynb") and anchor not in anchors(goal)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_and_anchor_leads_somewhere(path):
    assert dead(path) == []


def test_a_dead_link_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One · two!\n\n[a](#one--two) [b](#gone) [c](none.md) [d](page.md#One-·-two!) `[e](none.md)` [f](https://x.invalid)", encoding="utf-8"
    )
    assert dead(page) == ["#gone", "none.md"]


def commands() -> list:
    """(page, kind, block or line) of each fenced command; README's own are run in test_house.py."""
    found = []
    for path in PAGES:
        for kind, block in FENCE.findall(path.read_text(encoding="utf-8")):
            if kind not in ("bash", "sh") or path.name.startswith("README"):
                continue
            lines = [block] if block.startswith("#!") else block.replace("\\\n", " ").splitlines()
            found += [pytest.param(line, id=f"{path.stem}: {line.strip()[:60]}") for line in lines if line.strip() and not re.match(r"\s*# ", line)]
    return found


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """The files that the pages' examples speak of."""
    from utils.corpus.scenes.instruct import FILES, write_corpus

    folder = tmp_path_factory.mktemp("front")
    write_corpus(folder / "mine", 4)
    (folder / "mine" / FILES[1]).rename(folder / "mine" / "my_rows.json")
    return folder


def parsed(arguments: list[str]):
    """Options of one of our commands; fails the test where the command line refuses them."""
    try:
        return _parser().parse_args(arguments)
    except SystemExit as refused:
        raise AssertionError(f"refused: {arguments}") from refused


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_pages_runs_or_is_understood(command, mine, monkeypatch, capsys):
    assert subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode == 0, "not even bash reads it"
    words = shlex.split(command.partition("  #")[0].partition("   #")[0], comments=True) if not command.startswith("#!") else []
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    if words[:1] == ["make"]:
        ended = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
    elif words[1:3] == ["-m", "utils"]:
        options = parsed(words[3:])
        if options.command in QUICK:
            monkeypatch.chdir(mine)
            assert main(words[3:]) == 0 and any(capsys.readouterr())
    elif words[:1] and words[0].startswith(".venv/bin/"):
        for word in words[1:]:
            if "/" in word or word.endswith((".txt", ".yaml")):
                assert (ROOT / word).exists(), f"{word} is not there"
        if "utils" in words and "-m" in words[words.index("utils") - 1]:
            parsed(words[words.index("utils") + 1 :])
        if words[1:3] == ["-m", "pytest"]:
            assert [word for word in words if word.startswith("tests/")]


def inline() -> list[str]:
    """Every command that stands inside a sentence of a page or notebook, or in a fence of a notebook."""
    found: set[str] = set()
    for path in (*PAGES, *NOTEBOOKS):
        whole = path.read_text(encoding="utf-8") if path.suffix == ".md" else "\n\n".join(c.source for c in nbformat.read(path, 4).cells)
        fenced = [line for _, block in FENCE.findall(whole) if path.suffix == ".ipynb" for line in block.splitlines()]
        found |= {line.strip() for line in (*re.findall(r"`([^`\n]+)`", prose(path)), *fenced)}
    wanted = re.compile(r"(?:[A-Z]+=\S+ )*(?:make [a-z]|(?:\.venv/bin/)?python -m )")
    return sorted(line.partition("  #")[0] for line in found if wanted.match(line))


def names_a_command(words: list[str]) -> bool:
    """A command alone, or with one option of it, is named (`a|b`: either value); more words must be understood as its options."""
    known = _parser()._subparsers._group_actions[0].choices
    if len(words) == 1:
        return words[0] in ("COMMAND", *known)
    if len(words) < 4 and words[1].startswith("--"):
        told = re.split(r"[^\w-]+", known[words[0]].format_help())
        return set(words[1:2] + (words[2].split("|") if words[2:] else [])) <= set(told)
    return parsed(words).command == words[0]


@pytest.mark.parametrize("command", inline())
def test_every_command_in_a_sentence_is_understood(command):
    words = [word for word in shlex.split(command.replace("=…", "=pt-BR").replace(" …", " pt-BR")) if not re.match(r"[A-Z]+=", word)]
    if words[0] == "make":
        given = [word for word in shlex.split(command.replace("=…", "=pt-BR")) if "=" in word]
        ended = subprocess.run(["make", "--dry-run", *words[1:], *given], cwd=ROOT, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
    elif words[2] == "utils":
        assert names_a_command(words[3:])
    else:
        assert find_spec(words[2]), f"there is no module {words[2]}"
        assert all((ROOT / word.partition("::")[0]).exists() for word in words[3:] if "/" in word)


def test_yaml_files_of_the_host_parse_and_make_only_what_the_makefile_has():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {path.name for path in HOSTED} == {"bug.yml", "question.yml", "new_language.yml", "config.yml", "tests.yml", "links.yml", "newest.yml"}
    for path in HOSTED:
        assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict), path
        named = set(re.findall(r"\bmake ([\w-]+)(?= |$)", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
        assert named <= targets, f"{path.name} makes {named - targets}"


@pytest.mark.parametrize("name", ["bug", "question", "new_language"])
def test_issue_forms_have_what_the_host_wants_and_ask_for_notebook_00(name):
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) and all(part["type"] in ("markdown", "input", "textarea", "dropdown") for part in form["body"])
    for part in form["body"]:
        assert part["attributes"].get("value" if part["type"] == "markdown" else "label")
    if name == "bug":
        machine = form["body"][0]
        assert machine["validations"]["required"] and "notebooks/00_start_here.ipynb" in machine["attributes"]["description"]
        for table in re.findall(r'"([A-Z][^"]+)"', machine["attributes"]["description"]):
            assert table in (ROOT / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8"), f"notebook 00 has no table {table}"


def test_workflows_may_only_read_and_the_weekly_one_takes_every_pin_out(tmp_path):
    flows = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in HOSTED if path.parent.name == "workflows"}
    for name, flow in flows.items():
        assert flow["permissions"] == {"contents": "read"} and (flow.get("on") or flow[True]), name  # YAML 1.1 reads `on` as true
        assert all("timeout-minutes" in job for job in flow["jobs"].values()), name
    matrix = flows["tests"]["jobs"]["tests"]["strategy"]["matrix"]
    assert "3.11" in matrix["python"] and len(matrix["python"]) > 1 and "ubuntu-latest" in matrix["os"]
    script = next(step["run"] for step in flows["newest"]["jobs"]["newest"]["steps"] if "sed" in step.get("run", ""))
    for name in ("requirements.txt", "requirements-docs.txt", "requirements-audit.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    script = script.replace("sed -i ", "sed -i.old ")  # the two kinds of sed agree on this form
    assert subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path).returncode == 0
    for path in tmp_path.glob("requirements*.txt"):
        lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
        assert any(lines) and not any("=" in line for line in lines), path.name


def test_the_deselected_test_of_the_weekly_run_exists():
    for test in re.findall(r"--deselect (\S+)::(\w+)", (ROOT / ".github/workflows/newest.yml").read_text(encoding="utf-8")):
        assert f"def {test[1]}(" in (ROOT / test[0]).read_text(encoding="utf-8")


def test_the_codespace_sets_up_with_what_the_makefile_has():
    import json

    made = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    target = re.search(r"make (\S+)", made["postCreateCommand"])[1]
    ended = subprocess.run(["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0 and "requirements.txt" in ended.stdout
    assert made["image"].endswith(":3.11") and made["hostRequirements"]["cpus"] >= 2


def test_citation_and_changelog_agree():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "version", "date-released", "license"} <= set(cited)
    assert cited["authors"] == [{"name": "LLaVA em Português contributors"}] and "doi" not in cited
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert released[0] == (cited["version"], cited["date-released"])
    assert [date for _, date in released] == sorted((date for _, date in released), reverse=True)


def test_changelog_keeps_its_form():
    titles = re.findall(r"^(##+) (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert titles[0] == ("##", "[Unreleased]")
    assert {name for level, name in titles if level == "###"} <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Known limits"}


def test_every_answer_of_the_faq_but_the_last_names_a_public_thread():
    questions = re.split(r"^## ", (ROOT / "docs" / "faq.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(questions) >= 8
    for question in questions[:-1]:
        assert re.search(r"\]\(https://github\.com/[\w.-]+/[\w.-]+/issues/\d+\)", question), question.partition("\n")[0]


def test_the_docs_requirements_are_pinned_and_say_what_needs_them():
    for name in ("requirements-docs.txt", "requirements-audit.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            assert line.startswith("#") or re.match(r"^[\w-]+==[\w.]+ +# \w+", line), line
    assert "requirements-audit.txt" in (ROOT / "Makefile").read_text(encoding="utf-8")
