"""Rows for a Q-Former model (BLIP-2's class, as mBLIP is opened): queries before the text, encoder-decoder or decoder alone.

Its language models have no restarting positions to share a picture's tokens with (mT5 reads both ways, BLOOM counts distances), and
with 8 to 32 tokens a picture there is little to share: each answer is a row, and the queries are computed once a picture.
Source of the inputs: gregor-ge/mBLIP src/tasks/vllm/data.py; the loss is on the answer and its end token.
"""

import dataclasses

import torch
from torch.nn.functional import cross_entropy

from utils.models.prompts import IGNORE
from utils.training.features import joined, plain_model, tower_features


def is_queried(model) -> bool:
    """Whether the model has a Q-Former between tower and language model."""
    return hasattr(plain_model(model).config, "qformer_config")


def answers_of(ids: list[int], labels: list[int]) -> list[tuple[list[int], list[int]]]:
    """Each answer of a conversation with the ids before it: (what is read, what is learnt)."""
    found, at = [], 0
    while at < len(ids):
        if labels[at] == IGNORE:
            at += 1
            continue
        end = next((n for n in range(at, len(ids)) if labels[n] == IGNORE), len(ids))
        found.append((ids[:at], ids[at:end]))
        at = end
    return found


def _padded(rows: list[list[int]], blank: int) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row, dtype=torch.long) for row in rows], batch_first=True, padding_value=blank)


@dataclasses.dataclass(frozen=True)
class QueryCollator:
    """Rows of packs to input_ids, attention_mask (rows, length), `of` (picture of each row), targets, and pictures.

    A decoder alone reads a whole conversation; an encoder-decoder reads what stands before an answer, and `decoder_ids`
    (rows, answer) begin with its start token. `asked` are places in the flattened output that must name `targets`.
    """

    prefix: tuple[int, ...]
    pad_id: int
    decoder_start: int | None = None

    def __call__(self, rows: list[dict]) -> dict:
        branches = [(n, *branch) for n, pack in enumerate(pack for row in rows for pack in row["packs"]) for branch in pack.branches]
        batch = joined([picture for row in rows for picture in row["pictures"]])
        if self.decoder_start is None:
            parts = [(n, ids) for n, ids, _ in branches]
            labels = _padded(
                [[IGNORE] * (len(self.prefix) - 1) + told + [IGNORE] for _, _, told in branches], IGNORE
            )  # each output names the next id
        else:
            answers = [(n, *answer) for n, ids, told in branches for answer in answers_of(ids, told)]
            parts = [(n, read) for n, read, _ in answers]
            labels = _padded([learnt for _, _, learnt in answers], IGNORE)
            batch["decoder_ids"] = _padded([[self.decoder_start, *learnt[:-1]] for _, _, learnt in answers], self.pad_id)
        whole = [[*self.prefix, *ids] for _, ids in parts]
        asked = (labels.flatten() != IGNORE).nonzero()[:, 0]
        return batch | {
            "of": torch.tensor([n for n, _ in parts]), "input_ids": _padded(whole, self.pad_id), "attention_mask": _padded([[1] * len(w) for w in whole], 0),
            "asked": asked, "targets": labels.flatten()[asked],
        }  # fmt: skip


def query_embeddings(model, batch: dict) -> torch.Tensor:
    """(pictures, queries, text width): what the language model is shown, from `pixel_values`, cached `features`, or told `words`.

    `words` (pictures, queries, vocabulary) are shares of words: a language model that reads their embeddings learns without eyes.
    """
    blip = plain_model(model)
    if "words" in batch:
        return batch["words"] @ blip.get_input_embeddings().weight
    features = batch["features"] if "features" in batch else tower_features(model, batch["pixel_values"])
    queries = blip.query_tokens.expand(len(features), -1, -1)
    seen = blip.qformer(query_embeds=queries, encoder_hidden_states=features.to(queries.dtype)).last_hidden_state
    return blip.language_projection(seen.to(blip.language_projection.weight.dtype))


def queried_loss(model, batch: dict) -> torch.Tensor:
    """Mean cross entropy over learnt tokens, as `Blip2ForConditionalGeneration.forward(labels=…)` on the same rows.

    Raises ValueError when a batch has nothing to learn from.
    """
    if not len(batch["asked"]):
        raise ValueError("no token of this batch carries loss; check that the rows have answers")
    blip, ids = plain_model(model), batch["input_ids"]
    language = blip.language_model
    embeddings = language.get_input_embeddings()(ids)
    shown = query_embeddings(model, batch)[batch["of"]]
    embeddings = embeddings.masked_scatter((ids == blip.config.image_token_index)[..., None], shown.to(embeddings.dtype))
    inputs = {"inputs_embeds": embeddings, "attention_mask": batch["attention_mask"]}
    if "decoder_ids" in batch:
        logits = language(**inputs, decoder_input_ids=batch["decoder_ids"], use_cache=False).logits
        return cross_entropy(logits.flatten(0, 1)[batch["asked"]].float(), batch["targets"])
    hidden = language.base_model(**inputs, use_cache=False).last_hidden_state
    logits = language.get_output_embeddings()(hidden.flatten(0, 1)[batch["asked"]])
    return cross_entropy(logits.float(), batch["targets"])
