"""A night on a GPU box: the preflight tells everything at once, two journeys share caches that are locked, and the examples' commands are ours."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading

import pytest
from huggingface_hub import constants

from tests import hub_server
from utils import runs
from utils.__main__ import _parser, main
from utils.corpus.scenes.instruct import PARTS
from utils.journey import preflight
from utils.journey import run as journey
from utils.journey.run import NOTEBOOKS, chosen
from utils.runs import ROOT
from utils.scales import scale
from utils.training.recipes import LLAVA_PT
from utils.translation.memory import Memory

REPO = "llava-hf/llava-1.5-13b-hf"
A100 = ("NVIDIA A100-SXM4-80GB", 84_000_000_000, 85_000_000_000)
SCRIPTS = ("configs/slurm/journey.sbatch", "configs/shell/overnight.sh")


@pytest.fixture(autouse=True)
def no_choices(monkeypatch):
    for name in ("TARGET", "TRIES", "ENGINE", "ACCUMULATE", "CHECKPOINTING", "HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture()
def away(tmp_path, monkeypatch):
    """An empty cache of the hub, and no way to the hub itself."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "cache"


def test_tiny_needs_nothing_heavy_and_writes_nothing(tmp_path):
    code = "import sys; from utils.__main__ import main; code = main(['journey', '--preflight']); print(code, {'torch', 'transformers'} & set(sys.modules))"
    own = os.environ | {"OUTPUTS": str(tmp_path / "out")}
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=own, capture_output=True, text=True)
    assert ended.stdout.splitlines() == ["preflight, tiny: nothing is missing", "0 set()"], ended.stderr
    assert not (tmp_path / "out").exists()


def test_all_problems_are_told_at_once_and_nothing_is_written(capsys, monkeypatch):
    monkeypatch.setattr(runs, "free_space_mb", lambda folder: 100)
    monkeypatch.setattr(preflight, "_memory_here", lambda: 1.0)
    started = []
    monkeypatch.setattr(journey, "run_journey", lambda *how: started.append(how) or 0)
    monkeypatch.setattr(journey, "stop_as_ctrl_c", lambda: None)
    for asked in (["journey"], ["journey", "--preflight"], ["journey", "--preflight", "--anyway"]):
        assert main(asked) == 2 and not started and not runs.outputs().exists()
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 2 and all(line.startswith("error: ") and "; " in line for line in told)
        assert "1.0 GB of memory are here and scale tiny wants 4 GB" in told[0] and "free space or set OUTPUTS" in told[1]
    assert main(["journey", "--anyway", "--notebooks", "05", "00", "--cell-timeout", "60"]) == 0
    assert started == [("tiny", "pt-BR", "llava-pt", ("00_start_here", "05_llava_finetuning"), 60)]
    assert capsys.readouterr().err.count("warning: ") == 2


