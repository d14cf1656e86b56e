"""The comparison of LoRA ranks and rates: rows hold what was trained, what is done is skipped, a kill loses little."""

import dataclasses
import os
import signal

import pytest
import torch
from safetensors import safe_open

from utils import figures, runs
from utils.corpus.conversations import read_rows
from utils.corpus.scenes.instruct import PARTS
from utils.journey import sweep
from utils.journey.sweep import panels, part_of_corpus, rank_and_rate, rank_of, varied
from utils.scales import A100, TINY, WORKSHOP, shrink
from utils.training import loop, stages
from utils.training.recipes import LLAVA_PT
from utils.training.stages import Corpus

SMALL = dataclasses.replace(TINY, name="small", batch=2, row_tokens=260, max_rank=4, questions=1)
STEPS = 4


@pytest.fixture()
def start(monkeypatch, corpus):
    """Gold Portuguese in the place of a translation: training does not care where the text came from."""
    files = Corpus(tuple(corpus / "gold" / "pt-BR" / n for n in PARTS), tuple(corpus / n for n in PARTS), corpus / "images")
    monkeypatch.setattr(sweep, "corpus_of", lambda scale, language: files)
    return files


@pytest.fixture()
def adapted(monkeypatch):
    """The adapters and rates that training really used, in order: (rank, alpha, LoRA's rate, weights of LoRA, all trained)."""
    seen = []
    own = loop.StageTrainer.create_optimizer

    def noted(trainer, model=None):
        made = own(trainer, model)
        config = trainer.model.peft_config["default"]
        lora = [p for n, p in trainer.model.named_parameters() if "lora_" in n]
        rates = {group["initial_lr"] if "initial_lr" in group else group["lr"] for group in made.param_groups if group["params"][0] is lora[0]}
        counts = sum(p.numel() for p in lora), sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        seen.append((config.r, config.lora_alpha, rates.pop() / trainer.rate, *counts))
        return made

    monkeypatch.setattr(loop.StageTrainer, "create_optimizer", noted)
    return seen


def test_rows_hold_what_was_trained_and_what_is_done_is_skipped(start, adapted, monkeypatch):
    rows = rank_and_rate(SMALL, "pt-BR", (1, 4), (0.1, 1), STEPS)
    assert [(row["rank"], row["rate"]) for row in rows] == [(1, 1), (4, 1), (4, 0.1)]  # rank 4 at the recipe's rate is trained once
    own = LLAVA_PT.stages[0].tune["llm"]
    assert [(r, a, pytest.approx(lr)) for r, a, lr, *_ in adapted] == [(1, 2, own.lr), (4, 8, own.lr), (4, 8, own.lr / 10)]
    assert [(row["lora"], row["trained"]) for row in rows] == [counts[3:] for counts in adapted]
    for row in rows:
        folder = runs.outputs() / "small" / "pt-BR" / varied(row["rank"], row["rate"]).name / "instruct"
        history = runs.read_json(folder / "history.json")
        assert row["loss"] == history[-1]["loss"] and row["steps"] == history[-1]["step"] == STEPS
        answers = runs.read_json(folder.parents[1] / "evaluation" / folder.parent.name / "pt-BR" / "result.json")["answers"]
        assert row["questions"] == len(answers) and row["share"] == sum(a["right"] for a in answers) / len(answers)
        assert row["low"] <= row["share"] <= row["high"] and row["english_low"] <= row["english"] <= row["english_high"]
    assert runs.read_json(runs.outputs() / "small" / "pt-BR" / "sweep" / "rows.json") == rows

    def again(*_, **__):
        raise AssertionError("trained or asked a second time")

    monkeypatch.setattr(stages, "_train", again)
    monkeypatch.setattr("utils.evaluation.runner.load_model", again)
    assert rank_and_rate(SMALL, "pt-BR", (1, 4), (0.1, 1), STEPS) == rows
    with pytest.raises(AssertionError, match="second time"):
        rank_and_rate(SMALL, "pt-BR", (1,), (), STEPS + 1)


def test_only_lora_changes_and_other_parts_keep_their_rates():
    stage, other = LLAVA_PT.stages[0], varied(4, 10).stages[0]
    assert {k: v for k, v in other.tune.items() if k != "llm"} == {k: v for k, v in stage.tune.items() if k != "llm"}
    assert other.tune["llm"].rank == 4 and other.tune["llm"].alpha / 4 == stage.tune["llm"].alpha / stage.tune["llm"].rank
    assert dataclasses.replace(other, tune=stage.tune) == stage
    assert len({varied(r, m).name for r in (1, 4) for m in (0.1, 1, 10)}) == 6


