"""Our training against LLaMA-Factory 0.9.5 with its best packing: learnt tokens a second, same model, rows, rate and learning parts.

LLaMA-Factory pins other versions, so it lives in an environment of its own and runs as a program beside this one:

    python3.11 -m venv lf && lf/bin/pip install llamafactory==0.9.5 torch==2.13.0 torchvision==0.28.0
    lf/bin/pip uninstall -y torchaudio && touch lf/lib/python3.11/site-packages/torchaudio.py  # it only has to import
    python -m benchmarks.llamafactory --python lf/bin/python

torch is our release on both sides. Nothing else may use the machine meanwhile: the result is a ratio of times.
"""

import argparse
import dataclasses
import datetime
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.llamafactory_files import write_data, write_model
from utils.runs import ROOT, UserError, read_json, versions, write_json

TARGET, RANK, SEED = 1.5, 32, 0
PIXELS = {36: 96, 256: 256}  # tokens a picture -> its side; 36 is the shipped model as it is
CUTOFF = 512  # tokens a row of theirs: their fastest of 512, 1024 and 2048, for their attention is dense in a row
STEP_TOKENS = 2048  # of their packed rows in one step
ENVIRONMENT = {"DISABLE_VERSION_CHECK": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
LAYERS = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"

# Run by their Python: what its tokenised data holds, and what it is made of.
COUNT = """
import json, sys
from importlib.metadata import version
from datasets import load_from_disk
data = load_from_disk(sys.argv[1])["train"]
learnt = sum(label != -100 for row in data for label in row["labels"])
pieces = [max(row["attention_mask"]) for row in data]
tokens = sum(mark != 0 for row in data for mark in row["attention_mask"])
names = ("llamafactory", "torch", "torchvision", "transformers", "peft", "accelerate")
print(json.dumps({"rows": len(data), "conversations": sum(pieces), "learnt": learnt, "tokens": tokens,
                  "versions": {"python": sys.version.split()[0]} | {name: version(name) for name in names}}))
"""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is compared: tokens and side (pixels) of a picture, pictures, their tokens a row, threads, and pairs of runs."""

    tokens: int
    pictures: int
    cutoff: int
    threads: int
    times: int

    @property
    def batch(self) -> int:
        """Their packed rows a step."""
        return max(1, STEP_TOKENS // self.cutoff)


def their_options(folder: Path, name: str, setting: Setting) -> dict:
    """LLaMA-Factory's options for one run: what it can do to be fast here, and the rest as our stage has it."""
    stage = stage_of()
    lora = stage.tune["llm"]
    return {
        "model_name_or_path": str(folder / "model"), "stage": "sft", "do_train": True, "finetuning_type": "lora", "lora_target": LAYERS,
        "lora_rank": RANK, "lora_alpha": round(RANK * lora.alpha / lora.rank), "lora_dropout": 0.0, "freeze_vision_tower": True,
        "freeze_multi_modal_projector": True, "dataset_dir": str(folder), "dataset": "rows", "template": "llava",
        "cutoff_len": setting.cutoff, "packing": True, "neat_packing": True, "tokenized_path": str(folder / "tokenised"),
        "preprocessing_num_workers": 1, "output_dir": str(folder / name), "num_train_epochs": 1, "seed": SEED, "use_cpu": True,
        "per_device_train_batch_size": setting.batch, "gradient_accumulation_steps": 1, "learning_rate": lora.lr,
        "lr_scheduler_type": "cosine", "warmup_ratio": stage.warmup, "weight_decay": stage.weight_decay, "adam_beta2": 0.98,
        "max_grad_norm": 1.0, "flash_attn": "sdpa", "disable_gradient_checkpointing": True, "logging_steps": 1, "save_strategy": "no",
        "report_to": "none", "disable_tqdm": True, "plot_loss": False, "dataloader_num_workers": 0, "dataloader_pin_memory": False,
    }  # fmt: skip


def _program(command: list[str], folder: Path, threads: int) -> str:
    """Standard output of a program of theirs; raises UserError with its last words when it fails."""
    settings = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")} | ENVIRONMENT
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    try:
        done = subprocess.run(command, cwd=folder, env=clean | settings, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(
            f"{command[0]} cannot be run ({error.strerror}); make LLaMA-Factory's environment as benchmarks/llamafactory.py says"
        ) from error
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise UserError(f"{command[0]} ended with {done.returncode} ({words[-1] if words else 'no word'}); check its environment's versions")
    return done.stdout


def their_run(python: Path, folder: Path, name: str, setting: Setting) -> dict:
    """Seconds of one training of theirs, as it tells them itself (no imports, loading or tokenising), its steps and losses."""
    options = folder / f"{name}.yaml"
    write_json(options, their_options(folder, name, setting))  # JSON is YAML
    said = _program([str(python.with_name("llamafactory-cli")), "train", str(options)], folder, setting.threads)
    learning = re.search(r"trainable params: ([\d,]+)", said)
    told, state = read_json(folder / name / "train_results.json"), read_json(folder / name / "trainer_state.json")
    losses = [entry["loss"] for entry in state["log_history"] if "loss" in entry]
    return {
        "seconds": told["train_runtime"], "steps": state["global_step"], "first loss": losses[0], "last loss": losses[-1],
        "parameters": int(learning[1].replace(",", "")) if learning else None,
    }  # fmt: skip


def stage_of():
    """The recipe's stage with the language model's adapter alone: LLaMA-Factory has one rate for all that learns."""
    from utils.training.recipes import LLAVA_PT

    stage = LLAVA_PT.stages[0]
    return dataclasses.replace(stage, tune={"llm": stage.tune["llm"]}, replay=0.0, vocabulary="as it is")


def our_run(folder: Path, rows: list[dict], images: Path, steps: int) -> dict:
    """One training of ours over all rows in `steps` steps; its seconds hold the tower's features and the trainer's making."""
    import torch
    from transformers import PrinterCallback, TrainingArguments

    from utils.models.load import image_tokens, load_folder
    from utils.models.prompts import encode_prefix, image_id
    from utils.training.adapter import adapt
    from utils.training.data import PackCollator, PackedRows, packs_of
    from utils.training.features import cache_features
    from utils.training.loop import Plan, StageTrainer, trainer_options
    from utils.training.objective import loss_as_forward

    torch.manual_seed(SEED)
    model, tokenizer = load_folder(folder / "model")
    stage, prefix = stage_of(), encode_prefix(tokenizer, image_tokens(model))
    packs = packs_of(rows, tokenizer, len(prefix), model.config.text_config.max_position_embeddings)
    places = random.Random(SEED).sample(range(len(packs)), k=len(packs))
    order = [places[start::steps] for start in range(min(steps, len(packs)))]  # all packs once, as many in each step
    plan = Plan(len(order), 1, seed=SEED, max_rank=RANK, log_every=1)
    options = TrainingArguments(**trainer_options(folder / "ours", stage, plan) | {"save_strategy": "no"})
    model = adapt(model, stage, RANK)
    started = time.perf_counter()
    features = cache_features(model, sorted({pack.picture for pack in packs}), images)
    data = PackedRows(packs, order, images, model.config, features)
    trainer = StageTrainer(
        stage, plan.rate, model=model, args=options, train_dataset=data, data_collator=PackCollator(tuple(prefix), image_id(tokenizer))
    )
    trainer.remove_callback(PrinterCallback)
    with loss_as_forward(model, stage.objective):
        trainer.train()
    seconds = time.perf_counter() - started
    losses = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    told = {"seconds": seconds, "steps": trainer.state.global_step, "first loss": losses[0], "last loss": losses[-1], "parameters": learning}
    return told | _sizes(packs, len(prefix))


def _sizes(packs: list, prefix: int) -> dict:
    """What our packs hold; "tokens apart" is what the same conversations take with a prefix each."""
    from utils.models.prompts import IGNORE
    from utils.training.packing import pack_length

    branches = [branch for pack in packs for branch in pack.branches]
    return {
        "learnt": sum(label != IGNORE for _, labels in branches for label in labels), "conversations": len(branches),
        "pictures": len({pack.picture for pack in packs}), "tokens": sum(pack_length(pack, prefix) for pack in packs),
        "tokens apart": sum(prefix + len(ids) for ids, _ in branches),
    }  # fmt: skip


def machine() -> dict:
    """Cores and the processor's name."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in told.splitlines() if line.startswith("model name")]
    return {"cores": os.cpu_count(), "processor": names[0] if names else platform.processor()}


def compare(python: Path, setting: Setting) -> dict:
    """Both trainings in turns; raises UserError when they did not learn the very same number of tokens."""
    import torch

    from utils.corpus.conversations import read_rows
    from utils.corpus.scenes.instruct import PARTS, write_corpus

    torch.set_num_threads(setting.threads)
    load = round(os.getloadavg()[0], 1)  # of others: above 0.5 the machine was not ours alone
    with tempfile.TemporaryDirectory() as name:
        folder, images = Path(name), Path(name) / "corpus" / "images"
        write_corpus(folder / "corpus", setting.pictures)
        rows = [{k: v for k, v in row.items() if k != "turns"} for part in PARTS for row in read_rows(folder / "corpus" / part)]
        write_model(folder / "model", PIXELS[setting.tokens])
        write_data(folder, rows, images)
        ours, theirs, counted = [], [], {}
        for number in range(setting.times):
            theirs.append(their_run(python, folder, f"theirs-{number}", setting))
            counted = counted or json.loads(_program([str(python), "-c", COUNT, str(folder / "tokenised")], folder, 1))
            ours.append(our_run(folder, rows, images, theirs[-1]["steps"]))
            print(f"pair {number + 1}: theirs {theirs[-1]['seconds']:.1f} s, ours {ours[-1]['seconds']:.1f} s", flush=True)
    _same("learnt tokens", ours[0]["learnt"], counted["learnt"], "choose a larger --cutoff, which drops or cuts no conversation")
    _same("parameters", ours[0]["parameters"], theirs[0]["parameters"], "install LLaMA-Factory 0.9.5, whose options these are")
    return report(setting, ours, theirs, counted) | {"load at start": load}


def _same(what: str, ours: int, theirs: int | None, fix: str) -> None:
    """Raises UserError where the two sides do not train the same."""
    if ours != theirs:
        raise UserError(f"the {what} are {theirs} with LLaMA-Factory and {ours} with us, so the two are no match; {fix}")


def report(setting: Setting, ours: list[dict], theirs: list[dict], counted: dict) -> dict:
    """The result with the ratio of medians of learnt tokens a second, and in words how it was measured."""
    learnt = counted["learnt"]
    speeds = [learnt / statistics.median(run["seconds"] for run in side) for side in (ours, theirs)]
    extra = (counted["tokens"] - ours[0]["tokens apart"]) / counted["conversations"]
    ratio = speeds[0] / speeds[1]
    how = (
        f"{counted['conversations']} conversations about {ours[0]['pictures']} pictures of the picture world, {setting.tokens} tokens a picture, "
        f"one epoch; LoRA rank {RANK} on the language model's seven linear layers alone, rate {stage_of().tune['llm'].lr:g}, float32, CPU. "
        f"Theirs: neat packing in rows of {setting.cutoff} tokens, {setting.batch} a step, {counted['tokens']} tokens; its own train_runtime. "
        f"Ours: shared-image packing, {ours[0]['tokens']} tokens; time with the tower's features and the trainer's making. The same {learnt} learnt "
        f"tokens; texts are equal, but theirs takes {extra:+.1f} tokens a conversation, because it encodes the system text apart. Rows come in "
        "another order on each side, so first and last losses are of other rows. Ratio of medians of runs in turns."
    )
    here = {"python": sys.version.split()[0]} | versions()
    return {
        "date": datetime.date.today().isoformat(), "command": f"python -m benchmarks.llamafactory --python lf/bin/python --tokens {setting.tokens}",
        "setting": dataclasses.asdict(setting) | {"batch": setting.batch}, "versions": {"ours": here, "theirs": counted["versions"]},
        "threads": setting.threads, "machine": machine(), "ours": ours, "theirs": [run | {"learnt": learnt} for run in theirs],
        "learnt tokens a second": {"ours": speeds[0], "theirs": speeds[1]}, "ratio": ratio, "target": TARGET, "meets": ratio >= TARGET, "how": how,
    }  # fmt: skip


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.llamafactory", description="learnt tokens a second, ours over LLaMA-Factory's")
    parser.add_argument("--python", type=Path, required=True, help="Python of LLaMA-Factory's environment")
    parser.add_argument(
        "--tokens", type=int, choices=PIXELS, default=256, help="tokens a picture; 256 takes the share of a row that LLaVA-Instruct's has"
    )
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--cutoff", type=int, default=CUTOFF, help="tokens of a row of theirs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--times", type=int, default=3, help="pairs of runs")
    parser.add_argument("--out", type=Path, help="the result's file")
    told = parser.parse_args(arguments)
    setting = Setting(told.tokens, told.pictures, told.cutoff, told.threads, told.times)
    try:
        result = compare(told.python.absolute(), setting)
        name = "llamafactory.json" if told.tokens == 256 else f"llamafactory_{told.tokens}.json"
        write_json(told.out or ROOT / "benchmarks" / "results" / name, result)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"learnt tokens a second, ours over LLaMA-Factory's: {result['ratio']:.2f} ×, target {TARGET} {'met' if result['meets'] else 'MISSED'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
