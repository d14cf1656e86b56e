"""Memory and time of a training stage before a GPU is rented: bytes by part, hours, fits or not."""

import dataclasses
import re
from functools import lru_cache

from utils.runs import UserError
from utils.training import activations
from utils.training.gpus import Gpu, room
from utils.training.recipes import Stage

SIZES = {"float32": 4.0, "bfloat16": 2.0, "nf4": 2.0}  # bytes of a weight that nf4 leaves alone: bf16
# Share of a row's text that carries loss, and text tokens of a conversation: no paper says them, so both are assumed. English
# conversations have about 274 by the files' sizes (benchmarks/sharing.py); Portuguese takes more pieces in Llama's tokenizer.
LABELLED, TEXT = 0.5, 400
# LLaVA-Instruct: pictures as users of the files count them, conversations as in haotian-liu/LLaVA issue 657.
PICTURES, CONVERSATIONS = 81_479, 157_712
PROMPT = 45  # tokens of system text beside the picture, vicuna_v1 in Llama's tokenizer: assumed


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is to be trained and how; `batch` rows of `length` tokens go through the model at once, `accumulate` times a step.

    `views` are the tower's pictures a row, `image_tokens` the tokens of a picture in the row.
    """

    model: str
    stage: Stage
    batch: int = 1
    length: int = 2048
    accumulate: int = 1
    checkpointing: bool = False
    base: str = "bfloat16"
    optimiser: str = "adamw"
    max_rank: int | None = None
    image_tokens: int | None = None
    views: int = 1

    @property
    def labelled(self) -> int:
        return self.batch * max(1, round((self.length - self.pictures * tokens_of(self)) * LABELLED))

    @property
    def pictures(self) -> int:
        """Pictures a row: as many as the average pack of LLaVA-Instruct leaves room for, at least one."""
        pack = tokens_of(self) + PROMPT + TEXT * CONVERSATIONS / PICTURES
        return max(1, int(self.length / pack))


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One kind of weight in memory: where it belongs, how many elements, bytes each, whether it learns."""

    part: str
    kind: str  # "weights", "copies" (PEFT's trained copies of full parts) or "adapter"
    count: int
    bytes: int
    learns: bool
    optimiser: int = 0


@lru_cache(maxsize=16)
def config_of(model: str):
    """The configuration of a shape's name or of a folder; raises UserError for a name that is neither."""
    from pathlib import Path

    from utils.models import shapes

    if model not in shapes.SHAPES and (Path(model) / "config.json").exists():
        from transformers import LlavaConfig

        return LlavaConfig.from_pretrained(model)
    return shapes.true_shape(model)


@lru_cache(maxsize=16)
def named_shapes(model: str) -> tuple[tuple[str, tuple[int, ...], bool], ...]:
    """(name, shape, whether a linear layer's matrix) of every parameter, from transformers' class on the meta device."""
    import torch
    from transformers import LlavaForConditionalGeneration

    from utils.models import shapes

    if model in shapes.SHAPES:
        built = shapes.empty(model)
    else:
        with torch.device("meta"):
            built = LlavaForConditionalGeneration(config_of(model))
    linear = {f"{name}.weight" for name, module in built.named_modules() if isinstance(module, torch.nn.Linear)}
    return tuple((name, tuple(p.shape), name in linear) for name, p in built.named_parameters())


def tokens_of(setting: Setting) -> int:
    """Tokens of one picture in a row."""
    return setting.image_tokens or getattr(config_of(setting.model), "image_seq_length", None) or 32


def rank_of(setting: Setting) -> int:
    tune = setting.stage.tune.get("llm")
    return min(tune.rank, setting.max_rank or tune.rank) if tune and tune.how == "lora" else 0


