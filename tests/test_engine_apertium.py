"""The engine apertium with the real programs where they are installed, and its sentence where they are not."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from utils.runs import ROOT, UserError
from utils.translation.engines import apertium

LANGUAGES = ("pt-BR", "pt-PT", "it")
COLOURS = [("red", "vermelho", "rosso"), ("black", "negro", "nero"), ("yellow", "amarelo", "giallo")]


@pytest.fixture()
def installed(monkeypatch):
    monkeypatch.delenv("APERTIUM_DATADIR", raising=False)
    try:
        for language in LANGUAGES:
            apertium.engine_id(language)
    except UserError:
        pytest.skip("apertium is not installed")


def descendants() -> set[int]:
    """Processes, zombies included, below this one."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, new = set(), {os.getpid()}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def processes_reading(mark: str) -> list[str]:
    """Command lines of live processes that hold `mark`, whoever their parent is."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if mark in line and int(path.parent.name) != os.getpid():
            found.append(line)
    return found


@pytest.fixture()
def own_data(installed, tmp_path, monkeypatch):
    """A folder of modes of this test alone; the data files stay where they are."""
    program = Path(shutil.which("apertium")).resolve()
    shutil.copytree(program.parent.parent / "share" / "apertium" / "modes", tmp_path / "data" / "modes")
    monkeypatch.setenv("APERTIUM_DATADIR", str(tmp_path / "data"))
    return tmp_path / "data" / "modes"


@pytest.mark.parametrize("language, column", [("pt-BR", 1), ("pt-PT", 1), ("it", 2)])
def test_it_translates_in_order_and_keeps_placeholders(installed, language, column):
    texts = [f"The dog {n} is {row[0]} and __PH{n}__ too." for n in range(40) for row in COLOURS]
    answers = list(apertium.translate(texts, language))
    assert len(answers) == len(texts)
    for number, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        n, row = divmod(number, 3)
        assert COLOURS[row][column] in answer and f"__PH{n}__" in answer and re.search(rf"\b{n}\b", answer), (text, answer)


def test_the_varieties_differ(installed):
    brazil, portugal = (next(apertium.translate(["The ingenious plan is ironic and economic."], language)) for language in ("pt-BR", "pt-PT"))
    assert "econômico" in brazil and "económico" in portugal


@pytest.mark.parametrize("text", ["The dog is red", "The dog is red.", "Is the dog red?", "The dog is red…", "The dog is red:"])
def test_the_end_of_a_sentence_stays(installed, text):
    end = re.search(r"\W*$", text)[0]
    [answer] = apertium.translate([text], "pt-BR")
    assert re.search(r"\W*$", answer)[0].strip() == end and answer == answer.strip()


def test_signs_of_the_stream_format_come_back_and_unknown_words_get_no_mark(installed):
    signs = r"^ $ [ ] { } \ / @ < > * + # &"
    [plain, strange] = apertium.translate([f"The dog {signs} is red.", "The zorblax sees the frumious dog."], "pt-BR")
    assert plain.split()[2:-2] == signs.split()
    assert "zorblax" in strange and not re.search(r"[*@#]", strange)


def test_odd_texts_keep_their_place(installed):
    odd = ["", " ", "日本 😀", "a\0b", "a\nb", "\\", "\ud800", "[]", ".", "x" * 5000]
    texts = [text for each in odd for text in (each, "The dog is black.")]
    answers = list(apertium.translate(texts, "it"))
    assert len(answers) == len(texts) and set(answers[1::2]) == {"Il cane è nero."}
    assert answers[0] == answers[2] == "" and all(answers[4:]) and answers[4] == "日本 😀" and answers[10] == "\\"


def test_no_texts_start_no_programs(installed, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    assert list(apertium.translate([], "it")) == []


def test_more_text_than_the_pipes_hold_passes(installed):
    texts = [f"The dog {n} is red." for n in range(3000)]
    answers = list(apertium.translate(texts, "pt-BR"))
    assert [re.search(r"\d+", answer)[0] for answer in answers] == [str(n) for n in range(3000)]


@pytest.fixture()
def foster(installed):
    """Orphans become children of this process, as of any first process of a container: nobody collects them then."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the list of processes is read from /proc")
    set_child_subreaper = 36
    assert ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0) == 0
    yield
    ctypes.CDLL(None).prctl(set_child_subreaper, 0, 0, 0, 0)


def test_nothing_runs_on_after_the_end_or_an_early_close(foster):
    before = descendants()
    assert len(list(apertium.translate(["The dog is red."] * 3, "pt-BR"))) == 3
    assert descendants() == before
    answers = apertium.translate(["The dog is red."] * 100_000, "pt-BR")
    next(answers)
    assert descendants() > before
    answers.close()
    assert descendants() == before