def test_a_big_scale_on_a_laptop_tells_what_it_lacks(away, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    monkeypatch.setattr(preflight, "card_here", lambda: None)
    monkeypatch.setattr(preflight, "_memory_here", lambda: 8.0)
    monkeypatch.setattr(runs, "free_space_mb", lambda folder: 50 << 10)
    found = preflight.problems(scale("a100"), "a100", "it", LLAVA_PT, NOTEBOOKS)
    wanted = (
        "set OUTPUTS", "gives no answer", "wants 64 GB", "conversation_58k.json, complex_reasoning_77k.json", "COCO train2017", "does not translate into",
        "no GPU was found",
    )  # fmt: skip
    assert len(found) == len(wanted) and all(any(words.split(",")[0] in one for one in found) for words in wanted)
    assert all("\n" not in one and "; " in one for one in found)
    model = preflight._model_bytes(REPO)
    assert 26.5e9 < model < 27.5e9, "13.35 billion weights of two bytes"
    assert f"{(6 * model + (500 << 20)) / 2**30:.1f} GB for trained models and {model / 2**30:.1f} GB for the hub's weights" in found[0]
    monkeypatch.setenv("WEIGHTS", "random")
    rehearsed = preflight.problems(scale("a100"), "a100", "pt-BR", LLAVA_PT, ("00_start_here",))
    assert not any("hub" in one or "translate" in one or "free" in one for one in rehearsed) and len(rehearsed) == 4


def test_the_planner_says_which_variable_makes_the_recipe_fit(monkeypatch):
    ask = lambda card, name="a100": list(preflight._gpu(scale(name), LLAVA_PT, False))  # noqa: E731
    monkeypatch.setattr(preflight, "card_here", lambda: A100)
    told = ask(A100)
    assert len(told) == 1 and "set ACCUMULATE=2: the same batch in smaller parts" in told[0] and "a100-80 has room for 75.0 GB" in told[0]
    monkeypatch.setenv("ACCUMULATE", "2")
    assert ask(A100) == []
    monkeypatch.setattr(preflight, "card_here", lambda: (A100[0], 10_000_000_000, A100[2]))
    assert "10.0 GB are free; end what else runs on it" in ask(A100)[0]
    monkeypatch.setattr(preflight, "card_here", lambda: ("A card nobody knows", 20_000_000_000, 20_000_000_000))
    told = ask(A100)
    assert len(told) == 1 and "A card nobody knows has room for 18.0 GB; take a GPU such as a100-80" in told[0]
    monkeypatch.setenv("ACCUMULATE", "some")
    assert "ACCUMULATE is 'some'" in ask(A100)[0]


def test_weights_come_from_the_cache_or_from_a_hub_that_answers(away, monkeypatch):
    ask = lambda: list(preflight._hub(REPO))  # noqa: E731
    assert "gives no answer within 5 s" in ask()[0] and "HF_HOME" in ask()[0]
    info = ("info", rf"/api/models/({REPO})", lambda self, body, repo: self.answer(200, {"id": repo, "siblings": []}))
    monkeypatch.setattr(hub_server, "ROUTES", (*hub_server.ROUTES, info))
    with hub_server.serving() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        assert "the hub answers 401 for them; log in" in ask()[0]
        monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
        assert ask() == [] and hub.asked == ["info", "info"]
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert "HF_HUB_OFFLINE is set; unset it" in ask()[0] and len(hub.asked) == 2
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(preflight, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "gives no answer within 0.3 s" in ask()[0]


def test_a_cache_counts_only_when_it_is_whole(away):
    place = away / f"models--{REPO.replace('/', '--')}"
    files = place / "snapshots" / "abc"
    files.mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    assert not preflight.cached(REPO)
    for name in ("config.json", "tokenizer.json", "model-1.safetensors"):
        (files / name).write_text("{}")
    assert not preflight.cached(REPO)
    (files / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}))
    assert not preflight.cached(REPO), "one of two files"
    (files / "model-2.safetensors").write_text("")
    assert preflight.cached(REPO)
    (files / "tokenizer.json").unlink()
    assert not preflight.cached(REPO)


def test_llava_instruct_and_its_pictures_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    folder = tmp_path / "data" / "llava_instruct"
    (folder / "images").mkdir(parents=True)
    turns = [{"from": "human", "value": "<image>\nQ"}, {"from": "gpt", "value": "A"}]
    for name in PARTS[:2]:
        (folder / name).write_text(json.dumps([{"id": "1", "image": "1.jpg", "conversations": turns}, {"id": "2", "conversations": turns}]))
    (folder / PARTS[2]).write_text("[{")
    told = list(preflight._data())
    assert len(told) == 3 and f"{PARTS[0]} names the picture 1.jpg" in told[0] and f"{PARTS[2]} cannot be read" in told[2]
    (folder / "images" / "1.jpg").write_bytes(b"x")
    (folder / PARTS[2]).unlink()
    assert [one.split(" of ")[0] for one in preflight._data()] == [PARTS[2]]


def test_four_bits_need_the_packages_of_the_gpu_file(monkeypatch):
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else object())
    assert [re.search(r"4 bits, and (.*) is missing", one)[1] for one in preflight._packages(scale("workshop"), False)] == ["bitsandbytes"]
    assert not list(preflight._packages(scale("workshop"), True)) and not list(preflight._packages(scale("a100"), False))


def test_an_engine_must_be_known(monkeypatch):
    assert not list(preflight._engine("pt-BR")) and "ENGINE=ctranslate2:FOLDER" in next(preflight._engine("it"))
    monkeypatch.setenv("ENGINE", "ctranslate2:folder")
    assert not list(preflight._engine("it"))
    monkeypatch.setenv("ENGINE", "babel")
    assert "ENGINE 'babel' is unknown" in next(preflight._engine("pt-BR"))


