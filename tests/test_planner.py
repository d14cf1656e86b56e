"""The planner against real models made small: bytes after a real step, what autograd saves, what fits and what change helps."""

import dataclasses
import json

import pytest
import torch

from benchmarks.planner import STAGES, make_case, planned_bytes, saved_bytes, weighed
from utils import __main__ as command_line
from utils.runs import UserError
from utils.scales import SCALES
from utils.training import plan_page, planner
from utils.training.gpus import GPUS, gpu, room
from utils.training.plan_changes import smallest_change, smallest_gpu
from utils.training.planner import Setting, memory, tensors, time, total
from utils.training.recipes import LLAVA_PT, THESIS, Stage, Tune
from utils.training.systems import AMALIA_VL, MBLIP

THIRTEEN = Setting("llava-hf/llava-1.5-13b-hf", THESIS.stages[0])
# Each size and each stage at least once; `make bench-planner` runs them all.
PAIRS = [
    ("small", "LoRA"), ("small", "full"), ("grouped", "LoRA, embeddings"), ("grouped", "projector"), ("tied", "LoRA, embeddings"),
    ("tied", "full, frozen tower"),
]  # fmt: skip


@pytest.mark.parametrize("size,stage", PAIRS, ids=[f"{size}, {stage}" for size, stage in PAIRS])
def test_the_plan_equals_a_real_step(size, stage, tokenizer, tmp_path):
    case = make_case(tokenizer, size, STAGES[stage], tmp_path)
    # Nothing is fitted: where each layer keeps its own tensors the formulas give the very number.
    assert planned_bytes(case) == pytest.approx(saved_bytes(case), rel=0.001)
    assert planned_bytes(case, checkpointing=True) == pytest.approx(saved_bytes(case, checkpointing=True), rel=0.001)
    real, plan = weighed(case, tmp_path), memory(case.setting)
    assert real == {part: plan[part] for part in real} and real["gradients"] > 0 and real["optimiser"] > 0


@pytest.mark.parametrize("stage", ["LoRA, embeddings", "full"])
def test_the_plan_holds_under_bf16_autocast(stage, tokenizer, tmp_path):
    case = make_case(tokenizer, "grouped", STAGES[stage], tmp_path, torch.bfloat16)
    assert planned_bytes(case, amp=True) == pytest.approx(saved_bytes(case, amp=True), rel=0.001)
    real, plan = weighed(case, tmp_path), memory(case.setting)
    assert real == {part: plan[part] for part in real}


def test_four_bits_hold_the_language_model_alone():
    lora = dataclasses.replace(THIRTEEN, base="nf4")
    weights = {part: sum(t.bytes for t in tensors(lora) if t.part == part and t.kind == "weights") for part in ("llm", "vision")}
    counts = {part: sum(t.count for t in tensors(lora) if t.part == part and t.kind == "weights") for part in ("llm", "vision")}
    assert weights["llm"] / counts["llm"] == pytest.approx(0.5 + 4 / 64, rel=1e-3)  # the norms stay in bf16
    assert weights["vision"] == 2 * counts["vision"]


def test_eight_bit_states_take_a_quarter():
    states = lambda kind: memory(dataclasses.replace(THIRTEEN, optimiser=kind))["optimiser"]  # noqa: E731
    assert states("adamw8bit") / states("adamw") == pytest.approx(0.25, abs=0.01)


def test_thirteen_billion_and_its_adapter_have_the_known_sizes():
    count = {kind: sum(t.count for t in tensors(THIRTEEN) if t.kind == kind) for kind in ("weights", "adapter")}
    assert count["weights"] == 13_351_494_656
    assert count["adapter"] == 40 * 128 * (4 * 2 * 5120 + 3 * (5120 + 13824))


def test_the_three_decisions_of_the_thesis():
    onevision = Setting("llava-hf/llava-onevision-qwen2-7b-ov-hf", plan_page.ONEVISION, length=8192, checkpointing=True, image_tokens=7290, views=10)
    assert memory(onevision)["weights"] + memory(onevision)["gradients"] + memory(onevision)["optimiser"] > GPUS["a100-80"].memory
    assert memory(THIRTEEN)["weights"] > GPUS["4090"].memory
    assert total(memory(dataclasses.replace(THIRTEEN, batch=16, checkpointing=True))) < room(GPUS["a100-80"])
    assert total(memory(dataclasses.replace(THIRTEEN, batch=16))) > room(GPUS["h200"])


