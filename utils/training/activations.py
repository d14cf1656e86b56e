"""How many bytes a training step keeps for its backward pass, by layer kind: what autograd saves, written as formulas.

Two regimes. In float32 each saved tensor has 4 bytes an element. Under bf16 autocast (`amp`) it has 2, with what autocast
adds: RMSNorm works in float32 and keeps its input so; a float32 input is cast anew for each linear layer that learns or has
an adapter; each weight that learns (float32, see `ready` in adapter.py) is kept once more in bf16. Where the word embeddings
learn they are float32, and so is every layer's input after them. Attention goes span by span (see spans.py): a branch's keys and
values are its prefix's and its own, copied together in each layer, and its mask is made once. The last layer asks at labelled
tokens only. CUDA's autocast also runs LayerNorm and softmax in float32, as counted here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Batch:
    """What one forward pass sees: `tokens` in one sequence, `pictures` views for the tower, `labelled` positions with loss.

    `gathered` keys are copied together for spans that see others, `masked` counts the masks' elements, and
    `asked_gathered` and `asked_masked` are the same for the last layer, where spans without labels ask nothing.
    """

    tokens: int
    pictures: int
    labelled: int
    gathered: int = 0
    masked: int = 0
    asked_gathered: int = 0
    asked_masked: int = 0


@dataclass(frozen=True)
class Learns:
    """What learns, as far as activations care: "full", "lora" or "" for the language model, and which other parts."""

    llm: str
    rank: int = 0
    projector: bool = False
    vision: bool = False
    embeddings: bool = False
    head: bool = False  # the output matrix


def head_width(text) -> int:
    return getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads


def decoder_layer(text, batch: Batch, learns: Learns, amp: bool) -> dict[str, int]:
    """Bytes one LLaMA-like decoder layer saves, by kind: norms, attention, mlp, lora, casts.

    Derived from transformers' modeling_llama.py: RMSNorm keeps its input and one number a token; SDPA keeps q, k, v, its
    output and one number a head and token, and the keys and values copied together for a span; SiLU-gated MLP keeps both
    branches, SiLU's output and the product; a linear layer keeps its input only when it or its adapter learns.
    """
    tokens, size = batch.tokens, 2 if amp else 4
    # q, k, v, each span's output and, where the output layer learns, all outputs in a row
    attended = (4 + bool(learns.llm)) * tokens + 2 * batch.gathered
    inputs = _inputs(learns, amp, 3) * tokens * text.hidden_size  # of q, k, v
    return {
        "norms": _norms(text, tokens, tokens, learns, amp),
        "attention": size * (attended * text.num_attention_heads * head_width(text) + inputs) + 4 * tokens * text.num_attention_heads,
        "mlp": _mlp(text, tokens, learns, amp),
        "lora": 7 * tokens * learns.rank * size if learns.llm == "lora" else 0,
        "casts": 2 * layer_weights(text, learns) if amp else 0,
    }


def last_layer(text, batch: Batch, learns: Learns, amp: bool) -> dict[str, int]:
    """Bytes the last decoder layer saves: all tokens give keys and values, labelled ones alone ask and go on; see spans.py."""
    tokens, asked, size = batch.tokens, batch.labelled, 2 if amp else 4
    # Of keys and values, the copies that a span makes of what it sees are kept, and the whole ones are not.
    attended = (2 + bool(learns.llm)) * asked + 2 * batch.asked_gathered
    inputs = (_inputs(learns, amp, 2) * tokens + asked * bool(learns.llm)) * text.hidden_size
    return {
        "norms": _norms(text, tokens, asked, learns, amp),
        "attention": size * (attended * text.num_attention_heads * head_width(text) + inputs) + 4 * asked * text.num_attention_heads,
        "mask": size * batch.asked_masked,
        "rotary": 2 * asked * head_width(text) * stream_bytes(learns, amp),
        "mlp": _mlp(text, asked, learns, amp),
        "lora": (2 * tokens + 5 * asked) * learns.rank * size if learns.llm == "lora" else 0,
        "casts": 2 * layer_weights(text, learns) if amp else 0,
    }


def _norms(text, before: int, after: int, learns: Learns, amp: bool) -> int:
    """The two RMSNorms of a layer, over `before` tokens ahead of attention and `after` ahead of the MLP."""
    width = text.hidden_size
    return (before + after) * (4 * width + 4 + (width * stream_bytes(learns, amp) if learns.llm == "full" else 0))


def _inputs(learns: Learns, amp: bool, layers: int) -> int:
    """Copies kept of the input that so many linear layers share: autocast casts a float32 one for each."""
    cast = amp and (stream_bytes(learns, amp) == 4 or learns.llm == "full")
    return (layers if cast else 1) if learns.llm else 0


def _mlp(text, tokens: int, learns: Learns, amp: bool) -> int:
    inner, inputs = text.intermediate_size, _inputs(learns, amp, 2)  # of gate, up
    return (2 if amp else 4) * tokens * (3 * inner + inputs * text.hidden_size + (inner if learns.llm else 0))


def stream_bytes(learns: Learns, amp: bool) -> int:
    """Bytes an element of the hidden states between layers: the word embeddings' own type."""
    return 2 if amp and not learns.embeddings else 4


def layer_weights(text, learns: Learns) -> int:
    """Learning elements of the linear layers of one decoder layer."""
    if learns.llm == "lora":
        return layer_adapter(text, learns.rank)
    width, attended = text.hidden_size, text.num_attention_heads * head_width(text)
    keys = text.num_key_value_heads * head_width(text)
    return width * (2 * attended + 2 * keys + 3 * text.intermediate_size) if learns.llm == "full" else 0