def test_notebooks_are_chosen_by_number_or_name_in_the_courses_order(capsys):
    assert chosen(None) == NOTEBOOKS and chosen(["05", "00_start_here", "05"]) == ("00_start_here", "05_llava_finetuning")
    assert main(["journey", "--notebooks", "5"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: there is no notebook '5'; use numbers or names of: 00_start_here") and error.count("\n") == 1


@pytest.mark.parametrize("seconds", ["0", "-1", "long"])
def test_a_cell_timeout_is_a_number_of_seconds(seconds, capsys):
    with pytest.raises(SystemExit) as told:
        main(["journey", "--cell-timeout", seconds])
    assert told.value.code == 2 and "cell-timeout" in capsys.readouterr().err


def test_two_journeys_share_the_english_corpus_by_its_lock(monkeypatch):
    from utils.journey.steps import english_corpus

    monkeypatch.setenv("SHARE", "0.01")
    folder, found = runs.output_folder("tiny-0.01", "english"), []
    second = threading.Thread(target=lambda: found.append(english_corpus(scale("tiny"))))
    with runs.lock(folder):
        second.start()
        second.join(1)
        assert second.is_alive() and not (folder / runs.MANIFEST).exists(), "it must not write while another does"
    second.join()
    assert found == [folder] and (folder / runs.MANIFEST).exists()


MEMORY = """import sys
from pathlib import Path
from utils.translation.memory import Memory
memory = Memory(Path(sys.argv[1]), "pt-BR", "1")
sys.stdin.readline()
for number in range(100):
    memory.put({f"text {number}": f"texto {number}", f"own {sys.argv[2]} {number}": "x"}, "engine")
print(len(memory.get([f"text {number}" for number in range(100)], "engine")))"""


def test_two_journeys_share_the_translation_memory(tmp_path):
    path = tmp_path / "memory" / "translations.sqlite"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": runs.ROOT}
    both = [subprocess.Popen([sys.executable, "-c", MEMORY, str(path), str(n)], **pipes) for n in range(3)]
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [one.communicate(timeout=120)[0].strip() for one in both] == ["100"] * 3
    memory = Memory(path, "pt-BR", "1")
    assert all(len(memory.get([f"own {n} {number}" for number in range(100)], "engine")) == 100 for n in range(3))
    memory.close()


STAND_IN = """#!/bin/bash
echo "$@" >> {calls}
[[ "$*" == *--preflight* ]] && exit {preflight}
{then}
"""


def scripted(script, folder, preflight=0, then="exit 0"):
    """Start an example with a stand-in for Python; returns the process and a function that gives what it was called with."""
    (folder / "python").write_text(STAND_IN.format(calls=folder / "calls", preflight=preflight, then=then))
    (folder / "python").chmod(0o755)
    own = os.environ | {"PYTHON": str(folder / "python"), "LANGUAGE": "en_GB:en"}  # as desktops set it
    process = subprocess.Popen(["bash", str(ROOT / script)], cwd=folder, env=own, stdout=subprocess.PIPE, text=True)
    return process, lambda: (folder / "calls").read_text().splitlines()


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_examples_call_our_command_line_and_pass_its_exit_code_on(script, tmp_path):
    assert subprocess.run(["bash", "-n", str(ROOT / script)]).returncode == 0
    process, calls = scripted(script, tmp_path, then="exit 1")
    process.communicate()
    assert process.returncode == 1
    asked = [_parser().parse_args(shlex.split(line)[2:]) for line in calls()]
    assert [one.preflight for one in asked] == [True] + [False] * (len(asked) - 1) and len(asked) == (3 if "overnight" in script else 2)
    assert all((one.command, one.scale, one.language, one.recipe) == ("journey", "a100", "pt-BR", "llava-pt") for one in asked)
    assert all(line.startswith("-m utils ") for line in calls())
    (tmp_path / "calls").unlink()
    process, calls = scripted(script, tmp_path, preflight=2)
    assert process.wait() == 2 and len(calls()) == 1
    text = (ROOT / script).read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w$}])/(home|scratch|data|mnt)\b|^#SBATCH --(account|partition)", text, re.M)


def test_the_journey_hears_slurms_signal_through_the_batch_script(tmp_path):
    wait = f"trap 'exit 130' TERM; touch {tmp_path / 'running'}; while :; do sleep 0.1; done"
    process, _ = scripted(SCRIPTS[0], tmp_path, then=wait)
    ready = threading.Event()
    for _ in range(300):
        if (tmp_path / "running").exists():
            break
        ready.wait(0.1)
    process.terminate()
    assert "journey ended with 130" in process.communicate(timeout=60)[0] and process.returncode == 130


def commands_of(path) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / path).read_text(encoding="utf-8"), flags=re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_every_command_of_the_page_is_ours_and_every_link_leads_somewhere(capsys, monkeypatch):
    found = commands_of("docs/batch.md")
    assert len(found) >= 5
    for line in found:
        words = shlex.split(line)
        asked = words[words.index(".venv/bin/python") + 3 :]
        assert words[-len(asked) - 3 : -len(asked)] == [".venv/bin/python", "-m", "utils"] and _parser().parse_args(asked)
    monkeypatch.setenv("SEED", "1")
    assert main(["journey", "--preflight"]) == 0 and "preflight, tiny-seed1" in capsys.readouterr().out
    for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs" / "batch.md").read_text(encoding="utf-8")):
        assert (ROOT / "docs" / link).exists(), link
