"""The rehearsal: real steps of the real classes made small, beside the plan; and the tokens that sharing a picture saves."""

import dataclasses
import json

import pytest
import torch

from benchmarks import sharing
from utils import __main__ as command_line
from utils.corpus.images import load_picture
from utils.models.load import load_start
from utils.models.prompts import IGNORE, encode_prefix
from utils.runs import UserError
from utils.scales import A100, TINY
from utils.training import planner, rehearsal, rehearsal_steps
from utils.training.data import PackCollator, PackedRows, packs_of
from utils.training.gpus import GPUS
from utils.training.packing import Pack, pack_length
from utils.training.recipes import ENGLISH_BASE, LLAVA_PT
from utils.training.rehearsal_data import KINDS, Kind, PaddedSteps, mean_tokens, text_tokens, write_pictures

SMALL = dataclasses.replace(TINY, name="small", batch=2, row_tokens=300, max_rank=4)
STAGE = LLAVA_PT.stages[0]
FILE = "llava-pt-instruct.json"


def rehearse(folder, card=None, **how):
    return rehearsal.rehearse(LLAVA_PT, STAGE, SMALL, card, 2, folder, warm=1, **how)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """One rehearsal with its baseline: (what it returned, the file)."""
    folder = tmp_path_factory.mktemp("rehearsal")
    return rehearse(folder, GPUS["h200"], baseline=True), folder / FILE


@pytest.fixture(scope="module")
def start():
    return load_start(SMALL, "random")


def test_live_tensors_weigh_what_was_planned(found):
    for name in rehearsal.COUNTED:
        row = found[0]["parts"][name]
        assert row["measured"] == row["planned"] > 0 and row["ratio"] == 1
    # A CPU cannot tell the peak, and nothing is made up in its place.
    for name in ("activations", "peak, all rows full", "peak, rows as they were"):
        assert found[0]["parts"][name]["measured"] is None and found[0]["parts"][name]["planned"] > 0
    assert found[0]["mfu"] is found[0]["peak_bytes"] is None and "CPU has no peak" in found[0]["mfu_missing"]


def test_rates_are_of_the_batches_that_the_model_was_given(found, start, tmp_path):
    model, tokenizer = start
    rows = rehearsal_steps.draw(model, tokenizer, STAGE, SMALL, 3, tmp_path, seed=0)
    data = PackedRows(rows.packs, rows.order, tmp_path, model.config, None)
    collate = PackCollator(rows.prefix, rows.image_id)
    batches = [collate([data[n], data[n + 1]]) for n in (2, 4)]  # the two steps after the warm one, two rows each
    tokens, learnt = sum(b["input_ids"].numel() for b in batches), sum(len(b["asked"]) for b in batches)
    told = found[0]
    assert (told["counts"]["tokens"], told["counts"]["learnt"], told["counts"]["rows"]) == (tokens, learnt, 4)
    assert told["counts"]["pictures"] == sum(len(b["pixel_values"]) for b in batches)
    assert told["counts"]["fullest"] == max(b["input_ids"].numel() for b in batches)
    assert told["tokens_per_second"] * told["seconds"] == pytest.approx(tokens)
    assert told["learnt_per_second"] * told["seconds"] == pytest.approx(learnt)
    assert told["conversations_per_second"] / told["tokens_per_second"] == pytest.approx(told["counts"]["conversations"] / tokens)


def test_warm_steps_are_not_timed():
    watch = rehearsal_steps.Watch(2)
    watch.ends = [1.0, 2.0, 4.0, 7.0, 11.0]
    assert watch.seconds() == [2.0, 3.0, 4.0]


def test_the_padded_trainer_learns_the_same_from_the_same_start(found):
    told, plain = found[0], found[0]["baseline"]
    assert plain["counts"]["learnt"] == told["counts"]["learnt"] > 0
    assert plain["counts"]["conversations"] == told["counts"]["conversations"]
    assert plain["counts"]["tokens"] > told["counts"]["tokens"]  # each picture again for each conversation
    assert plain["last_loss"] == pytest.approx(told["last_loss"], rel=1e-5)
    assert told["learnt_ratio"] == pytest.approx(told["learnt_per_second"] / plain["learnt_per_second"])


def test_the_file_says_what_was_returned(found):
    told, path = found
    assert json.loads(path.read_text()) == told
    assert told["scale"] == "small" and told["versions"]["torch"] and told["finished"]
    text = rehearsal.text_of(told)
    assert "LoRA adapter" in text and "MFU not told" in text and f"{told['learnt_ratio']:.2f} ×" in text


def test_the_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / FILE).write_text("old")
    written = rehearsal_steps.Watch.on_step_end

    def stopped(self, args, state, control, **more):
        if state.global_step == 2:
            raise KeyboardInterrupt
        return written(self, args, state, control, **more)

    monkeypatch.setattr(rehearsal_steps.Watch, "on_step_end", stopped)
    with pytest.raises(KeyboardInterrupt):
        rehearse(tmp_path)
    assert (tmp_path / FILE).read_text() == "old" and {p.name for p in tmp_path.iterdir()} == {FILE, ".lock"}


