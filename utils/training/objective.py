"""The losses: next token on labelled positions, words for patches in the base's alignment, and which of them a model takes."""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch.nn.functional import cross_entropy, log_softmax

from utils.training.features import image_embeddings, plain_model
from utils.training.querying import is_queried, queried_loss, query_embeddings
from utils.training.spans import read_spans, span_attention


def language_loss(model, batch: dict) -> torch.Tensor:
    """Mean cross entropy over labelled tokens; logits, and the last layer's queries, are computed at those positions only.

    `batch` comes from `lay_out`. Same value as `LlavaForConditionalGeneration.forward(labels=…)` on separate rows; raises
    ValueError when a batch has nothing to learn from, where the original code would go on with a loss of 0 or NaN.
    """
    if not len(batch["asked"]):
        raise ValueError("no token of this batch carries loss; check that the rows have answers")
    llava = plain_model(model)
    core, ids = llava.model, batch["input_ids"]
    is_image = (ids == llava.config.image_token_index)[..., None]
    embeddings = core.get_input_embeddings()(ids)
    embeddings = embeddings.masked_scatter(is_image, image_embeddings(model, batch).to(embeddings.dtype))
    kind = ids.device.type
    spans = read_spans(batch["spans"], torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else embeddings.dtype)
    with span_attention(core.language_model):
        hidden = core.language_model(
            inputs_embeds=embeddings, position_ids=batch["position_ids"], use_cache=False, spans=spans, asked=batch["asked"]
        ).last_hidden_state
    return cross_entropy(llava.lm_head(hidden[0]).float(), batch["targets"])


def words_loss(model, batch: dict) -> torch.Tensor:
    """Pull each projected patch, or each query's output, to the embeddings of the words for what it shows.

    `words` (batch, image tokens or queries, vocabulary) holds the wanted distribution over words. This stands in for LLaVA's
    caption alignment stage (arXiv 2304.08485, section 4.2) at a size where captions alone teach nothing:
    the same parts meet, the projector and the word embeddings, and the tower has no pre-training to keep.
    """
    pictures = {name: value for name, value in batch.items() if name != "words"}
    shown = query_embeddings(model, pictures) if is_queried(model) else image_embeddings(model, pictures)
    logits = shown @ plain_model(model).get_output_embeddings().weight.T
    return -(batch["words"] * log_softmax(logits.float(), dim=-1)).sum(-1).mean()


def loss_of(model, objective: str) -> Callable:
    """The function (model, batch) → loss of an objective for this model's class."""
    if objective == "words":
        return words_loss
    return queried_loss if is_queried(model) else language_loss


def learnt_tokens(batch: dict) -> int:
    """How many tokens the mean of `language_loss` is taken over."""
    return len(batch["targets"])


# What a batch counts in a mean over several batches: a loss that is a mean must be weighted by what it is a mean of.
WEIGHTS: dict[str, Callable[[dict], int]] = {"lm": learnt_tokens, "words": lambda batch: len(batch["words"])}


@contextlib.contextmanager
def loss_as_forward(model, objective: str) -> Iterator[None]:
    """While open, the model's own forward takes a batch and returns the loss.

    What wraps a model for several machines (DDP, FSDP, DeepSpeed) or for mixed precision acts in forward only: a loss that
    called the model's pieces from outside would train with gradients that no other process sees.
    """
    plain = plain_model(model)
    loss = loss_of(model, objective)
    plain.forward = lambda **batch: loss(plain, batch)
    # Open as long as the trainer works: a layer that is computed again in the backward pass must be the same layer.
    with span_attention(plain.model.language_model) if loss is language_loss else contextlib.nullcontext():
        try:
            yield
        finally:
            plain.__dict__.pop("forward", None)
