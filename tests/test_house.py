"""The house: rooms import one way, every file keeps the rules, every command in the README runs."""

import ast
import json
import re
import shlex
import signal
import subprocess
import sys

import pytest
import torch

from utils.runs import ROOT

# Room -> rooms it may import (DESIGN: data flows one way). Records may be imported by all.
RECORDS = {"languages", "scales", "runs"}
MAY = {
    "languages": set(), "scales": set(), "runs": set(),
    "corpus": set(), "translation": {"corpus", "figures"}, "models": {"corpus"}, "training": {"corpus", "models"},
    "evaluation": {"corpus", "models", "figures"}, "review": {"corpus", "models", "evaluation", "figures"}, "serving": {"corpus", "models", "evaluation"},
    "figures": set(), "taxonomy": {"models", "evaluation", "figures"},
    "journey": {"corpus", "translation", "models", "training", "evaluation", "review", "serving", "figures"},
    "exercises": {"corpus", "translation", "models", "training", "evaluation", "review", "taxonomy"},
    "prose": set(), "workshop": {"journey", "models", "prose"}, "site": {"journey", "prose"},
}  # fmt: skip
SOURCES = sorted((ROOT / "utils").rglob("*.py"))


def room(path) -> str:
    return path.relative_to(ROOT / "utils").parts[0].removesuffix(".py")


def imported(path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "utils":
            names = [node.module.split(".")[1]] if "." in node.module else [alias.name for alias in node.names]
            found |= set(names)
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("utils.")}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=[str(p.relative_to(ROOT)) for p in SOURCES])
def test_imports_point_one_way(path):
    here = room(path)
    if here in ("__main__", "commands", "course_commands", "__init__"):
        return
    allowed = MAY[here] | {here} | (RECORDS if here not in RECORDS else set())
    assert imported(path) <= allowed, f"{here} may not import {imported(path) - allowed}"


@pytest.mark.parametrize("path", SOURCES, ids=[str(p.relative_to(ROOT)) for p in SOURCES])
def test_files_keep_the_rules(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300 and not re.search(r"import \*", text)
    tree = ast.parse(text)
    assert path.name == "__init__.py" or ast.get_docstring(tree), "say in one sentence what the file is for"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            limit = 60 if isinstance(node, ast.FunctionDef) else 120
            assert node.end_lineno - node.lineno < limit, f"{node.name} is long"


def test_no_machine_path_and_no_pickle_from_outside():
    for path in (*SOURCES, *(ROOT / "notebooks").glob("*.ipynb"), ROOT / "README.md", ROOT / "Makefile"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/home/\w|/Users/\w|C:\\\\|pickle\.load|torch\.load\((?![^)\n]*weights_only=True)", text), path


def readme_commands() -> list[str]:
    blocks = re.findall(r"```(?:bash|sh)\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip() and not line.startswith("#")]


def test_the_readme_names_the_two_commands():
    assert readme_commands()[:2] == ["make journey", "make test"]


@pytest.mark.parametrize("command", [c for c in readme_commands() if c.startswith("make")])
def test_every_make_command_of_the_readme_has_a_target(command):
    ended = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "pt-BR" in ended.stdout if "journey" in command and "LANGUAGE" not in command else True


@pytest.fixture(scope="module")
def playground(tmp_path_factory):
    """The files that the README's examples speak of."""
    from utils.corpus.scenes.instruct import FILES, write_corpus
    from utils.corpus.scenes.render import render
    from utils.corpus.scenes.world import single

    folder = tmp_path_factory.mktemp("readme")
    write_corpus(folder / "mine", 4)
    (folder / "mine" / FILES[1]).rename(folder / "mine" / "my_rows.json")
    chat = {"messages": [{"role": "user", "content": "What do you see?"}, {"role": "assistant", "content": "A dog."}]}
    (folder / "mine" / "chats.jsonl").write_text(json.dumps(chat) + "\n", encoding="utf-8")
    render(single("dog")).save(folder / "dog.png")
    (folder / "gold.json").write_text(json.dumps([{"question_id": "1", "label": "gato"}, {"question_id": "2", "label": "dois"}]), encoding="utf-8")
    for name, said in (("one", ("Um gato.", "3")), ("two", ("um cão", "2"))):
        rows = [json.dumps({"questionId": str(n), "prediction": text}) for n, text in enumerate(said, start=1)]
        (folder / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    asked = [
        {"question_id": n, "image": "000000000001.png", "text": f"Is there a {name} in the image?", "label": "no"}
        for n, name in enumerate(("cup", "boat"))
    ]
    (folder / "mine" / "pope.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    (folder / "data").symlink_to(ROOT / "data")
    return folder


@pytest.mark.parametrize("command", [c for c in readme_commands() if c.startswith(".venv/bin/python -m utils")])
def test_every_python_command_of_the_readme_runs(command, playground, monkeypatch):
    arguments = shlex.split(command)[1:]
    monkeypatch.setenv("OUTPUTS", str(playground / "outputs"))  # `ask` finds what `train` made, as in the README's order
    if "train" in arguments:
        monkeypatch.setenv("SHARE", "0.005")
    if {"base", "study", "harm", "seven"} & set(arguments[:3]):
        arguments.append("--help")  # hours; tests/test_training.py, test_study.py and test_harm.py make small ones
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    if "serve" in arguments:
        return served_until_it_is_stopped([*arguments, "--port", "0"], playground)
    ended = subprocess.run([sys.executable, *arguments], cwd=playground, capture_output=True, text=True)
    if "gate" in arguments:
        assert ended.returncode == 1 and "Em análise" in ended.stdout, "two trained steps are no week's work"
    elif "rehearse" in arguments and "a100" in arguments and not torch.cuda.is_available():
        assert ended.returncode == 2 and ended.stderr.strip().endswith("no GPU was found; use SCALE=tiny here")
    else:
        assert ended.returncode == 0, ended.stderr


def served_until_it_is_stopped(arguments, folder):
    # A shell's background job, as a CI may be, ignores Ctrl-C, and its children with it.
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    server = subprocess.Popen([sys.executable, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **heard)
    line = server.stdout.readline()
    server.send_signal(signal.SIGINT)
    _, errors = server.communicate(timeout=120)
    assert "http://127.0.0.1:" in line and server.returncode == 0, errors


def test_readme_links_resolve():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / link).exists(), link


def test_every_requirement_is_pinned_and_says_what_needs_it():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.match(r"^[\w\[\]-]+==[\w.]+ +# \w+", line), line
