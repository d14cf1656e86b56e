"""The planner against real models: bytes of every part after one real optimiser step, and what autograd really saves."""

import dataclasses
import tempfile
import weakref
from contextlib import nullcontext
from pathlib import Path

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from utils.models.prompts import encode_prefix, image_id
from utils.models.tokenizer import train_tokenizer
from utils.training import activations, loop, planner
from utils.training.adapter import adapt
from utils.training.data import PackCollator
from utils.training.english_base import SceneStream
from utils.training.features import plain_model, tower_features
from utils.training.objective import language_loss, loss_as_forward
from utils.training.recipes import ENGLISH_BASE, LLAVA_PT, THESIS, Stage, Tune

# Three sizes of the real classes; the second groups keys and values, the third ties its embeddings as the tiny scale does.
SIZES = {
    "small": {"width": 96, "inner": 256, "layers": 2, "heads": 4, "keys": 4, "vision": 64, "patch": 16, "tied": False},
    "grouped": {"width": 128, "inner": 320, "layers": 3, "heads": 8, "keys": 2, "vision": 96, "patch": 8, "tied": False},
    "tied": {"width": 192, "inner": 512, "layers": 4, "heads": 4, "keys": 4, "vision": 128, "patch": 16, "tied": True},
}
STAGES: dict[str, Stage] = {
    "LoRA, embeddings": LLAVA_PT.stages[0],
    "LoRA": THESIS.stages[0],
    "full": ENGLISH_BASE.stages[1],
    "full, frozen tower": Stage("instruct", "", {"llm": Tune("full", 2e-5), "projector": Tune("full", 2e-5)}),
    "projector": Stage("align", "", {"projector": Tune("full", 1e-3)}),
}
RANK, ROWS = 8, 2


def small_config(tokenizer, size: dict) -> LlavaConfig:
    """A LLaVA-1.5 of one of SIZES, for the tokenizer's vocabulary."""
    vision = CLIPVisionConfig(
        hidden_size=size["vision"], intermediate_size=4 * size["vision"], num_hidden_layers=3, num_attention_heads=4, image_size=96,
        patch_size=size["patch"], projection_dim=32,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=size["width"], intermediate_size=size["inner"], num_hidden_layers=size["layers"],
        num_attention_heads=size["heads"], num_key_value_heads=size["keys"], max_position_embeddings=1024, tie_word_embeddings=size["tied"],
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=tokenizer.convert_tokens_to_ids("<image>"), vision_feature_layer=-1,
        vision_feature_select_strategy="default", image_seq_length=(96 // size["patch"]) ** 2, tie_word_embeddings=size["tied"],
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
    """A real model made ready for a stage, a real batch of it, and the setting the planner gets."""

    model: object
    rows: list[dict]
    collate: PackCollator
    setting: planner.Setting
    batch: activations.Batch

    def tensors(self) -> dict[str, torch.Tensor]:
        """The batch; a frozen tower's features come ready, as the loop caches them: checkpointing would track it else."""
        batch = self.collate(self.rows)
        if "vision" in self.setting.stage.tune:
            return batch
        with torch.no_grad():
            return batch | {"features": tower_features(self.model, batch["pixel_values"].to(self.model.dtype))}


def make_case(tokenizer, size: str, stage: Stage, folder: Path, dtype: torch.dtype = torch.float32) -> Case:
    """The case of a size and a stage; its configuration is written to `folder`, where the planner reads it."""
    config = small_config(tokenizer, SIZES[size])
    config.save_pretrained(folder)
    torch.manual_seed(0)
    model = adapt(LlavaForConditionalGeneration(config).to(dtype), stage, RANK).train()
    collate = PackCollator(tuple(encode_prefix(tokenizer, config.image_seq_length)), image_id(tokenizer))
    stream = SceneStream(tokenizer, ROWS, seed=0)
    rows = [stream[n] for n in range(ROWS)]
    batch = collate(rows)
    length = batch["input_ids"].shape[1]
    base = "float32" if dtype == torch.float32 else "bfloat16"
    setting = planner.Setting(str(folder), stage, batch=1, length=length, base=base, max_rank=RANK)
    return Case(model, rows, collate, setting, planner.counted(batch, ROWS))


def weighed(case: Case, folder: Path) -> dict[str, int]:
    """Measured bytes by part after one step of the loop, when the optimiser has its states and the gradients are still there."""
    found: dict[str, int] = {}

    def weigh(optimizer, _args, _kwargs) -> None:
        size = lambda tensors: sum(t.numel() * t.element_size() for t in tensors)  # noqa: E731
        named = list(case.model.named_parameters())
        found["weights"] = size(p for n, p in named if "lora_" not in n and "modules_to_save" not in n)
        found["copies"] = size(p for n, p in named if "modules_to_save" in n)
        found["adapter"] = size(p for n, p in named if "lora_" in n)
        found["gradients"] = size(p.grad for _, p in named if p.grad is not None)
        found["optimiser"] = size(t for state in optimizer.state.values() for t in state.values())

    hook = register_optimizer_step_post_hook(weigh)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16) if case.setting.base == "bfloat16" else nullcontext():
            loop.run_stage(case.model, case.rows, case.collate, case.setting.stage, loop.Plan(1, ROWS, 0), folder, "planner")
    finally:
        hook.remove()
    return found


class Kept:
    """A tensor that autograd saved: gone as soon as the graph lets it go, so dead branches do not count."""

    def __init__(self, tensor: torch.Tensor):
        self.tensor = tensor


def saved_bytes(case: Case, checkpointing: bool = False, amp: bool = False) -> int:
    """Bytes autograd keeps for one forward pass, each storage once, parameters left out; with checkpointing, and one layer beside.

    The layer that the backward pass recomputes is run once more on its own inputs, under the same count.
    """
    own = {p.untyped_storage().data_ptr() for p in case.model.parameters()}
    alive: weakref.WeakSet[Kept] = weakref.WeakSet()
    calls: list[tuple] = []

    def pack(tensor: torch.Tensor) -> Kept:
        kept = Kept(tensor)
        alive.add(kept)
        return kept

    batch = case.tensors()
    core, layer = plain_model(case.model), plain_model(case.model).model.language_model.layers[0]
    hook = layer.register_forward_pre_hook(lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True)
    if checkpointing:
        core.activation_checkpointing_enable({"use_reentrant": False})
    under = torch.autocast("cpu", dtype=torch.bfloat16) if amp else nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor), under, loss_as_forward(case.model, "lm"):
        loss, again = language_loss(case.model, batch), None
        if checkpointing:
            core.activation_checkpointing_disable()
            hook.remove()
            again = layer(*calls[0][0], **calls[0][1])
    hook.remove()
    held = {kept.tensor.untyped_storage().data_ptr(): kept.tensor.untyped_storage().nbytes() for kept in alive}
    del loss, again
    return sum(size for place, size in held.items() if place not in own)


