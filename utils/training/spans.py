"""Attention over a tree of spans: the system text, each picture after it, each conversation after its picture.

A span's tokens see its ancestors and, causally, their own span. Only these products are computed: no dense mask, no padding, and
in the last layer only the queries whose answers carry loss. Loss and gradients equal those of separate rows
(tests/test_packing.py). Works on decoders with LLaMA's layers, through transformers' attention interface.
"""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention

NAME = "spans"
LLAMA_LIKE = ("llama", "qwen2", "mistral")  # model types whose layers have LLaMA's names and order


@dataclass(frozen=True)
class Span:
    """Tokens `start` to `end`, the numbers of the spans they see (ancestors first, itself last), and a float mask; None: plainly causal."""

    start: int
    end: int
    seen: tuple[int, ...]
    mask: torch.Tensor | None


def read_spans(table: torch.Tensor, dtype: torch.dtype) -> list[Span]:
    """The spans of a (spans, 3) table with start, end and parent's number (-1: none), in the order of their tokens.

    Masks are (queries, keys) of `dtype`, 0 where a token may look, made once for all layers.
    """
    rows, found = table.tolist(), []
    for number, (start, end, parent) in enumerate(rows):
        seen = (*found[parent].seen, number) if parent >= 0 else (number,)
        before, size = sum(rows[n][1] - rows[n][0] for n in seen[:-1]), end - start
        found.append(Span(start, end, seen, _mask(size, before, dtype, table.device) if before else None))
    return found


def _mask(size: int, before: int, dtype: torch.dtype, device) -> torch.Tensor:
    return torch.full((size, before + size), float("-inf"), dtype=dtype, device=device).triu(before + 1)


def _seen(pieces: tuple[torch.Tensor, ...], span: Span) -> torch.Tensor:
    return pieces[span.seen[0]] if len(span.seen) == 1 else torch.cat([pieces[n] for n in span.seen], dim=2)


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, spans: list[Span], scaling: float, asked: torch.Tensor | None = None):
    """(1, queries, heads, head width) from query, key, value of shape (1, heads, tokens, head width).

    With `asked`, a rising list of token numbers, `query` holds these tokens alone; spans without any are skipped.
    """
    query, key = query.to(value.dtype), key.to(value.dtype)  # autocast would cast each piece: rotary positions may be float32
    sizes = counts = [span.end - span.start for span in spans]
    if asked is not None:
        ends = torch.searchsorted(asked, asked.new_tensor([span.end for span in spans])).tolist()
        counts = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    # Split, not sliced: the backward pass of many slices fills and adds as many tensors of the whole length.
    queries, keys, values = query.split(counts, dim=2), key.split(sizes, dim=2), value.split(sizes, dim=2)
    places = asked.split(counts) if asked is not None else [None] * len(spans)
    outputs = []
    for span, rows, count, place in zip(spans, queries, counts, places, strict=True):
        if not count:
            continue
        shown, told, mask = _seen(keys, span), _seen(values, span), span.mask
        if place is not None:
            mask = (mask if mask is not None else _mask(span.end - span.start, 0, query.dtype, query.device))[place - span.start]
        found = scaled_dot_product_attention(rows, shown, told, attn_mask=mask, is_causal=mask is None, scale=scaling)
        outputs.append(found.transpose(1, 2))
    return torch.cat(outputs, dim=1)


def _repeated(module, states: torch.Tensor) -> torch.Tensor:
    """Grouped keys or values, once for each of their query heads."""
    groups = module.num_key_value_groups
    return states if groups == 1 else states.repeat_interleave(groups, dim=1)


def _interface(module, query, key, value, attention_mask, scaling=None, dropout=0.0, spans=None, **_):
    """What transformers calls in each layer; see `attend`."""
    return attend(query, _repeated(module, key), _repeated(module, value), spans, scaling), None


def last_layer(layer, hidden_states: torch.Tensor, position_embeddings: tuple, spans: list[Span], asked: torch.Tensor) -> torch.Tensor:
    """(1, asked, width): the output of a LLaMA-like decoder layer at the tokens `asked`; the others give keys and values only."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    attention, normed = layer.self_attn, layer.input_layernorm(hidden_states)
    cos, sin = position_embeddings
    heads = lambda states: states.view(*states.shape[:-1], -1, attention.head_dim).transpose(1, 2)  # noqa: E731
    key, value = heads(attention.k_proj(normed)), heads(attention.v_proj(normed))
    query = heads(attention.q_proj(normed[:, asked]))
    key = apply_rotary_pos_emb(key, key, cos, sin)[1]
    query = apply_rotary_pos_emb(query, query, cos[:, asked], sin[:, asked])[0]
    seen = attend(query, _repeated(attention, key), _repeated(attention, value), spans, attention.scaling, asked)
    output = hidden_states[:, asked] + attention.o_proj(seen.reshape(1, len(asked), -1))
    return output + layer.mlp(layer.post_attention_layernorm(output))


@contextlib.contextmanager
def span_attention(decoder) -> Iterator[None]:
    """While open, a LLaMA-like decoder takes `spans` and `asked` and returns hidden states at the tokens asked alone.

    The last layer's own forward is replaced, so that what wraps a layer (FSDP) still wraps it.
    Raises ValueError for a decoder with other layers.
    """
    from transformers import AttentionInterface

    if decoder.config.model_type not in LLAMA_LIKE:
        raise ValueError(f"span attention knows the layers of {', '.join(LLAMA_LIKE)}, not of {decoder.config.model_type}")
    AttentionInterface.register(NAME, _interface)
    layer, before = decoder.layers[-1], decoder.config._attn_implementation
    if before == NAME:  # opened already, further out
        yield
        return
    decoder.config._attn_implementation = NAME

    def forward(hidden_states, position_embeddings, spans, asked, **_):
        work = functools.partial(last_layer, layer, position_embeddings=position_embeddings, spans=spans, asked=asked)
        # transformers checkpoints inside the class's own forward, which this one replaces.
        twice = layer.gradient_checkpointing and layer.training
        return layer._gradient_checkpointing_func(work, hidden_states) if twice else work(hidden_states)

    layer.forward = forward
    try:
        yield
    finally:
        decoder.config._attn_implementation = before
        layer.__dict__.pop("forward", None)
