"""The losses: next token on labelled positions, and words for patches in the alignment stage."""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch.nn.functional import cross_entropy, log_softmax

from utils.models.prompts import IGNORE
from utils.training.packing import block_mask


def plain_model(model):
    """The LLaVA inside a PEFT wrapper, or the model itself; adapters stay in place."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def tower_features(model, pixel_values: torch.Tensor) -> torch.Tensor:
    """(batch, image tokens, vision width): the vision tower's patches, the class token dropped (LLaVA's "default")."""
    core = plain_model(model).model
    layer = core.config.vision_feature_layer
    # Activation checkpointing hooks the tower's input: without this a frozen tower would be walked backwards for nothing.
    learns = torch.is_grad_enabled() and any(parameter.requires_grad for parameter in core.vision_tower.parameters())
    with torch.set_grad_enabled(learns):
        return core.vision_tower(pixel_values, output_hidden_states=True).hidden_states[layer][:, 1:]


def image_embeddings(model, batch: dict) -> torch.Tensor:
    """(pictures, image tokens, text width): projected patches, from pixels or from cached tower features."""
    features = batch["features"] if "features" in batch else tower_features(model, batch["pixel_values"])
    return plain_model(model).model.multi_modal_projector(features)


def language_loss(model, batch: dict) -> torch.Tensor:
    """Mean cross entropy over labelled tokens; logits are computed at those positions only.

    Same value as `LlavaForConditionalGeneration.forward(labels=…)` on separate rows; raises ValueError when a
    batch has nothing to learn from, where the original code would go on with a loss of 0 or NaN.
    """
    llava = plain_model(model)
    core, ids = llava.model, batch["input_ids"]
    is_image = (ids == llava.config.image_token_index)[..., None]
    embeddings = core.get_input_embeddings()(ids)
    embeddings = embeddings.masked_scatter(is_image, image_embeddings(model, batch).to(embeddings.dtype))
    hidden = core.language_model(
        inputs_embeds=embeddings, attention_mask=block_mask(batch["picture"], batch["branch"]), position_ids=batch["position_ids"], use_cache=False
    ).last_hidden_state
    targets = batch["labels"][:, 1:]
    learnt = targets != IGNORE
    if not learnt.any():
        raise ValueError("no token of this batch carries loss; check that the rows have answers")
    logits = llava.lm_head(hidden[:, :-1][learnt])
    return cross_entropy(logits.float(), targets[learnt])


def words_loss(model, batch: dict) -> torch.Tensor:
    """Pull each projected patch to the embeddings of the words for what it shows.

    `words` (batch, image tokens, vocabulary) holds the wanted distribution over words. This stands in for LLaVA's
    caption alignment stage (arXiv 2304.08485, section 4.2) at a size where captions alone teach nothing:
    the same parts meet, the projector and the word embeddings, and the tower has no pre-training to keep.
    """
    llava = plain_model(model)
    logits = image_embeddings(model, batch) @ llava.lm_head.weight.T
    return -(batch["words"] * log_softmax(logits.float(), dim=-1)).sum(-1).mean()


OBJECTIVES = {"lm": language_loss, "words": words_loss}


def learnt_tokens(batch: dict) -> int:
    """How many tokens the mean of `language_loss` is taken over."""
    return int((batch["labels"][:, 1:] != IGNORE).sum())


# What a batch counts in a mean over several batches: a loss that is a mean must be weighted by what it is a mean of.
WEIGHTS: dict[str, Callable[[dict], int]] = {"lm": learnt_tokens, "words": lambda batch: len(batch["words"])}


@contextlib.contextmanager
def loss_as_forward(model, objective: str) -> Iterator[None]:
    """While open, the model's own forward takes a batch and returns the loss.

    What wraps a model for several machines (DDP, FSDP, DeepSpeed) or for mixed precision acts in forward only: a loss that
    called the model's pieces from outside would train with gradients that no other process sees.
    """
    llava = plain_model(model)
    llava.forward = lambda **batch: OBJECTIVES[objective](llava, batch)
    try:
        yield
    finally:
        llava.__dict__.pop("forward", None)
