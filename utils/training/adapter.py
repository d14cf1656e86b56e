"""LoRA through PEFT, only where it belongs: never in the vision tower."""

import functools
from collections.abc import Mapping
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners import lora
from safetensors.torch import load_file, save_file

from utils.models.shapes import part_of
from utils.training.recipes import Stage, Tune

LOOSE = "beside_adapter.safetensors"
# The linear layers of each language model's blocks, anchored at the language model: a bare "q_proj" would also hit CLIP. LLaMA
# and its like have seven (haotian-liu/LLaVA llava/train/train.py, find_all_linear_names); T5 and BLOOM as in gregor-ge/mBLIP.
LORA_TARGETS = (
    r".*language_model\.(?:model\.)?(layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
    r"|(encoder|decoder)\.block\.\d+\.layer\.\d+\.(SelfAttention|EncDecAttention|DenseReluDense)\.(q|k|v|o|wi_0|wi_1|wo)"
    r"|transformer\.h\.\d+\.(self_attention|mlp)\.(query_key_value|dense|dense_h_to_4h|dense_4h_to_h))"
)
# Modules of each part, by the last piece of their names in transformers' Llava, LlavaNext and Blip2.
_MODULES = {
    "vision": ("vision_tower", "vision_model"), "resampler": ("qformer",), "projector": ("multi_modal_projector", "language_projection"),
    "embeddings": ("embed_tokens", "word_embeddings", "lm_head"),
}  # fmt: skip


def freeze_absent(model, tune: Mapping[str, Tune]) -> None:
    """Let only the fully tuned parts learn; adapters are added later and learn by themselves."""
    for name, parameter in model.named_parameters():
        wanted = tune.get(part_of(name))
        parameter.requires_grad_(wanted is not None and wanted.how == "full")


def _whole_modules(model, stage: Stage) -> list[str]:
    """Modules that a stage tunes in full beside its adapter, as PEFT's `modules_to_save` names them."""
    there = {name.rpartition(".")[2]: module for name, module in model.named_modules()}
    names = [name for part, tune in stage.tune.items() if tune.how == "full" for name in _MODULES.get(part, ()) if name in there]
    tied = "lm_head" in names and any(there["lm_head"].weight is there[name].weight for name in _MODULES["embeddings"][:-1] if name in there)
    return [name for name in names if name != "lm_head" or not tied]


def lora_config(model, stage: Stage, max_rank: int | None = None, targets: str = LORA_TARGETS) -> LoraConfig | None:
    """PEFT's configuration of a stage's adapter; None when the stage has none.

    The rank is capped at `max_rank`, alpha keeps its ratio to it. Parts tuned in full beside the adapter are saved with it.
    """
    lora = stage.tune.get("llm")
    if lora is None or lora.how != "lora":
        return None
    rank = min(lora.rank, max_rank or lora.rank)
    saved = _whole_modules(model, stage)
    return LoraConfig(
        r=rank, lora_alpha=round(rank * lora.alpha / lora.rank), lora_dropout=lora.dropout, target_modules=targets, modules_to_save=saved or None,
        # Input and output embeddings are one matrix in the tiny model: both must see the trained copy.
        ensure_weight_tying="embed_tokens" in saved and bool(model.config.text_config.tie_word_embeddings),
    )  # fmt: skip


def loose_parameters(model) -> dict:
    """What learns beside an adapter and is no module that PEFT saves: queries, the vector at a tile's line end."""
    own = ("lora_", "modules_to_save")
    return {name: p for name, p in model.named_parameters() if p.requires_grad and not any(word in name for word in own)}


def ready(model, stage: Stage) -> None:
    """Prove that nothing of a frozen part learns, and hold what learns in 32 bits: AdamW's small steps are lost in 16.

    Raises ValueError naming the first weight astray.
    """
    astray = [n for n, p in model.named_parameters() if p.requires_grad and part_of(n) not in stage.tune]
    if astray:
        raise ValueError(f"stage {stage.name} freezes {part_of(astray[0])!r}, but {astray[0]} would learn; anchor the adapter's pattern")
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def free_loose(model, stage: Stage) -> None:
    """Let parameters that are no modules learn with their part; PEFT froze them."""
    held = ("lora_", "modules_to_save", "original_module")
    full = [part for part, tune in stage.tune.items() if tune.how == "full"]
    for name, parameter in model.named_parameters():
        inside = any(f".{module}." in name for part in full for module in _MODULES.get(part, ()))
        if part_of(name) in full and not inside and not any(word in name for word in held):
            parameter.requires_grad_(True)


def _lean(layer, x: torch.Tensor, *arguments, **options) -> torch.Tensor:
    """PEFT's `lora.Linear.forward` with its scaling and its sum inside one matrix product: two passes over the output less.

    Everything but one active, unmerged adapter goes PEFT's own way.
    """
    names = [name for name in layer.active_adapters if name in layer.lora_A]
    if layer.disable_adapters or layer.merged or len(names) != 1 or options or arguments:
        return type(layer).forward(layer, x, *arguments, **options)
    down, up = layer.lora_A[names[0]], layer.lora_B[names[0]]
    base = layer.base_layer(x)
    low = down(layer.lora_dropout[names[0]](x if torch.is_autocast_enabled(x.device.type) else x.to(down.weight.dtype)))
    summed = torch.addmm(base.flatten(0, -2), low.flatten(0, -2), up.weight.t(), alpha=layer.scaling[names[0]])
    return summed.view(base.shape)


def peft_forward(model) -> None:
    """Give PEFT's layers their own forward back, as whoever compares with PEFT itself wants them."""
    for module in model.modules():
        if type(module) is lora.Linear:
            module.__dict__.pop("forward", None)


def adapt(model, stage: Stage, max_rank: int | None = None, targets: str = LORA_TARGETS):
    """The model ready for a stage: adapters where the stage says "lora", full parts trainable, the rest frozen.

    Raises ValueError when an adapter would sit in the vision tower without the stage tuning it.
    """
    config = lora_config(model, stage, max_rank, targets)
    if config is None:
        freeze_absent(model, stage.tune)
    else:
        if model._tied_weights_keys is None:  # Blip2 tells it of its language model alone, and PEFT would train one of two tied matrices
            model._tied_weights_keys = model.all_tied_weights_keys or None
        model = get_peft_model(model, config)
        free_loose(model, stage)
        for module in model.modules():
            if type(module) is lora.Linear and not module.use_dora.get("default") and not module.lora_bias.get("default"):
                module.forward = functools.partial(_lean, module)
    ready(model, stage)
    return model


def merged(model):
    """The plain model with its adapter merged in."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def save_loose(model, folder: Path) -> None:
    """Write `loose_parameters` of a model with an adapter beside it; nothing where there are none."""
    found = loose_parameters(model) if hasattr(model, "peft_config") else {}
    if found:
        save_file({name: p.detach().cpu().contiguous() for name, p in found.items()}, folder / LOOSE)


def load_loose(model, folder: Path) -> None:
    """Put what `save_loose` wrote back into the model with the adapter."""
    if (folder / LOOSE).exists():
        named = dict(model.named_parameters())
        with torch.no_grad():
            for name, value in load_file(folder / LOOSE).items():
                named[name].copy_(value)


def merged_from(model, folder: Path):
    """The start model with what training left in a folder: an adapter, merged, or all weights in its place."""
    if (folder / "adapter_config.json").exists():
        adapted = PeftModel.from_pretrained(model, folder)
        load_loose(adapted, folder)
        return merged(adapted)
    return type(model).from_pretrained(folder, dtype=model.dtype, local_files_only=True)