def test_a_killed_parent_leaves_nothing_running(own_data, tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("the list of processes is read from /proc")
    mark = str(tmp_path / "data-of-this-test")
    (tmp_path / "data-of-this-test").symlink_to(Path(shutil.which("apertium")).resolve().parent.parent / "share" / "apertium")
    for name in ("eng-spa", "es-pt_BR"):  # the same data under a name that only this test's processes carry
        mode = (own_data / f"{name}.mode").read_text()
        (own_data / f"{name}.mode").write_text(re.sub(r"'[^']*/share/apertium/", f"'{mark}/", mode))
    code = """
        from utils.translation.engines import apertium
        answers = apertium.translate(["The dog is red."] * 1_000_000, "pt-BR")
        print(next(answers), flush=True)
        input()
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout.readline().decode().startswith("O cão")
    assert processes_reading(mark)
    parent.kill()
    parent.wait()
    until = time.monotonic() + 20
    while processes_reading(mark) and time.monotonic() < until:
        time.sleep(0.02)
    assert not processes_reading(mark)


BREAKER = """#!/bin/sh
exec {python} -S -c '
import sys
rest = b""
while block := sys.stdin.buffer.raw.read(1 << 16):
    *whole, rest = (rest + block).split(bytes(1))
    for text in whole:
        if b"BOOM" in text: sys.exit("the stage broke")
        sys.stdout.buffer.write(text + bytes(1)); sys.stdout.buffer.flush()
'
"""


@pytest.fixture()
def breakable(own_data, tmp_path, monkeypatch):
    """The real pipe with one stage more, between Spanish and Portuguese, that dies of the word BOOM."""
    program = tmp_path / "bin" / "breaker"
    program.parent.mkdir()
    program.write_text(BREAKER.replace("{python}", sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    mode = own_data / "eng-spa.mode"
    mode.write_text(mode.read_text().strip() + " | breaker\n")


def test_a_text_that_breaks_the_pipe_costs_only_itself(breakable):
    texts = [f"The dog {n} is red." for n in range(12)]
    for n in (0, 5, 6, 11):
        texts[n] = f"The BOOM {n} is red."
    answers = list(apertium.translate(texts, "pt-BR"))
    assert [re.findall(r"\d+", answer) for answer in answers] == [[] if "BOOM" in text else [str(n)] for n, text in enumerate(texts)]


def test_a_pipe_that_never_runs_is_told_with_its_reason(own_data, tmp_path):
    mode = own_data / "es-pt_BR.mode"
    mode.write_text(re.sub(r"'[^']*automorf.bin'", f"'{tmp_path}/gone.bin'", mode.read_text()))
    with pytest.raises(UserError, match=r"do not run \(.*gone\.bin"):
        list(apertium.translate(["The dog is red."], "pt-BR"))


def test_the_engine_id_names_modes_and_version_and_changes_with_the_data(own_data, tmp_path):
    ids = {language: apertium.engine_id(language) for language in LANGUAGES}
    assert re.fullmatch(r"apertium/eng-spa\+es-pt_BR/\d+\.\d+\.\d+/[0-9a-f]{16}", ids["pt-BR"]) and len(set(ids.values())) == 3
    mode = own_data / "es-pt_BR.mode"
    file = re.search(r"'([^']*autobil.bin)'", mode.read_text())[1]
    (tmp_path / "share").mkdir()
    copy = tmp_path / "share" / Path(file).name
    shutil.copy(file, copy)
    mode.write_text(mode.read_text().replace(file, str(copy)))
    assert apertium.engine_id("pt-BR") == ids["pt-BR"]  # the same data elsewhere are the same engine
    copy.write_bytes(copy.read_bytes() + b"\0")
    assert apertium.engine_id("pt-BR") != ids["pt-BR"] and apertium.engine_id("it") == ids["it"]


def test_a_missing_mode_is_told_with_its_package(own_data):
    (own_data / "spa-ita.mode").unlink()
    with pytest.raises(UserError, match="no mode spa-ita .*apt-get install apertium apertium-eng-spa apertium-spa-ita"):
        apertium.engine_id("it")
    assert apertium.engine_id("pt-BR")


@pytest.mark.parametrize("language, package", [("pt-BR", "apertium-es-pt"), ("pt-PT", "apertium-es-pt"), ("it", "apertium-spa-ita")])
def test_missing_programs_are_told_with_the_line_that_installs_them(language, package, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for call in (lambda: apertium.engine_id(language), lambda: list(apertium.translate(["A dog."], language))):
        with pytest.raises(UserError, match=f"apertium is missing; .*apt-get install apertium apertium-eng-spa {package}$") as error:
            call()
        assert "\n" not in str(error.value)


def test_a_language_without_a_way_is_told():
    with pytest.raises(UserError, match="no way from English to de; it has: pt-BR, pt-PT, it"):
        apertium.engine_id("de")
