"""Killed at any moment, a stage goes on with the same numbers; a torn checkpoint is named and the one before is used."""

import os
import random
import re
import shutil
import signal

import pytest
import torch

from tests.training_runs import PLAN, train
from utils import runs
from utils.training import loop
from utils.training.checkpoints import SEAL, newest_checkpoint, usable_checkpoints

KINDS = ("adapter", "full", "preference")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """A forked child has none of its parent's worker threads and would wait for them without end."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(one_thread, tokenizer, corpus, tmp_path_factory):
    """Each kind of stage, trained without a stop: its weights."""
    return {kind: train(kind, tokenizer, corpus, tmp_path_factory.mktemp(kind))[0].state_dict() for kind in KINDS}


def killed(act) -> None:
    """Run `act` in a process of its own and prove that SIGKILL ended it."""
    child = os.fork()
    if not child:
        try:
            act()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


class DiesAt:
    """A collator that kills its process at the n-th batch."""

    def __init__(self, collate, batches: int):
        self.collate, self.left = collate, batches

    def __call__(self, rows):
        self.left -= 1
        return die() if self.left < 0 else self.collate(rows)

    def __getattr__(self, name):
        return getattr(self.collate, name)


@pytest.mark.parametrize("kind,at", [(kind, n) for kind in KINDS for n in random.Random(kind).sample(range(1, PLAN.steps), 1)])
def test_a_kill_at_any_step_changes_no_bit(kind, at, tokenizer, corpus, tmp_path, whole):
    killed(lambda: train(kind, tokenizer, corpus, tmp_path, spoil=lambda collate: DiesAt(collate, at)))
    again, history = train(kind, tokenizer, corpus, tmp_path)
    assert all(torch.equal(value, whole[kind][name]) for name, value in again.state_dict().items())
    assert [row["step"] for row in history] == [2, 4, 6, 8]


@pytest.mark.parametrize("moment", ["_save_rng_state", "_save_optimizer_and_scheduler"])
def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(moment, tokenizer, corpus, tmp_path, whole, monkeypatch):
    def act():
        own = getattr(loop.StageTrainer, moment)
        setattr(loop.StageTrainer, moment, lambda self, folder: die() if folder.endswith("checkpoint-4") else own(self, folder))
        train("adapter", tokenizer, corpus, tmp_path)

    killed(act)
    assert [path.name for path in usable_checkpoints(tmp_path)] == ["checkpoint-2"]
    again, _ = train("adapter", tokenizer, corpus, tmp_path)
    assert all(torch.equal(value, whole["adapter"][name]) for name, value in again.state_dict().items())


@pytest.fixture(scope="module")
def stopped(tokenizer, corpus, tmp_path_factory):
    """A folder whose stage was killed after its third checkpoint; the Trainer keeps two."""
    folder = tmp_path_factory.mktemp("stopped")
    killed(lambda: train("adapter", tokenizer, corpus, folder, spoil=lambda collate: DiesAt(collate, 7)))
    assert [path.name for path in usable_checkpoints(folder)] == ["checkpoint-6", "checkpoint-4"]
    return folder


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


DAMAGE = [
    ("adapter_model.safetensors", cut, "has .* of .* bytes"), ("adapter_model.safetensors", flip, "is not what was written"),
    ("optimizer.pt", cut, "has .* of .* bytes"), ("scheduler.pt", os.unlink, "is missing"), ("rng_state.pth", os.unlink, "is missing"),
    ("trainer_state.json", cut, "has .* of .* bytes"), (SEAL, cut, ""), (SEAL, os.unlink, "it was not finished"),
]  # fmt: skip


@pytest.mark.parametrize("name,harm,words", DAMAGE, ids=[f"{name}-{harm.__name__}" for name, harm, _ in DAMAGE])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(name, harm, words, stopped, tmp_path, capsys):
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    harm(tmp_path / "checkpoints" / "checkpoint-6" / name)
    assert [path.name for path in usable_checkpoints(tmp_path)] == ["checkpoint-4"]
    told = capsys.readouterr().err
    assert re.search(rf"checkpoint-6 is torn \({'' if name == SEAL else re.escape(name)}.*{words}.*\); the one before is used", told), told


def test_a_torn_checkpoint_is_removed_and_does_not_count_among_those_kept(stopped, tmp_path, tokenizer, corpus, whole):
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    cut(tmp_path / "checkpoints" / "checkpoint-6" / "optimizer.pt")
    (tmp_path / "checkpoints" / "checkpoint-99").mkdir()  # newer than any: the Trainer would keep it and drop the only whole one
    assert newest_checkpoint(tmp_path) == str(tmp_path / "checkpoints" / "checkpoint-4")
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["checkpoint-4"]
    again, _ = train("adapter", tokenizer, corpus, tmp_path)
    assert all(torch.equal(value, whole["adapter"][name]) for name, value in again.state_dict().items())
    assert [path.name for path in usable_checkpoints(tmp_path)] == ["checkpoint-8", "checkpoint-6"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_a_full_disk_is_named_and_the_checkpoint_before_stays(tokenizer, corpus, tmp_path, whole):
    def fill(collate):
        (tmp_path / "checkpoints" / "checkpoint-4").mkdir(parents=True)
        (tmp_path / "checkpoints" / "checkpoint-4" / "optimizer.pt").symlink_to("/dev/full")
        return collate

    class Late(DiesAt):
        def __call__(self, rows):
            self.left -= 1
            if self.left == 0:
                fill(self.collate)
            return self.collate(rows)

    with pytest.raises(runs.UserError, match="the disk of .* is full; free space and run again, it goes on from the last whole checkpoint"):
        train("adapter", tokenizer, corpus, tmp_path, spoil=lambda collate: Late(collate, 2))
    assert [path.name for path in usable_checkpoints(tmp_path)] == ["checkpoint-2"]
    again, _ = train("adapter", tokenizer, corpus, tmp_path)
    assert all(torch.equal(value, whole["adapter"][name]) for name, value in again.state_dict().items())
