"""LoRA through PEFT, only where it belongs: never in the vision tower."""

from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model

from utils.training.loop import freeze_absent, part_of
from utils.training.recipes import Stage

# The seven linear layers of each LLaMA block, anchored at the language model: a bare "q_proj" would also hit CLIP.
LORA_TARGETS = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
_MODULES = {"vision": "vision_tower", "projector": "multi_modal_projector", "embeddings": "embed_tokens"}


def lora_config(model, stage: Stage, max_rank: int | None = None, targets: str = LORA_TARGETS) -> LoraConfig | None:
    """PEFT's configuration of a stage's adapter; None when the stage has none.

    The rank is capped at `max_rank`, alpha keeps its ratio to it. Parts tuned in full beside the adapter are saved with it.
    """
    lora = stage.tune.get("llm")
    if lora is None or lora.how != "lora":
        return None
    rank = min(lora.rank, max_rank or lora.rank)
    saved = [_MODULES[part] for part, tune in stage.tune.items() if part in _MODULES and tune.how == "full"]
    return LoraConfig(
        r=rank, lora_alpha=round(rank * lora.alpha / lora.rank), target_modules=targets, modules_to_save=saved or None,
        # Input and output embeddings are one matrix in the tiny model: both must see the trained copy.
        ensure_weight_tying="embed_tokens" in saved and bool(model.config.text_config.tie_word_embeddings),
    )  # fmt: skip


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


def adapt(model, stage: Stage, max_rank: int | None = None, targets: str = LORA_TARGETS):
    """The model ready for a stage: adapters where the stage says "lora", full parts trainable, the rest frozen.

    Raises ValueError when an adapter would sit in the vision tower without the stage tuning it.
    """
    config = lora_config(model, stage, max_rank, targets)
    if config is None:
        freeze_absent(model, stage.tune)
    else:
        model = get_peft_model(model, config)
    ready(model, stage)
    return model


def merged(model):
    """The plain LLaVA with its adapter merged in."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def merged_from(model, folder: Path):
    """The start model with what training left in a folder: an adapter, merged, or all weights in its place."""
    if (folder / "adapter_config.json").exists():
        return merged(PeftModel.from_pretrained(model, folder))
    return type(model).from_pretrained(folder, dtype=model.dtype, local_files_only=True)
