"""Several processes equal one: the same rows a step, a loss that weighs tokens, one process that writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training_runs import PLAN, STAGES
from tests.two_processes import CASES, run
from utils import runs
from utils.corpus.scenes.instruct import PARTS
from utils.models.tiny import build_tiny
from utils.models.tokenizer import train_tokenizer
from utils.training import processes
from utils.training.loop import trainer_options

LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(runs.ROOT / "configs" / "accelerate" / "cpu2.yaml")]
CLOSE = 1e-5


def call(command: list[str], **environment: str) -> str:
    found = {"PYTHONPATH": str(runs.ROOT), "OMP_NUM_THREADS": "1"} | environment
    ended = subprocess.run(command, cwd=runs.ROOT, capture_output=True, text=True, env=os.environ | found, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def furthest(one: Path, two: Path) -> float:
    """The largest distance between two files' weights."""
    first, second = load_file(one), load_file(two)
    assert first.keys() == second.keys()
    return max((first[name] - second[name]).abs().max().item() for name in first)


@pytest.fixture(scope="module")
def both(corpus, tmp_path_factory):
    """The folders of one process and of two, every case trained in each."""
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    call([*LAUNCH, str(Path(__file__).with_name("two_processes.py")), str(corpus), str(two)])
    run(corpus, one)
    return one, two


@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_what_one_learns(case, both):
    one, two = both
    assert furthest(one / f"{case}.safetensors", two / f"{case}.safetensors") < CLOSE
    losses = [[row["loss"] for row in json.loads((folder / case / "history.json").read_text())] for folder in both]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_a_step_in_two_batches_equals_one_in_one(both):
    for folder in both:
        assert furthest(folder / "full.safetensors", folder / "full in two batches.safetensors") < CLOSE


def test_the_runs_moved(both):
    """Equal weights prove nothing where nothing was learnt."""
    start = build_tiny(train_tokenizer(scenes=300), seed=5).state_dict()
    for case in CASES:
        trained = load_file(both[0] / f"{case}.safetensors")
        assert max((trained[name] - start[name]).abs().max().item() for name in trained) > 100 * CLOSE, case


def test_the_command_under_accelerate_launch_equals_the_command(corpus, tmp_path):
    gold = corpus / "gold" / "pt-BR"
    own = tmp_path / "gold"
    own.mkdir()
    (own / PARTS[0]).symlink_to(gold / PARTS[0])
    command = ["-m", "utils", "train", "--language", "pt-BR", "--data", str(own), "--english", str(corpus), "--images", str(corpus / "images")]
    alone = call([sys.executable, *command], OUTPUTS=str(tmp_path / "one"), SHARE="0.003")
    launched = call([*LAUNCH, *command], OUTPUTS=str(tmp_path / "two"), SHARE="0.003")
    place = Path("tiny-0.003") / "pt-BR" / "llava-pt" / "instruct"
    assert furthest(*(tmp_path / name / place / "model" / "model.safetensors" for name in ("one", "two"))) < CLOSE
    manifest = json.loads((tmp_path / "two" / place / "manifest.json").read_text())
    assert manifest["complete"] and manifest["processes"] == 2 and not (tmp_path / "two" / place / "checkpoints").exists()
    steps = [[line.split(",")[1] for line in told.splitlines() if " step " in line] for told in (alone, launched)]
    assert steps[0] and steps[0] == steps[1], "each line once"


def test_a_batch_that_cannot_be_shared_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(runs.UserError, match="2 rows a step cannot be split evenly over 4 processes with 1 batches each"):
        trainer_options(tmp_path, STAGES["full"], PLAN)


def test_one_process_decides_alone(monkeypatch):
    assert (processes.count(), processes.is_main(), processes.agreed(lambda: 7)) == (1, True, 7)
    processes.join("cpu")
    processes.wait()
    assert not torch.distributed.is_initialized()
    monkeypatch.setenv("RANK", "1")
    assert not processes.is_main()


@pytest.mark.parametrize("name,count", [("cpu2", 2), ("one_node_8gpu_fsdp", 8), ("two_nodes_fsdp", 16), ("deepspeed_zero3", 8)])
def test_accelerate_reads_every_config_and_its_layers_exist(name, count):
    from accelerate.commands.config.config_args import load_config_from_file
    from transformers.models.clip import modeling_clip
    from transformers.models.llama import modeling_llama

    config = load_config_from_file(str(runs.ROOT / "configs" / "accelerate" / f"{name}.yaml"))
    assert config.num_processes == count
    layers = (config.fsdp_config or {}).get("fsdp_transformer_layer_cls_to_wrap", "")
    assert all(hasattr(modeling_llama, layer) or hasattr(modeling_clip, layer) for layer in layers.split(",") if layer)
    assert bool(layers) == ("fsdp" in name)