def tensors(setting: Setting) -> list[Tensor]:
    """Every tensor of weights, as the loop holds it: frozen, learning, PEFT's copies of full parts, adapters in float32.

    What learns is held in float32 (see `ready` in adapter.py), with a float32 gradient. AdamW keeps two states of that type and a
    4-byte counter a tensor (torch.optim.AdamW); in 8 bits (Dettmers et al., arXiv 2110.02861) two bytes an element and two
    float32 scales for each 256, but 32 bits for tensors below 4096 elements. nf4 (arXiv 2305.14314) holds half a byte an
    element and a float32 scale for each 64, on the language model's linear layers.
    """
    import math

    from utils.models.shapes import part_of
    from utils.training.adapter import LORA_TARGETS

    rank, tune, found, config = rank_of(setting), setting.stage.tune, [], config_of(setting.model)
    any_target = any(re.fullmatch(LORA_TARGETS, name.removesuffix(".weight")) for name, _, linear in named_shapes(setting.model) if linear)
    for name, shape, linear in named_shapes(setting.model):
        part, count = part_of(name), math.prod(shape)
        full = part in tune and tune[part].how == "full"
        moves = full and reached(name, config)  # else it asks for a gradient and gets none
        size = round(count * SIZES[setting.base])
        if setting.base == "nf4" and linear and part == "llm":
            size = math.ceil(count / 2) + 4 * math.ceil(count / 64)
        # PEFT copies the modules that it trains in full; a parameter that is no module learns in its place (see adapter.py).
        copied = rank and full and not name.endswith(("query_tokens", "image_newline"))
        if full and not copied:
            found.append(Tensor(part, "weights", count, 4 * count, moves, _states(setting, count) if moves else 0))
        else:
            found.append(Tensor(part, "weights", count, size, False))
        if copied:
            found.append(Tensor(part, "copies", count, 4 * count, True, _states(setting, count)))
        hit = re.fullmatch(LORA_TARGETS, name.removesuffix(".weight")) if any_target else part == "llm"
        if rank and linear and hit:
            found += [Tensor(part, "adapter", rank * side, 4 * rank * side, True, _states(setting, rank * side)) for side in shape]
    return found


def reached(name: str, config) -> bool:
    """Whether a gradient reaches a parameter: not behind the tower's chosen layer, where its last norm and head stand too."""
    if "vision" not in name or not hasattr(config, "vision_feature_layer"):
        return True
    layer = re.search(r"layers\.(\d+)\.", name)
    return int(layer[1]) < activations.vision_layers(config) if layer else "post_layernorm" not in name and ".head." not in name


