"""LoRA through PEFT, only where it belongs: never in the vision tower."""

from peft import LoraConfig, get_peft_model

from utils.training.loop import freeze_absent, part_of
from utils.training.recipes import Stage

# The seven linear layers of each LLaMA block, anchored at the language model: a bare "q_proj" would also hit CLIP.
LORA_TARGETS = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
_MODULES = {"projector": "multi_modal_projector", "embeddings": "embed_tokens"}


def adapt(model, stage: Stage, max_rank: int | None = None, targets: str = LORA_TARGETS):
    """The model ready for a stage: adapters where the stage says "lora", full parts trainable, the rest frozen.

    The rank is capped at `max_rank`, alpha keeps its ratio to it. Raises ValueError when an adapter would sit in
    the vision tower without the stage tuning it.
    """
    lora = stage.tune.get("llm")
    if lora is None or lora.how != "lora":
        freeze_absent(model, stage.tune)
        return model
    rank = min(lora.rank, max_rank or lora.rank)
    saved = [_MODULES[part] for part, tune in stage.tune.items() if part in _MODULES and tune.how == "full"]
    config = LoraConfig(
        r=rank, lora_alpha=round(rank * lora.alpha / lora.rank), target_modules=targets, modules_to_save=saved or None,
        # Input and output embeddings are one matrix in the tiny model: both must see the trained copy.
        ensure_weight_tying="embed_tokens" in saved and bool(model.config.text_config.tie_word_embeddings),
    )  # fmt: skip
    adapted = get_peft_model(model, config)
    astray = [n for n, p in adapted.named_parameters() if p.requires_grad and part_of(n) not in stage.tune]
    if astray:
        raise ValueError(f"stage {stage.name} freezes {part_of(astray[0])!r}, but {astray[0]} would learn; anchor the adapter's pattern")
    return adapted
