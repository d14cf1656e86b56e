"""Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290, eq. 7) by TRL's DPOTrainer, fed with our prompts and pictures.

TRL's own way of preparing rows would cut pictures (CLIP's centre crop, not LLaVA's padding) and find answers by comparing
tokens; here ids and labels are made together, and TRL does what it is good at: the loss, the reference, the measures.
"""

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from utils.corpus.conversations import turns_of
from utils.models.prompt_formats import VICUNA_V1, PromptFormat
from utils.models.prompts import IGNORE, encode_turns
from utils.training.adapter import free_loose, freeze_absent, lora_config, ready
from utils.training.features import picture_of
from utils.training.loop import Plan, StageMethods, trainer_options
from utils.training.recipes import Stage

BETA = 0.1  # reported: arXiv 2305.18290, appendix B
SIDES = ("chosen", "rejected")


def pair_of(row: dict, tokenizer, room: int, prompt: PromptFormat = VICUNA_V1) -> dict:
    """A LLaVA row with a `rejected` answer beside its last one, as ids and learnt flags of both; `room` tokens fit.

    Earlier turns are shared and carry no loss. Raises ValueError naming the row that has no second answer, or is too long.
    """
    turns, other = turns_of(row), row.get("rejected")
    if not isinstance(other, str) or not other.strip():
        raise ValueError(f"row {row['id']}: a preference row needs the text of a worse answer under 'rejected'")
    if other.strip() == turns[-1][1].strip():
        raise ValueError(f"row {row['id']}: the rejected answer equals the chosen one; remove the row")
    pair: dict = {"picture": row["image"]}
    for side, answer in zip(SIDES, (turns[-1][1], other), strict=True):
        try:
            before = len(encode_turns(tokenizer, turns[:-1], prompt)[0]) if turns[1:] else 0
            ids, labels = encode_turns(tokenizer, [*turns[:-1], (turns[-1][0], answer)], prompt)
        except ValueError as error:
            raise ValueError(f"row {row['id']}: {error}") from error
        if len(ids) > room:
            raise ValueError(f"row {row['id']}: the {side} conversation has {len(ids)} tokens, {room} fit beside the picture; shorten it")
        pair |= {side: ids, f"{side}_learnt": [int(n >= before and label != IGNORE) for n, label in enumerate(labels)]}
    return pair


@dataclass(frozen=True)
class PairCollator:
    """Rows of `pair_of` to the tensors that TRL wants: all chosen conversations, then all rejected ones, each with its picture.

    Pictures are (rows, 3, side, side); tiled ones (rows, most views, 3, side, side) with their sizes, blank views behind.
    """

    prefix_of: Callable[[str], tuple[int, ...]]
    tokenizer: object
    images: Path
    config: object

    def __call__(self, rows: list[dict]) -> dict:
        whole = [[*self.prefix_of(row["picture"]), *row[side]] for side in SIDES for row in rows]
        learnt = [
            [0] * (len(ids) - len(row[side])) + row[f"{side}_learnt"] for ids, (side, row) in zip(whole, itertools.product(SIDES, rows), strict=True)
        ]
        pad = lambda lists, value: torch.nn.utils.rnn.pad_sequence([torch.tensor(x) for x in lists], True, value)  # noqa: E731
        shown = [picture_of(self.config, self.images, row["picture"]) for row in rows] * len(SIDES)
        views = torch.nn.utils.rnn.pad_sequence([one["pixels"] for one in shown], True)
        tiled = {"image_sizes": torch.cat([one["image_sizes"] for one in shown])} if "image_sizes" in shown[0] else {}
        return tiled | {
            "input_ids": pad(whole, self.tokenizer.pad_token_id), "attention_mask": pad([[1] * len(ids) for ids in whole], 0),
            "completion_mask": pad(learnt, 0), "pixel_values": views if tiled else views[:, 0],
        }  # fmt: skip


def preference_trainer(model, pairs: list[dict], collate: PairCollator, stage: Stage, plan: Plan, folder: Path, progress):
    """TRL's DPOTrainer for a stage. The reference is the model with its adapter off, or a copy where the stage has no adapter.

    The model must come without an adapter: TRL attaches the stage's. Raises UserError as `trainer_options` does.
    """
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    class PreferenceTrainer(StageMethods, DPOTrainer):
        """TRL's trainer with a rate per part."""

        def _prepare_dataset(self, dataset, *_):
            return dataset  # rows hold ids already

        def _send_telemetry(self):
            """Nobody is told what runs here."""

    config = lora_config(model, stage, plan.max_rank)
    reference = None
    if config is None:
        reference = copy.deepcopy(model).requires_grad_(False)
        freeze_absent(model, stage.tune)
    options = trainer_options(folder, stage, plan) | {"gradient_checkpointing": None, "max_length": None, "beta": stage.beta or BETA}
    if stage.chosen:  # DPO alone may make both answers less likely, and neither is said any more
        options |= {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, stage.chosen]}
    trainer = PreferenceTrainer(
        model=model, ref_model=reference, args=DPOConfig(**options), train_dataset=Dataset.from_list(pairs), data_collator=collate,
        processing_class=collate.tokenizer, callbacks=[progress], peft_config=config,
    )  # fmt: skip
    trainer.stage, trainer.rate = stage, plan.rate
    if config is not None:
        free_loose(trainer.model, stage)
    ready(trainer.model, stage)
    return trainer