def _states(setting: Setting, count: int) -> int:
    """Bytes the optimiser keeps for a tensor of `count` float32 elements."""
    if setting.optimiser == "adamw8bit" and count >= 4096:
        return 2 * count + 2 * 4 * -(-count // 256)
    return 8 * count + 4


def learning(setting: Setting) -> activations.Learns:
    """What learns, as the activation formulas ask for it."""
    tune, rank = setting.stage.tune, rank_of(setting)
    full = {part for part, how in tune.items() if how.how == "full"}
    return activations.Learns(
        llm="lora" if rank else "full" if "llm" in full else "", rank=rank, projector="projector" in full, vision="vision" in full,
        embeddings="embeddings" in full, head="embeddings" in full,
    )  # fmt: skip


def batch_of(setting: Setting) -> activations.Batch:
    """The batch of an average LLaVA-Instruct row, all rows in one sequence: the system text once, then pictures and conversations."""
    tokens, pictures = setting.batch * setting.length, setting.batch * setting.pictures
    branches = max(pictures, round(pictures * CONVERSATIONS / PICTURES))
    before = tokens_of(setting) + PROMPT
    text = max(0, tokens - pictures * before)
    branch_keys, picture_keys = branches * before + text, pictures * before
    masked = round(branch_keys * text / branches) + tokens_of(setting) * picture_keys
    asked = round(setting.labelled * branch_keys / branches)
    return activations.Batch(tokens, pictures * setting.views, setting.labelled, picture_keys + branch_keys, masked, branch_keys, asked)


def counted(batch: dict, views: int) -> activations.Batch:
    """The same counts of a real batch of `lay_out`, with `views` pictures for the tower."""
    import torch

    from utils.training.spans import read_spans

    spans, asked = read_spans(batch["spans"], torch.float32), batch["asked"]
    keys = [sum(spans[n].end - spans[n].start for n in span.seen) for span in spans]
    asks = [int(((asked >= span.start) & (asked < span.end)).sum()) for span in spans]
    copied = [n if len(span.seen) > 1 else 0 for n, span in zip(keys, spans, strict=True)]
    masks = [span.mask.numel() if span.mask is not None else 0 for span in spans]
    return activations.Batch(
        batch["input_ids"].shape[1], views, len(asked), sum(copied), sum(masks), sum(n for n, a in zip(copied, asks, strict=True) if a),
        sum(n * a for n, a in zip(keys, asks, strict=True)),
    )  # fmt: skip


def modelled(config) -> bool:
    """Whether the activation formulas know this family: LLaVA's connectors on a LLaMA-like decoder."""
    text = config.text_config
    return text.model_type in ("llama", "qwen2", "mistral") and config.vision_config.model_type in ("clip_vision_model", "siglip_vision_model")


def memory(setting: Setting) -> dict[str, int | None]:
    """Bytes by part at the peak of a step on one GPU; parts of activations are None where no formula covers the family.

    Gradients count in full beside all activations, as they stand in the later batches of an accumulated step. "moment" is what
    comes on top for a moment: the backward pass's own tensors, or the optimiser's work copy where that reaches higher.
    """
    rows = tensors(setting)
    parts: dict[str, int | None] = {kind: sum(t.bytes for t in rows if t.kind == kind) for kind in ("weights", "copies", "adapter")}
    parts["gradients"] = sum(t.bytes for t in rows if t.learns)
    parts["optimiser"] = sum(t.optimiser for t in rows)
    names = ("layers", "one layer", "image", "logits", "rest", "moment")
    config = config_of(setting.model)
    if not modelled(config):
        return parts | dict.fromkeys(names)
    kept = activations.peak(config, batch_of(setting), learning(setting), setting.base != "float32", setting.checkpointing)
    # torch's AdamW works on all tensors at once, with one more copy of what learns; activations are gone by then.
    kept["moment"] = max(kept["moment"], parts["gradients"] - sum(kept.values()) + kept["moment"])
    return parts | {name: kept[name] for name in names}


def total(parts: dict[str, int | None]) -> int:
    return sum(value or 0 for value in parts.values())


def fits(setting: Setting, card: Gpu) -> bool:
    return total(memory(setting)) <= room(card)


@dataclasses.dataclass(frozen=True)
class Time:
    """Floating-point work of a token and what it takes: `model` FLOP as MFU counts them, `done` with recomputation."""

    model: float
    done: float
    tokens_per_second: float
    assumed: tuple[str, ...]


def time(setting: Setting, card: Gpu) -> Time:
    """FLOP a token and tokens/s on a card.

    Forward 2N and backward through the activations 2N for every weight that a token passes (N: language model and, at
    labelled positions, the output matrix); 2N more for weights that learn: 4N with a frozen base, 6N in full (Kaplan et
    al., arXiv 2001.08361, section 2.1). Attention adds 4 x keys x width a layer and token, forward, and twice that backward. The last layer's queries, output and MLP run at labelled positions
    only. Checkpointing computes the forward pass once more, which MFU does not count.
    """
    config, rows, learns = config_of(setting.model), tensors(setting), learning(setting)
    text = config.text_config
    share = setting.labelled / (setting.batch * setting.length)
    width, layers = text.hidden_size, text.num_hidden_layers
    llm, adapter = (sum(t.count for t in rows if t.part == "llm" and t.kind == kind) for kind in ("weights", "adapter"))
    keys = width * text.num_key_value_heads // text.num_attention_heads  # what stays of the last layer: keys and values
    skipped = (1 - share) * (1 - 2 * width * keys / (llm / layers)) / layers
    base, adapter = llm * (1 - skipped) + share * text.vocab_size * width, adapter * (1 - skipped)
    attention = 4 * width * (looked(setting) * (layers - 1) + share * looked(setting))
    weight_gradients = 2 * base if learns.llm == "full" else 2 * adapter
    forward = 2 * (base + adapter) + attention
    seen = setting.pictures * setting.views * activations.view_tokens(config.vision_config) / setting.length
    tower = seen * 2 * sum(t.count for t in rows if t.part == "vision") * (3 if learns.vision else 1)
    model = 2 * forward + attention + weight_gradients + tower
    done = model + (forward if setting.checkpointing else 0)
    moved = 2 * sum(t.bytes + t.optimiser for t in rows if t.learns)
    step = done * setting.batch * setting.accumulate * setting.length / (card.peak * card.busy) + moved / card.bandwidth
    assumed = (f"{card.busy:.0%} of the peak reached", f"{LABELLED:.0%} of the text carries loss")
    return Time(model, done, setting.batch * setting.accumulate * setting.length / step, assumed)


def looked(setting: Setting) -> float:
    """Keys that an average token looks at: a masked kernel computes whole rectangles (see spans.py)."""
    return batch_of(setting).masked / (setting.batch * setting.length)


def corpus_tokens(setting: Setting) -> float:
    """Tokens of the stage's epochs over LLaVA-Instruct in shared-image packs, with its share of English rows."""
    own = PICTURES * (tokens_of(setting) + PROMPT) + CONVERSATIONS * TEXT
    return own * (setting.stage.epochs or 1) / (1 - (setting.stage.replay or 0))


def check(setting: Setting) -> None:
    """Raise UserError when a setting makes no sense: an unknown type, a row that is shorter than its picture."""
    if setting.base not in SIZES:
        raise UserError(f"weights of type {setting.base!r} are unknown to the planner; use one of: {', '.join(SIZES)}")
    if setting.stage.tune is None:
        raise UserError(f"it is not known what stage {setting.stage.name} trains, so it cannot be planned; name another with --stage")
    if setting.length <= tokens_of(setting):
        raise UserError(f"a row of {setting.length} tokens cannot hold a picture of {tokens_of(setting)}; use a longer --length")