def layer_adapter(text, rank: int) -> int:
    """Parameters of the adapters of one decoder layer: rank x (inputs + outputs) for each of its seven linear layers."""
    width, inner = text.hidden_size, text.intermediate_size
    queries, keys = text.num_attention_heads * head_width(text), text.num_key_value_heads * head_width(text)
    return rank * (2 * (width + queries) + 2 * (width + keys) + 3 * (width + inner))


def vision_layer(vision, batch: Batch, amp: bool) -> int:
    """Bytes one learning ViT layer saves: two LayerNorms, SDPA, two linear layers and their activation.

    quick_gelu (CLIP) is written out and keeps its sigmoid too; GELU (SigLIP) is one operation and keeps its input only.
    """
    tokens, size, width, inner = batch.pictures * view_tokens(vision), 2 if amp else 4, vision.hidden_size, vision.intermediate_size
    kept = 3 if vision.hidden_act == "quick_gelu" else 2
    inputs = (3 + 1) if amp else (1 + 1)  # of q, k, v and of the first linear layer
    casts = 2 * (4 * width**2 + 2 * width * inner) if amp else 0
    return tokens * (2 * 4 * width + size * ((4 + inputs) * width + kept * inner) + 4 * vision.num_attention_heads + 16) + casts


def view_tokens(vision) -> int:
    """Tokens of one view inside the tower; CLIP adds its class token."""
    return (vision.image_size // vision.patch_size) ** 2 + (vision.model_type == "clip_vision_model")


def vision_layers(config) -> int:
    """Layers of the tower whose output reaches the model: a negative feature layer counts from the end."""
    chosen = config.vision_feature_layer
    return config.vision_config.num_hidden_layers + 1 + chosen if chosen < 0 else chosen


def image(config, batch: Batch, learns: Learns, amp: bool, checkpointing: bool) -> int:
    """Bytes kept for pictures: the MLP projector (input, GELU's input and output) and, if it learns, the tower."""
    vision, width = config.vision_config, config.text_config.hidden_size
    size, across = 2 if amp else 4, vision.hidden_size
    patches = batch.pictures * (vision.image_size // vision.patch_size) ** 2
    kept = 0
    if learns.projector or learns.vision:
        kept += size * patches * width
    if learns.projector:
        kept += size * patches * (across + width) + (2 * width * (width + (across if learns.vision else 0)) if amp else 0)
    if learns.vision:
        tokens, pixels = batch.pictures * view_tokens(vision), 3 * vision.image_size**2
        per_layer = 4 * tokens * across if checkpointing else vision_layer(vision, batch, amp)
        before = 4 * tokens * across + 8 * tokens if vision.model_type == "clip_vision_model" else 0
        positions = 8 * view_tokens(vision) + (2 * 3 * vision.patch_size**2 * across if amp else 0)
        kept += vision_layers(config) * per_layer + before + positions + size * batch.pictures * pixels
    return kept


def saved(config, batch: Batch, learns: Learns, amp: bool, checkpointing: bool) -> dict[str, int]:
    """Bytes that autograd holds when the backward pass begins, by part; with checkpointing, while one layer is recomputed.

    Parts: layers (or their inputs), one layer (recomputed), image, logits, rest.
    """
    text = config.text_config
    tokens, size, width, stream = batch.tokens, 2 if amp else 4, text.hidden_size, stream_bytes(learns, amp)
    one, last = (sum(layer(text, batch, learns, amp).values()) for layer in (decoder_layer, last_layer))
    final = batch.labelled * (4 * width + 4) + (batch.labelled * width * stream if learns.llm == "full" else 0)
    rotary = 2 * tokens * head_width(text) * stream
    scatter = tokens + (8 * tokens if learns.embeddings else 0)
    logits = batch.labelled * (4 * text.vocab_size + 8) + 4
    if learns.head:
        logits += batch.labelled * width * size + (2 * text.vocab_size * width if amp else 0)
    return {
        "layers": text.num_hidden_layers * tokens * width * stream if checkpointing else (text.num_hidden_layers - 1) * one + last,
        # A float32 stream's norm keeps the very tensor that the checkpoint keeps: it is counted there.
        "one layer": one - (tokens * width * 4 if stream == 4 else 0) if checkpointing else 0,
        "image": image(config, batch, learns, amp, checkpointing),
        "logits": logits,
        "rest": final + rotary + scatter + size * batch.masked + (0 if checkpointing else 8 * batch.labelled),
    }


def peak(config, batch: Batch, learns: Learns, amp: bool, checkpointing: bool) -> dict[str, int]:
    """Bytes by part at the worst moment of a step: what is saved, and the backward pass's own tensors ("moment").

    That moment is either the logits' (two float32 gradients) or one layer's (three of the MLP's width, two float32 of the
    model's). With checkpointing the logits are gone when a layer is recomputed, so only the larger of the two counts.
    """
    text, parts = config.text_config, saved(config, batch, learns, amp, checkpointing)
    of_logits = 8 * batch.labelled * text.vocab_size
    of_layer = batch.tokens * (3 * text.intermediate_size * (2 if amp else 4) + 2 * text.hidden_size * 4)
    if not checkpointing:
        return parts | {"moment": max(of_logits, of_layer)}
    if parts["logits"] + of_logits > parts["one layer"] + of_layer:
        return parts | {"one layer": 0, "moment": of_logits}
    return parts | {"logits": 0, "moment": of_layer}