def test_killed_in_the_middle_it_goes_on(start, adapted):
    """The second run dies after its checkpoint of step 2; the next call skips the first and goes on to the same rows."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a forked child has none of its parent's worker threads
    try:
        child = os.fork()
        if not child:
            try:
                kill_at(2, 3)
                rank_and_rate(SMALL, "pt-BR", (1, 4), (), STEPS)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        first, second = (runs.outputs() / "small" / "pt-BR" / varied(rank, 1).name / "instruct" for rank in (1, 4))
        kept = runs.read_json(first / "manifest.json")
        checkpoint = second / "checkpoints" / "checkpoint-2"
        assert not (second / "manifest.json").exists() and checkpoint.exists()
        with safe_open(checkpoint / "adapter_model.safetensors", "pt") as file:
            weighs = sum(file.get_tensor(name).nbytes for name in file.keys() if "lora_" in name)  # noqa: SIM118
        begun = []
        loop.Progress.on_train_begin, own = lambda self, args, state, control, **k: begun.append(state.global_step), loop.Progress.on_train_begin
        try:
            rows = rank_and_rate(SMALL, "pt-BR", (1, 4), (), STEPS)
        finally:
            loop.Progress.on_train_begin = own
    finally:
        torch.set_num_threads(threads)
    assert begun == [2] and runs.read_json(first / "manifest.json") == kept
    assert [row["step"] for row in runs.read_json(second / "history.json")] == [1, 2, 3, 4]
    assert 1e6 * rows[1]["adapter_mb"] == weighs


def kill_at(run: int, step: int) -> None:
    """Kill this process when the `run`-th training of it begins its `step`-th step."""
    own, begun = loop.StageTrainer.training_step, []

    def training_step(self, *arguments, **named):
        begun.append(self.state.global_step)  # never an id of the model: a freed model's id comes back
        if begun.count(0) == run and begun[-1] == step - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return own(self, *arguments, **named)

    loop.StageTrainer.training_step = training_step


def test_a_short_run_reads_whole_pictures_and_the_same_ones_again(start, tmp_path):
    small = part_of_corpus(start, 7, tmp_path / "a")
    again = part_of_corpus(start, 7, tmp_path / "b")
    assert [p.read_bytes() for p in small.translated] == [p.read_bytes() for p in again.translated]
    pictures = {row["image"] for path in small.translated for row in read_rows(path)}
    assert len(pictures) == 7
    for whole, part in zip((*start.translated, *start.english), (*small.translated, *small.english), strict=True):
        assert list(read_rows(part)) == [row for row in read_rows(whole) if row["image"] in pictures]


@pytest.mark.parametrize(
    "ranks,rates,steps,words",
    [((8,), (), 4, "LoRA rank 8 does not fit scale small; use 1 to 4"), ((0,), (), 4, "rank 0 does not fit"),
     ((1,), (0,), 4, "is not above 0"), ((1,), (), 0, "0 steps train nothing")],
)  # fmt: skip
def test_what_cannot_be_trained_is_one_sentence(ranks, rates, steps, words, start):
    with pytest.raises(runs.UserError, match=words):
        rank_and_rate(SMALL, "pt-BR", ranks, rates, steps)
    assert not (runs.outputs() / "small").exists()


def test_big_scales_sweep_only_when_asked():
    assert TINY.sweep_steps > 0 and WORKSHOP.sweep_steps == A100.sweep_steps == shrink(A100, 0.1).sweep_steps == 0
    assert 0 < shrink(TINY, 0.1).sweep_steps < TINY.sweep_steps
    assert (rank_of(TINY), rank_of(A100)) == (TINY.max_rank, LLAVA_PT.stages[0].tune["llm"].rank)


def test_the_figure_puts_each_row_at_its_rank_and_rate():
    keys = ("share", "low", "high", "english", "english_low", "english_high", "baseline")
    rows = [{"rank": r, "rate": m, "loss": r + m, **dict.fromkeys(keys, 0.5)} for r, m in ((8, 1.0), (1, 1.0), (8, 10.0), (8, 0.1))]
    found = panels(rows)
    assert [list(series) for series in found.values()] == [["1", "8"], ["×0.1", "×1", "×10"]]
    drawn = figures.rank_and_rate(found, "Rank and rate\nllava-pt · small · pt-BR")
    assert drawn.get_suptitle().endswith("llava-pt · small · pt-BR")
    lines = [list(axis.lines[0].get_ydata()) for axis in drawn.axes[:2]]
    assert lines == [[2.0, 9.0], [8.1, 9.0, 18.0]]
    assert figures.png(drawn).startswith(b"\x89PNG")