def planned_bytes(case: Case, checkpointing: bool = False, amp: bool = False) -> int:
    """What the planner's formulas say about the same pass."""
    config = planner.config_of(case.setting.model)
    return sum(activations.saved(config, case.batch, planner.learning(case.setting), amp, checkpointing).values())


def run() -> list[dict]:
    tokenizer, rows = train_tokenizer(scenes=200), []
    with tempfile.TemporaryDirectory() as root:
        for size in SIZES:
            wrong, worst, unit = 0, {False: 0.0, True: 0.0}, 0
            for number, stage in enumerate(STAGES.values()):
                folder = Path(root) / f"{size}-{number}"
                case = make_case(tokenizer, size, stage, folder)
                for checkpointing in (False, True):
                    real = saved_bytes(case, checkpointing)
                    worst[checkpointing] = max(worst[checkpointing], abs(planned_bytes(case, checkpointing) / real - 1))
                plan, real = planner.memory(case.setting), weighed(case, folder)
                wrong += sum(abs(plan[part] - real[part]) for part in real)
                unit += sum(real.values())
            how = f"{size}: {', '.join(STAGES)}; {unit} bytes in all, one step of the loop's Trainer on the CPU"
            rows.append(_row(f"planned bytes of weights and states that differ, {size}", wrong, "bytes", 0, wrong == 0, how))
            for checkpointing, off in worst.items():
                name = f"activations, largest error, {size}{', checkpointing' if checkpointing else ''}"
                rows.append(_row(name, 100 * off, "%", 10, off <= 0.10, f"saved-tensor hooks, float32, {', '.join(STAGES)}"))
        case = make_case(tokenizer, "small", LLAVA_PT.stages[0], Path(root) / "bf16", torch.bfloat16)
        off = max(abs(planned_bytes(case, c, amp=True) / saved_bytes(case, c, amp=True) - 1) for c in (False, True))
        rows.append(_row("activations under bf16 autocast, largest error", 100 * off, "%", 10, off <= 0.10, "CPU autocast, LoRA, both ways"))
    return rows


def _row(measure: str, value: float, unit: str, target: float, meets: bool, how: str) -> dict:
    return {"measure": measure, "value": value, "unit": unit, "target": target, "meets": meets, "how": how}
