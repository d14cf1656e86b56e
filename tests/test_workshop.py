"""The workshop: an archive that installs without a network, a check that finds what is wrong, a handout made from the notebooks."""

import ast
import errno
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections import namedtuple
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest

from utils.runs import ROOT, UserError
from utils.workshop import pack, ready, wheels
from utils.workshop.handout import write_handout
from utils.workshop.install import system
from utils.workshop.route import MINUTES, READ, ROUTE, RUN, clock

WORKSHOP = ROOT / "utils" / "workshop"
PYTHON = "%d.%d" % sys.version_info[:2]


def wheel(folder: Path, name: str, version: str = "1.0", needs: tuple[str, ...] = (), tag: str = "py3-none-any") -> Path:
    """A wheel with one file, which holds its own name."""
    info = f"{name}-{version}.dist-info"
    extras = re.findall(r'extra == "(\w+)"', " ".join(needs))
    lines = [*(f"Requires-Dist: {need}" for need in needs), *(f"Provides-Extra: {extra}" for extra in extras)]
    texts = {
        f"{name}.py": f"NAME = {name!r}\n",
        f"{info}/METADATA": "".join([f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", *(f"{line}\n" for line in lines)]),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    texts[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*texts, f"{info}/RECORD"))
    made = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(made, "w") as opened:
        for path, text in texts.items():
            opened.writestr(path, text)
    return made


@pytest.fixture(scope="module")
def pip_wheel(tmp_path_factory):
    """A wheel of the pip that is installed here."""
    if not wheels.importlib.util.find_spec("pip"):
        subprocess.run([sys.executable, "-m", "ensurepip"], check=True, capture_output=True)
    inside = [one for one in files("pip") if ".." not in one.parts and one.suffix != ".pyc"]
    info = next(one.parts[0] for one in inside if one.name == "METADATA")
    made = tmp_path_factory.mktemp("pip") / f"{info.removesuffix('.dist-info')}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as opened:
        for one in inside:
            opened.write(one.locate(), str(one))
    return made


@pytest.fixture()
def index(tmp_path, pip_wheel, monkeypatch):
    """A folder of wheels that stands for the index; pip knows no other."""
    folder = tmp_path / "index"
    folder.mkdir()
    shutil.copy(pip_wheel, folder)
    wheel(folder, "asked", needs=('helper[more]>=1; python_version >= "3"', 'onlywin; sys_platform == "win32"', 'onlyunix; sys_platform != "win32"'))
    wheel(folder, "helper", needs=('extra_of_helper; extra == "more"', 'never; extra == "other"'))
    for name in ("extra_of_helper", "onlyunix"):
        wheel(folder, name)
    wheel(folder, "onlywin", tag="cp311-cp311-win_amd64")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(folder)), ("CONFIG_FILE", os.devnull)):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setattr(wheels, "version", not_installed)
    return folder


def not_installed(name):
    raise PackageNotFoundError(name)


@pytest.fixture()
def repository(tmp_path):
    """A small repository with a tracked file, an untracked one, and outputs."""
    root = tmp_path / "course"
    texts = {
        "requirements.txt": "asked==1.0  # tests: nothing\n",
        "docs/read me.md": "olá\n",
        "outputs/big.json": "{}",
        "mine.txt": "",
        "gone.txt": "",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    git(root, "init", "-q")
    git(root, "add", "requirements.txt", "docs", "gone.txt")
    (root / "gone.txt").unlink()
    return root


def git(root, *arguments):
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def names_of(paths) -> set[str]:
    return {path.name.split("-")[0] for path in paths}


@pytest.fixture()
def no_way_out(monkeypatch):
    """Everything that asks for an index or uses a proxy comes here, and is counted."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard = []

        def listen():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                heard.append(1)
                connection.close()

        threading.Thread(target=listen, daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        for name in ("PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, address)
        monkeypatch.setenv("PIP_RETRIES", "0")
        yield heard
        server.shutdown(socket.SHUT_RDWR)


def test_one_archive_installs_in_a_fresh_place_with_nothing_from_a_network(index, repository, tmp_path, no_way_out):
    said = []
    archive = pack.pack(tmp_path / "out", root=repository, tell=said.append)
    assert "MB" in said[-1] and not list((tmp_path / "out").glob("*.part"))
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        opened.extractall(tmp_path / "laptop")
    top = tmp_path / "laptop" / pack.TOP
    assert all(name.startswith(f"{pack.TOP}/") and ".." not in name.split("/") and not Path(name).is_absolute() for name in names)
    packed = {name.removeprefix(f"{pack.TOP}/") for name in names if "wheelhouse" not in name}
    assert packed == {"requirements.txt", "docs/read me.md", "install.py", "workshop.json", "SHA256SUMS"}
    assert names_of((top / "wheelhouse").iterdir()) == {"asked", "helper", "extra_of_helper", "onlyunix", "pip"}
    listed = dict(line.split("  ", 1)[::-1] for line in (top / "SHA256SUMS").read_text(encoding="utf-8").splitlines())
    assert set(listed) == {name.removeprefix(f"{pack.TOP}/") for name in names} - {"SHA256SUMS"}
    assert json.loads((top / "workshop.json").read_text()).items() >= {"pythons": [PYTHON], "systems": [system()]}.items()
    assert all(hashlib.sha256((top / name).read_bytes()).hexdigest() == digest for name, digest in listed.items())
    shutil.rmtree(index)
    ended = subprocess.run([sys.executable, "install.py", "--no-check"], cwd=top, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    python = top / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    asked = "import sys, asked, helper, extra_of_helper, onlyunix; print(asked.NAME, sys.prefix)"
    assert subprocess.run([python, "-c", asked], capture_output=True, text=True).stdout.split() == ["asked", str(top / ".venv")]
    assert not no_way_out, "something asked an index"


@pytest.fixture()
def unpacked(tmp_path):
    """An archive with one wheel, unpacked."""
    (tmp_path / "requirements.txt").write_text("asked\n", encoding="utf-8")
    archive = tmp_path / "a.zip"
    pack.write_archive(
        archive, {"requirements.txt": tmp_path / "requirements.txt"}, [wheel(tmp_path, "asked")], {"pythons": [PYTHON], "systems": [system()]}
    )
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    return tmp_path / pack.TOP


def install(folder) -> str:
    """What install.py says when it fails."""
    ended = subprocess.run([sys.executable, "install.py", "--no-check"], cwd=folder, capture_output=True, text=True)
    assert ended.returncode == 1 and not (folder / ".venv" / ".ready").exists()
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


def test_install_names_a_torn_copy(unpacked):
    found = next((unpacked / "wheelhouse").glob("asked*"))
    found.write_bytes(found.read_bytes()[:-9])
    assert f"wheelhouse/{found.name} is damaged" in install(unpacked)
    found.unlink()
    assert "is missing; unpack" in install(unpacked)


def test_install_names_another_python_another_system_and_a_folder_that_was_not_unpacked(unpacked):
    (unpacked / "workshop.json").write_text(json.dumps({"pythons": [PYTHON], "systems": ["amiga-m68k"]}), encoding="utf-8")
    found = json.loads((unpacked / "workshop.json").read_text(encoding="utf-8"))
    assert f"is for amiga-m68k and this is {system()}; ask for one" in install(unpacked)
    (unpacked / "workshop.json").write_text(json.dumps({**found, "systems": [system()], "wheels_mb": 10**9}), encoding="utf-8")
    assert "GB are needed; free space and run again" in install(unpacked)
    (unpacked / "workshop.json").write_text('{"pythons": ["3.99"]}', encoding="utf-8")
    assert f"is for Python 3.99 and this is Python {PYTHON}" in install(unpacked)
    (unpacked / "workshop.json").unlink()
    assert "unpack the whole archive first" in install(unpacked)


def test_the_markers_are_those_of_the_laptop_not_of_this_machine(index, tmp_path):
    (tmp_path / "r.txt").write_text("# a comment\n\nasked==1.0  # why\n", encoding="utf-8")
    for platform, wanted in (("windows", "onlywin"), ("macos", "onlyunix")):
        found = wheels.gather(tmp_path / "r.txt", wheels.Target(platform, "3.11"), tmp_path / "house", lambda text: None, ())
        assert names_of(found) == {"asked", "helper", "extra_of_helper", wanted}
        assert found == sorted(set(found)) and all(path.parent == tmp_path / "house" for path in found)


def test_every_laptop_gets_the_version_tested_here_where_it_is_allowed(index, tmp_path, monkeypatch):
    for name in ("helper", "onlyunix"):
        wheel(index, name, "2.0")
    wheel(index, "asked", "3.0", needs=("helper>=1", "onlyunix>1.5"))
    (tmp_path / "r.txt").write_text("asked\n", encoding="utf-8")
    monkeypatch.setattr(wheels, "version", lambda name: "1.0+local" if name in ("helper", "onlyunix") else not_installed(name))
    found = wheels.gather(tmp_path / "r.txt", wheels.Target("linux", "3.11"), tmp_path / "house", lambda text: None, ())
    assert {"-".join(path.name.split("-")[:2]) for path in found} == {"asked-3.0", "helper-1.0", "onlyunix-2.0"}


def test_a_second_call_fetches_only_what_is_not_there(index, tmp_path, monkeypatch):
    (tmp_path / "r.txt").write_text("helper\nonlyunix\n", encoding="utf-8")
    target, house = wheels.Target("linux", "3.11"), tmp_path / "house"
    first = wheels.gather(tmp_path / "r.txt", target, house, lambda text: None, ())
    next(house.glob("onlyunix*")).unlink()
    asked, real = [], wheels._pip
    monkeypatch.setattr(wheels, "_pip", lambda *arguments: asked.append([a for a in arguments if a[0] != "-"]) or real(*arguments))
    assert wheels.gather(tmp_path / "r.txt", target, house, lambda text: None, ()) == first
    assert asked == [["download", "onlyunix"]]


def test_each_failure_of_the_download_is_one_sentence(index, tmp_path, monkeypatch):
    (tmp_path / "r.txt").write_text("onlywin\n", encoding="utf-8")
    gathered = lambda: wheels.gather(tmp_path / "r.txt", wheels.Target("linux", "3.11"), tmp_path / "house", lambda text: None, ())  # noqa: E731
    with pytest.raises(UserError, match="^onlywin has no wheel for linux, Python 3.11; leave that platform out"):
        gathered()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for name, value in (("NO_INDEX", "0"), ("INDEX_URL", f"http://127.0.0.1:{port}/simple"), ("RETRIES", "1")):
        monkeypatch.setenv(f"PIP_{name}", value)
    with pytest.raises(UserError, match="^pip reaches no package index; connect to a network"):
        gathered()
    full = subprocess.CompletedProcess([], 1, "", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device")
    monkeypatch.setattr(wheels, "_pip", lambda *arguments: full)
    with pytest.raises(UserError, match="^the disk of .* is full"):
        gathered()
    assert not list((tmp_path / "house").glob(".new-*")), "a failed download leaves nothing behind"


def test_a_plain_package_without_a_wheel_is_built(index, tmp_path, monkeypatch):
    (tmp_path / "r.txt").write_text("late\n", encoding="utf-8")
    real = wheels._pip

    def builds(*arguments):
        if arguments[0] == "wheel":
            wheel(Path(next(a for a in arguments if a.startswith("--wheel-dir=")).partition("=")[2]), "late")
            return subprocess.CompletedProcess([], 0, "", "")
        return real(*arguments)

    monkeypatch.setattr(wheels, "_pip", builds)
    found = wheels.gather(tmp_path / "r.txt", wheels.Target("windows", "3.11"), tmp_path / "house", lambda text: None, ())
    assert names_of(found) == {"late"}


def test_a_damaged_wheel_is_removed_and_named(tmp_path):
    (tmp_path / "torn-1.0-py3-none-any.whl").write_bytes(b"PK")
    with pytest.raises(UserError, match="torn-1.0.* was damaged and is removed"):
        wheels.requires(tmp_path / "torn-1.0-py3-none-any.whl")
    assert not list(tmp_path.iterdir())


def test_a_half_written_archive_is_never_left(tmp_path, monkeypatch):
    archive, file = tmp_path / "a.zip", tmp_path / "f.txt"
    file.write_text("text", encoding="utf-8")
    archive.write_text("the old one", encoding="utf-8")

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(UserError, match="^the disk of .* is full; free space"):
        pack.write_archive(archive, {"f.txt": file}, [], {})
    assert archive.read_text(encoding="utf-8") == "the old one" and sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "f.txt"]


def test_packing_refuses_what_it_cannot_do(tmp_path, repository, monkeypatch):
    with pytest.raises(UserError, match="'amiga' is unknown; use one or more of: linux, macos, windows"):
        pack.targets_of(("amiga",), ())
    for wrong in ("3.10", "3", "three"):
        with pytest.raises(UserError, match="is not a version from 3.11 on"):
            pack.targets_of((), (wrong,))
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(UserError, match="is not a git repository"):
        pack.tracked_files(tmp_path / "nothing")
    (tmp_path / "secret").write_text("mine", encoding="utf-8")
    (repository / "link").symlink_to(tmp_path / "secret")
    git(repository, "add", "link")
    with pytest.raises(UserError, match="link is a link to outside"):
        pack.tracked_files(repository)


def test_packing_looks_at_the_disk_first(repository, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(pack, "gather", lambda *arguments: [wheel(tmp_path, "asked")])
    (repository / "docs" / "read me.md").write_bytes(bytes(2_000_000))
    usage = namedtuple("usage", "total used free")(10**9, 10**9, 1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match=r"needs \d+ MB and 1 MB are free"):
        pack.pack(tmp_path / "out", root=repository, tell=lambda text: None)
    assert not list((tmp_path / "out").glob("*.zip*"))


@pytest.mark.parametrize("name", ["ready.py", "install.py"])
def test_what_runs_before_the_installation_needs_an_old_python_and_nothing_else(name):
    text = (WORKSHOP / name).read_text(encoding="ascii")
    tree = ast.parse(text, feature_version=(3, 7))
    tops = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    modules = {alias.name for node in tops if isinstance(node, ast.Import) for alias in node.names} | {n.module for n in tops if hasattr(n, "module")}
    assert modules and {one.split(".")[0] for one in modules} <= sys.stdlib_module_names
    assert not any(isinstance(node, ast.MatchAs) for node in ast.walk(tree))


def lone_check(tmp_path, python, *arguments):
    """The check as a script in a folder with nothing but itself and requirements.txt."""
    place = tmp_path / "utils" / "workshop"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(WORKSHOP / "ready.py", place)
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    return subprocess.run([python, "utils/workshop/ready.py", *arguments], cwd=tmp_path, capture_output=True, text=True)


def test_a_laptop_with_no_package_is_told_so(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    ended = lone_check(tmp_path, tmp_path / "bare" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    lines = ended.stdout.splitlines()
    assert ended.returncode == 1 and ended.stderr == "" and re.match(r"packages +NOT OK +none of \d\d", lines[1])
    assert "fix: run: python install.py" in lines[2] and lines[-1].startswith("not ready: 3 of 7")


@pytest.fixture()
def laptop(tmp_path, monkeypatch):
    """A folder of the course with two requirements, both there; the slow checks answer at once."""
    (tmp_path / "requirements.txt").write_text("# core\npytest==1.0  # tests\nnumpy==2.0.1\n\n", encoding="utf-8")
    monkeypatch.setattr(ready, "ROOT", tmp_path)
    monkeypatch.setattr("importlib.metadata.version", {"pytest": "1.0", "numpy": "2.0.1+cpu"}.__getitem__)
    for name in ("model_row", "kernel_row"):
        monkeypatch.setattr(ready, name, lambda name=name: ready.row(name, True, ""))
    monkeypatch.setattr(ready, "memory_gb", lambda: 7.6)
    return tmp_path


def not_ok(rows) -> dict[str, str]:
    assert all(bool(row["fix"]) != row["ok"] for row in rows), "a fix for each thing that is not right, and for nothing else"
    return {row["what"]: row["found"] for row in rows if not row["ok"]}


def test_a_ready_laptop_is_ready(laptop, capsys):
    assert ready.check() == 0 and capsys.readouterr().out.endswith("this laptop is ready\n")


def test_a_missing_package_and_another_version_are_found(laptop, monkeypatch):
    def found(name):
        return {"numpy": "2.0.0"}[name] if name == "numpy" else not_installed(name)

    (laptop / "requirements.txt").write_text("pytest==1.0  # tests\nnumpy==2.0.1\nscipy==3.0", encoding="utf-8")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "3.0" if name == "scipy" else found(name))
    wrong = not_ok(ready.rows())
    assert wrong["pytest"] == "missing, wanted 1.0" and wrong["numpy"] == "2.0.0, wanted 2.0.1" and "scipy" not in wrong
    assert ready.check() == 1


def test_a_python_that_is_too_old_or_too_narrow_is_found(laptop, monkeypatch):
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    assert list(not_ok(ready.rows())) == ["Python"]
    monkeypatch.undo()
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    row = ready.python_row()
    assert not row["ok"] and "too old: install Python 3.11" in row["fix"] and not ready.package_rows()[0]["ok"]


def test_a_full_disk_little_memory_and_a_folder_of_others_are_found(laptop, monkeypatch):
    assert list(not_ok(ready.rows(disk=1e9))) == ["free disk"] and list(not_ok(ready.rows(memory=8))) == ["memory"]
    usage = namedtuple("usage", "total used free")(10**9, 10**9, 1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    (laptop / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("OUTPUTS", str(laptop / "file"))
    assert not_ok(ready.rows())["free disk"] == "0.0 GB" and "writing" in not_ok(ready.rows()) and ready.check() == 1


def test_another_python_than_the_course_s_is_found(laptop, monkeypatch):
    (laptop / ".venv" / "bin").mkdir(parents=True)
    monkeypatch.setattr(ready, "own_python", lambda: laptop / "requirements.txt")
    monkeypatch.setattr("importlib.metadata.version", not_installed)
    assert not_ok(ready.rows())["packages"] == "this is not the course's Python"


def test_what_breaks_in_another_process_is_told_with_its_last_line(tmp_path, monkeypatch):
    told, row = ready.told_by([sys.executable, "-c", "raise SystemExit('no\\u00e7\\u00e3o')"], "the thing", "do this")
    assert told is None and row == {"what": "the thing", "ok": False, "found": "no\\xe7\\xe3o", "fix": "do this"}
    monkeypatch.setattr(ready, "told_by", lambda *arguments: ({"right": False, "answer": "A cão.", "seconds": 1.0, "prefix": "/other"}, None))
    assert not ready.model_row()["ok"] and ready.model_row()["found"] == "A c\\xe3o. (1.0 s)"
    assert not ready.kernel_row()["ok"] and "another Python's: /other" in ready.kernel_row()["found"]


def test_the_shipped_base_answers_and_a_kernel_starts():
    ended = subprocess.run(
        [sys.executable, "-m", "utils", "workshop", "check", "--memory", "1", "--disk", "0"], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"the English base answers +ok +A dog", ended.stdout) and re.search(r"a notebook kernel starts +ok", ended.stdout)


def small_course(root) -> None:
    """Five notebooks of four cells; one is translated."""
    import nbformat

    (root / "notebooks" / "pt-BR").mkdir(parents=True)
    for number in READ:
        texts = [
            f"# {number} · A <b>title</b>\n\n**Question:** why {number}?\n\nBefore this: [other](other.ipynb). Time: a minute.",
            "## What you will be able to do\n\n- read `code`",
            "## 1. A middle\n\nleft out",
            "## Summary\n\n- it works\n\n**Recall:** 1. One? 2. Two? 3. Three?\n\nNext: [other](other.ipynb)",
            "## Exercises\n\n*copy* — do it again",
        ]
        cells = [nbformat.v4.new_markdown_cell(text, id=f"{number}-{n}") for n, text in enumerate(texts)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "notebooks" / f"{number}_a.ipynb")


def test_the_handout_holds_what_closes_each_notebook(tmp_path):
    small_course(tmp_path)
    from utils.prose.blocks import hash_of

    question = hash_of("## What you will be able to do\n\n- read `code`")
    text = f"<!-- cell 05-1 · {question} -->\n\n## O que você vai saber fazer\n\n- ler `código`\n"
    (tmp_path / "notebooks" / "pt-BR" / "05_a.md").write_text(text, encoding="utf-8")
    english = write_handout(tmp_path, "en", tmp_path).read_text(encoding="utf-8")
    assert all(f"why {number}?" in english for number in READ) and "left out" not in english and "Next:" not in english
    assert english.count("do it again") == english.count("<li>Three?</li>") == english.count('<ol class="recall">') == 5
    assert "A &lt;b&gt;title&lt;/b&gt;</h2>" in english and "other.ipynb" not in english and "Before this: other. Time: a minute." in english
    portuguese = write_handout(tmp_path, "pt-BR", tmp_path).read_text(encoding="utf-8")
    assert portuguese.count("ler <code>código</code>") == 1 and portuguese.count("read <code>code</code>") == 4
    with pytest.raises(UserError, match="'fr' has no handout; use one of: en, pt-BR"):
        write_handout(tmp_path, "fr", tmp_path)


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_the_handout_of_the_course_needs_no_network_and_no_script(language, tmp_path):
    text = write_handout(tmp_path, language).read_text(encoding="utf-8")
    assert f'<html lang="{language}">' in text and not re.search(r"<script|\bsrc=|href=|url\(|@import", text)
    assert [re.match(r"\d\d", title).group() for title in re.findall(r"<section><h2>([^<]+)", text)] == list(READ)
    assert text.count("<section>") == len(READ) and all(f"<td>{a}–{b}</td>" in text for a, b, _ in clock())


def test_the_route_fills_ninety_minutes_and_the_notes_keep_to_it():
    assert clock()[-1][1] == MINUTES == 90 and [part.notebook for part in ROUTE if part.notebook] == list(READ)
    assert set(READ) < set(RUN) and list(RUN) == sorted(RUN)
    notes = (ROOT / "docs" / "workshop.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+)–(\d+) \| (\S+) \|", notes, re.MULTILINE) == [(str(a), str(b), p.notebook or "–") for a, b, p in clock()]
    assert f"--notebooks {' '.join(RUN)}\n" in notes


def test_the_notes_commands_are_known_and_their_symptoms_are_our_words():
    from utils.__main__ import _parser

    notes = (ROOT / "docs" / "workshop.md").read_text(encoding="utf-8")
    commands = re.findall(r"^(?:SHARE=\S+ )?\.venv/bin/python -m utils (.+)$", notes, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        _parser().parse_args(command.split())
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "utils").rglob("*.py"))
    symptoms = re.findall(r"^\| `([^`]+)`", notes.split("## Usual mistakes")[1], re.MULTILINE)
    assert len(symptoms) >= 8 and [symptom for symptom in symptoms if symptom not in sources] == []


def test_the_command_writes_and_tells(tmp_path, capsys):
    from utils.__main__ import main

    assert main(["workshop", "handout", "--out", str(tmp_path)]) == 0 and "handout-en.html" in capsys.readouterr().out
    assert main(["workshop", "handout", "--out", str(tmp_path), "--language", "xx"]) == 2
    assert json.loads(json.dumps(sorted(path.name for path in tmp_path.iterdir()))) == ["handout-en.html"]