def test_several_batches_a_step_are_planned_and_measured_as_such(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCUMULATE", "2")
    told = rehearse(tmp_path)
    assert (told["batch"], told["accumulate"], told["counts"]["rows"]) == (1, 2, 4)
    assert all(told["parts"][name]["ratio"] == 1 for name in rehearsal.COUNTED)
    assert told["counts"]["fullest"] <= 300


def test_both_trainers_run_as_on_a_gpu(tmp_path, monkeypatch):
    """bf16 weights under autocast with layers computed again: the second trainer must get its own autocast."""
    options, opened = rehearsal_steps.trainer_options, rehearsal_steps.load_start

    def half(*arguments):
        model, tokenizer = opened(*arguments)
        return model.to(torch.bfloat16), tokenizer

    monkeypatch.setenv("CHECKPOINTING", "1")
    monkeypatch.setattr(rehearsal_steps, "trainer_options", lambda *arguments: options(*arguments) | {"bf16": True})
    monkeypatch.setattr(rehearsal_steps, "load_start", half)
    scale = dataclasses.replace(SMALL, dtype="bfloat16")
    told = rehearsal.rehearse(LLAVA_PT, STAGE, scale, None, 1, tmp_path, warm=1, baseline=True)
    assert told["checkpointing"] and told["base"] == "bfloat16"
    assert all(told["parts"][name]["ratio"] == 1 for name in rehearsal.COUNTED)
    assert told["baseline"]["last_loss"] == pytest.approx(told["last_loss"], rel=2e-3)


def out_of_memory(*_, **__):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore lines")


def test_too_little_memory_is_one_sentence_and_a_lost_baseline_keeps_ours(tmp_path, monkeypatch):
    with monkeypatch.context() as spoilt:
        spoilt.setattr(rehearsal_steps.PlainTrainer, "training_step", out_of_memory)
        told = rehearse(tmp_path, baseline=True)
    assert told["learnt_per_second"] > 0 and told["learnt_ratio"] is None
    assert "padded Trainer ran out of memory (CUDA out of memory" in rehearsal.text_of(told)
    monkeypatch.setattr(rehearsal_steps.StageTrainer, "training_step", out_of_memory)
    with pytest.raises(UserError, match=r"memory ran out at 2 rows at once \(CUDA out of memory[^\n]*\); use a smaller --batch$"):
        rehearse(tmp_path)


@pytest.mark.parametrize(
    "arguments,words",
    [
        ("--scale a100", "scale a100 wants one GPU of 80 GB, and no GPU was found; use SCALE=tiny here"),
        ("--scale a100 --cap 80 --batch 1", "no GPU was found; use SCALE=tiny here"),
        ("--cap 80", "--cap 80 limits a GPU's memory, and no GPU was found; leave it out"),
        ("--scale a100 --gpu 4090", "4090 has room for 21.8 GB; use a smaller --batch, or try it with --anyway"),
        ("--scale a100 --gpu h200 --cap 20", "a cap of 20 GB has room for 18.0 GB"),
        ("--scale a100 --gpu 4090 --anyway", "no GPU was found"),
        ("--gpu a10", "GPU 'a10' is unknown"),
        ("--steps 0", "0 steps of 4 rows cannot be measured"),
        ("--batch 0", "8 steps of 0 rows cannot be measured"),
        ("--stage align", "has no stage 'align'"),
        ("--recipe mblip", "starts from another class than LLaVA-1.5, which is all that rehearse knows"),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_sentence(arguments, words, capsys, tmp_path):
    assert command_line.main(["rehearse", *arguments.split()]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("plan: ")]
    assert len(lines) == 1 and words in lines[0]
    assert not list((tmp_path / "outputs").rglob("*.json"))


def test_a_stage_without_conversations_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not learn from conversations"):
        rehearsal.rehearse(ENGLISH_BASE, ENGLISH_BASE.stages[0], SMALL, None, 2, tmp_path)


@pytest.mark.parametrize(
    "told,card",
    [
        ("NVIDIA A100-SXM4-80GB", "a100-80"), ("NVIDIA A100 80GB PCIe", "a100-80"), ("NVIDIA A100-SXM4-40GB", "a100-40"), ("NVIDIA H200", "h200"),
        ("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA GeForce RTX 4090", "4090"), ("Tesla T4", "t4"), ("NVIDIA H100 PCIe", None), ("NVIDIA L4", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None), ("NVIDIA GH200 480GB", None),
    ],
)  # fmt: skip
def test_a_card_is_known_by_its_name(told, card, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: told)
    assert rehearsal.card_here() == (GPUS[card] if card else None)


def test_on_a_gpu_the_peak_and_the_share_of_the_card_are_told(found, monkeypatch):
    """The arithmetic for a 13B on an H200, with numbers as a GPU would give them."""
    setting = planner.Setting(A100.weights, STAGE, batch=8, checkpointing=True)
    planned = planner.memory(setting)
    measured = {name: planned[name] + 1000 for name in rehearsal.COUNTED}
    ours = {
        "peak_bytes": sum(measured.values()) + 10**9, "tokens_per_second": 8000.0, "learnt_per_second": 2000.0,
        "counts": {"rows": 64, "conversations": 90, "pictures": 45, "tokens": 100_000, "fullest": 12_000, "learnt": 15_000, "text": 30_000},
    }  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    told = rehearsal._result(setting, GPUS["h200"], planned, measured, ours, None)
    assert told["parts"]["activations"]["measured"] == 10**9
    assert told["parts"]["activations"]["planned"] == planner.total(planned) - sum(measured.values()) + 5000
    assert told["parts"]["peak, rows as they were"]["planned"] < told["parts"]["peak, all rows full"]["planned"]
    # 12.69 billion weights (13B without embeddings and head) x 4 x 8000 tokens/s, of 989.4 TFLOP/s.
    assert told["mfu_of_weights"] == pytest.approx(12.69e9 * 4 * 8000 / 989.4e12, rel=1e-3)
    assert told["mfu"] > told["mfu_of_weights"] and told["mfu_missing"] is None
    nameless = rehearsal._result(setting, None, planned, measured, ours, None)
    assert nameless["mfu"] is None and "name one with --gpu" in nameless["mfu_missing"]


def test_drawn_conversations_are_as_long_and_as_many_as_in_llava_instruct(start, tmp_path):
    model, tokenizer = start
    rows = write_pictures(tmp_path, 150, tokenizer)
    packs = packs_of(rows, tokenizer, 621, 2048)
    text = sum(pack_length(pack, 0) for pack in packs) / len(rows)
    assert text == pytest.approx(mean_tokens(), rel=0.08)
    assert len(rows) / 150 == pytest.approx(planner.CONVERSATIONS / planner.PICTURES, rel=0.05)
    few = write_pictures(tmp_path, 60, tokenizer, share=0.2)  # where the marks of each round are a third of it
    text_of_few = sum(pack_length(pack, 0) for pack in packs_of(few, tokenizer, 621, 2048)) / len(few)
    assert text_of_few == pytest.approx(0.2 * mean_tokens(), rel=0.12)
    assert load_picture(tmp_path / rows[0]["image"]).size == (640, 480)
    assert {len(row["conversations"]) for row in rows} == {2 * kind.rounds for kind in KINDS}
    # The saving that the statistics promise is the saving of these very rows.
    shared, apart = sum(pack_length(p, 621) for p in packs), sum(621 + len(ids) for p in packs for ids, _ in p.branches)
    assert 100 * (1 - shared / apart) == pytest.approx(sharing.saved(text, prompt=45), abs=1.5)


def test_text_is_found_again_from_the_size_of_a_file():
    turns = [{"from": who, "value": "x" * 42} for _ in range(3) for who in ("human", "gpt")]
    turns[0] = {"from": "human", "value": "<image>\n" + "x" * 42}
    rows = [{"id": f"{n:012d}", "image": f"{n:012d}.jpg", "conversations": turns} for n in range(200)]
    for indent in (2, None):
        kind = Kind("made", 200, len(json.dumps(rows, indent=indent)), 3)
        assert text_tokens(kind, indent) == pytest.approx(6 * 42 / 4.2 + 3 * 9, abs=0.1)


def test_a_quarter_is_saved_whatever_the_files_can_hold():
    rows = sharing.shared_rows()
    assert all(row["meets"] and row["how"] for row in rows)
    assert sharing.saved(sharing.break_even()) == pytest.approx(25)
    assert sharing.break_even() > sharing.most_text() > mean_tokens(indent=None, characters=3.5) > mean_tokens()
    assert sharing.saved(0) == pytest.approx(100 * (1 - 81_479 / 157_712))


def test_the_padded_steps_hold_each_conversation_once(tmp_path, start):
    _, tokenizer = start
    write_pictures(tmp_path, 5, tokenizer, share=0.1)
    packs = [Pack(f"{n:012d}.jpg", tuple(([10 * n + k, 7], [IGNORE, 7]) for k in range(n + 1))) for n in range(5)]  # 1, 2, … 5 conversations
    prefix = encode_prefix(tokenizer, 36)
    even = PaddedSteps(packs, [[4], [3], [2], [1, 0]], 2, 2, prefix, tokenizer.pad_token_id, tmp_path, 96)
    assert even.parts == 5 and [len(batch) for batch in even.batches] == [2, 2, 2, 2, 1, 2, 1, 1, 1, 1]
    shown = [even[n] for n in range(len(even))]
    firsts = sorted(int(ids[len(prefix)]) for batch in shown for ids in batch["input_ids"])
    assert firsts == sorted(10 * n + k for n in range(5) for k in range(n + 1))
    assert sum(int((batch["labels"] != IGNORE).sum()) for batch in shown) == 15 == even.count(0)["learnt"]
    assert even.count(1) == {"conversations": 6, "tokens": 6 * (len(prefix) + 2), "learnt": 6}
    uneven = PaddedSteps(packs, [[0], [4]], 1, 1, prefix, tokenizer.pad_token_id, tmp_path, 96)
    assert uneven.parts == 1 and [len(batch) for batch in uneven.batches] == [1, 5]  # no batch is empty