@pytest.mark.parametrize(
    "setting,card,names",
    [
        (THIRTEEN, "a100-80", ()),
        (dataclasses.replace(THIRTEEN, batch=16), "a100-80", ("checkpointing",)),
        (dataclasses.replace(THIRTEEN, length=4096), "a100-80", ("checkpointing",)),
        (dataclasses.replace(THIRTEEN, batch=16), "4090", ("checkpointing", "batch", "base")),
        (dataclasses.replace(THIRTEEN, stage=Stage("full", "", {"llm": Tune("full", 2e-5)}), checkpointing=True), "h200", ("lora",)),
    ],
    ids=["none", "recompute", "recompute before shortening", "four bits", "LoRA"],
)
def test_the_smallest_change_is_the_mildest_that_fits(setting, card, names):
    found, changed = smallest_change(setting, GPUS[card])
    assert found == names and total(memory(changed)) <= room(GPUS[card])
    assert changed.batch * changed.accumulate == setting.batch
    if "batch" in names:  # the largest batch that fits, not the smallest
        larger = dataclasses.replace(changed, batch=2 * changed.batch)
        assert total(memory(larger)) > room(GPUS[card])


def test_no_change_saves_a_card_that_is_far_too_small():
    assert smallest_change(dataclasses.replace(THIRTEEN, length=1024), dataclasses.replace(GPUS["t4"], memory=4e9)) is None
    assert smallest_gpu(dataclasses.replace(THIRTEEN, checkpointing=True)).name == "a100-80"


def test_a_frozen_base_costs_four_flop_a_weight_and_full_training_six():
    short = dataclasses.replace(THIRTEEN, length=700)
    weights = sum(t.count for t in tensors(short) if t.part == "llm" and t.kind == "weights")
    full = dataclasses.replace(short, stage=Stage("full", "", {part: Tune("full", 1e-5) for part in ("llm", "projector", "embeddings")}))
    lora, whole = (time(setting, GPUS["a100-80"]).model / weights for setting in (short, full))
    assert 4 < lora < 4.6 and 6 < whole < 6.5  # above: adapter, attention, tower, output matrix
    again = time(dataclasses.replace(short, checkpointing=True), GPUS["a100-80"])
    assert again.done > again.model == time(short, GPUS["a100-80"]).model
    assert again.tokens_per_second < time(short, GPUS["a100-80"]).tokens_per_second


def test_the_page_is_what_the_planner_says_now():
    assert plan_page.PAGE.read_text(encoding="utf-8") == plan_page.explain()


def test_the_command_tells_parts_hours_and_change(capsys):
    assert command_line.main(["plan", "--recipe", "llava-pt", "--scale", "a100", "--gpu", "4090", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (stage,) = found["stages"]
    assert found["fits"] is False and stage["fits"] is False and stage["total"] == sum(stage["parts"].values())
    assert stage["change"]["base"] == "nf4" and stage["change"]["total"] <= stage["room"] and stage["hours"] > 0
    assert command_line.main(["plan", "--scale", "workshop", "--gpu", "T4", "--batch", "1"]) == 0
    text = capsys.readouterr().out
    assert command_line.main(["plan", "--recipe", "amalia-vl", "--gpu", "h200"]) == 0, "what no source says is borrowed, as `train` borrows it"
    assert "max_length, replay (assumed:" in capsys.readouterr().out
    assert "LoRA adapter" in text and "assumed" in text and "together" in text


def test_what_is_unknown_is_said_and_not_guessed():
    found = plan_page.report(MBLIP, MBLIP.stage("instruct"), SCALES["a100"], GPUS["a100-80"])
    assert found["parts"]["layers"] is None and found["fits"] is None and found["hours"] is None and found["parts"]["weights"] > 9e9
    assert "unknown" in plan_page.text_of(found)
    amalia = plan_page.report(AMALIA_VL, AMALIA_VL.stage("instruct"), SCALES["a100"], GPUS["h200"])
    assert amalia["hours"] is None and any("EuroLLM" in doubt for doubt in amalia["doubts"])
    with pytest.raises(UserError, match="not known what stage prefer trains"):
        plan_page.report(AMALIA_VL, AMALIA_VL.stage("prefer"), SCALES["a100"], GPUS["h200"])


def test_mistakes_are_named():
    with pytest.raises(UserError, match="GPU 'a10' is unknown; use one of: t4, 4090"):
        gpu("a10")
    with pytest.raises(UserError, match="a row of 500 tokens cannot hold a picture of 576"):
        plan_page.report(LLAVA_PT, LLAVA_PT.stages[0], SCALES["a100"], GPUS["t4"], length=500)
    with pytest.raises(UserError, match="no shape is known for 'llava'"):
        planner.check(Setting("llava", LLAVA_PT.stages[0]))
