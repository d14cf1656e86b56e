"""Load a model: the shipped tiny one, a folder, a hub's, a small one, or the true shape with random weights. One door."""

import json
import os
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from utils.corpus.conversations import IMAGE_TOKEN
from utils.models.blip2_start import SHIPPED as BLIP2
from utils.models.blip2_start import blip2_start
from utils.models.shapes import SHAPES, empty, shape, start_blip2, true_shape
from utils.models.small import next_from_llava, small_like
from utils.models.tokenizer import train_tokenizer
from utils.runs import ROOT, UserError
from utils.scales import Scale

SHIPPED = ROOT / "data" / "base"

# model_type of a folder's config.json -> the class that opens it.
_CLASSES = {
    "llava": "LlavaForConditionalGeneration", "llava_next": "LlavaNextForConditionalGeneration",
    "llava_onevision": "LlavaOnevisionForConditionalGeneration", "blip-2": "Blip2ForConditionalGeneration",
}  # fmt: skip


def _class_of(folder: Path):
    """The class that a folder's config.json names; raises ValueError when it is none of those that the course uses."""
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    if kind not in _CLASSES:
        raise ValueError(f"its config.json says model_type {kind!r}, not one of {', '.join(_CLASSES)}")
    return getattr(transformers, _CLASSES[kind])


def load_folder(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[PreTrainedModel, object]:
    """(model, tokenizer) from a folder in transformers' layout, of the class that its config.json names; safetensors only.

    Raises UserError when the folder is missing or is no such model.
    """
    folder = Path(folder)
    if not (folder / "config.json").exists():
        raise UserError(f"{folder} holds no model (no config.json); train one with: make journey, or name another folder with --model")
    if not list(folder.glob("*.safetensors")):
        raise UserError(f"{folder} has no .safetensors weights; other formats are not loaded, because they can run code")
    logging.disable_progress_bar()  # a local folder loads in no time
    try:
        model = _class_of(folder).from_pretrained(folder, dtype=dtype, use_safetensors=True, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"the model in {folder} cannot be loaded ({str(error).splitlines()[0]}); train or copy it again") from error
    return model.eval(), tokenizer


def load_hub(hub_id: str, dtype: torch.dtype, four_bit: bool = False) -> tuple[PreTrainedModel, object]:
    """(model, tokenizer) of a hub id: a LLaVA, unless models/shapes.py knows its class.

    Raises UserError telling what is missing when the hub cannot be reached.
    """
    extra = {}
    if four_bit:
        from transformers import BitsAndBytesConfig

        # The language model alone: a projector in 4 bits could not learn, and the tower is small.
        extra["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=["vision_tower", "multi_modal_projector", "lm_head"],
        )  # fmt: skip
    try:
        tokenizer = AutoTokenizer.from_pretrained(hub_id)
        cls = getattr(transformers, SHAPES[hub_id].cls if hub_id in SHAPES else "LlavaForConditionalGeneration")
        model = cls.from_pretrained(hub_id, dtype=dtype, use_safetensors=True, **extra)
    except (OSError, ImportError) as error:
        raise UserError(
            f"the weights {hub_id} are not here ({type(error).__name__}): connect to the hub, or download them elsewhere and set HF_HOME, "
            "or rehearse the shape with WEIGHTS=random"
        ) from error
    return model.eval(), tokenizer


def random_shape(name: str, dtype: torch.dtype, device: str = "cpu", seed: int = 0, config=None) -> PreTrainedModel:
    """A true shape with random weights from `seed`, in its dtype on its device; `config` replaces the true one.

    Built without memory first, then each tensor once where it stays: the peak is the model itself.
    """
    config = config or true_shape(name)
    torch.manual_seed(seed)
    model = empty(name, config, dtype)
    placed: dict[int, torch.Tensor] = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for key, old in tensors.items():
                if old is None:
                    continue
                if id(old) not in placed:  # a tied matrix is placed once
                    new = torch.empty_like(old, device=device)
                    placed[id(old)] = torch.nn.Parameter(new, old.requires_grad) if isinstance(old, torch.nn.Parameter) else new
                tensors[key] = placed[id(old)]
    model.initialize_weights()
    if shape(name).cls.startswith("Blip2"):
        start_blip2(model)
    return model.eval()


def open_model(
    name: str, weights: str = "hub", dtype: torch.dtype = torch.float32, device: str = "cpu", four_bit: bool = False, seed: int = 0
) -> tuple[PreTrainedModel, object]:
    """(model, tokenizer) of a system by its hub id: its trained weights ("hub"), the true shape with random ones, or a "tiny" one of its class.

    Random weights come from `seed` and leave the caller's random numbers as they were. Raises UserError for an unknown
    name or kind of weights, and when a hub cannot be reached.
    """
    if weights not in ("hub", "random", "tiny"):
        raise UserError(f"WEIGHTS {weights!r} is unknown; use hub, random or tiny")
    if weights == "hub":
        model, tokenizer = load_hub(name, dtype, four_bit)
        return (model if four_bit else model.to(device)).eval(), tokenizer
    config = true_shape(name)
    tokenizer = train_tokenizer()  # the course's own stands in for the true one, which only a hub has
    with torch.random.fork_rng():
        if weights == "tiny":
            return small_like(name, tokenizer, seed).to(device, dtype).eval(), tokenizer
        config.image_token_index = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        return random_shape(name, dtype, device, seed, config), tokenizer


def load_start(scale: Scale, weights: str | None = None, name: str | None = None) -> tuple[PreTrainedModel, object]:
    """The model a recipe starts from at a scale. `weights` (or the environment variable WEIGHTS) may say "random".

    `name` is the recipe's own start (a hub id in models/shapes.py); without it, the scale's LLaVA. At the tiny scale a
    LLaVA-1.5 is the shipped base, a LLaVA-NeXT takes that one's weights, a BLIP-2 those of data/blip2, and every other is small with random
    ones. The base's CLIP tower stands in for a SigLIP one too: no SigLIP of this size exists that has seen anything.
    """
    weights = weights or os.environ.get("WEIGHTS") or "hub"
    if weights not in ("hub", "random"):
        raise UserError(f"WEIGHTS {weights!r} is unknown; use hub or random")
    if scale.weights == "data":
        if name is None or shape(name).cls == "LlavaForConditionalGeneration":
            return load_folder(SHIPPED)
        if shape(name).cls == "LlavaNextForConditionalGeneration":
            llava, tokenizer = load_folder(SHIPPED)
            return next_from_llava(llava, tokenizer).eval(), tokenizer
        logging.disable_progress_bar()
        if shape(name).cls == "Blip2ForConditionalGeneration":
            tokenizer = AutoTokenizer.from_pretrained(SHIPPED, local_files_only=True)
            with torch.random.fork_rng():
                return blip2_start(true_shape(name).text_config.model_type, tokenizer).eval(), tokenizer
        return open_model(name, "tiny", getattr(torch, scale.dtype))
    lacking = scale.device == "cuda" and not torch.cuda.is_available()
    if weights == "random" and lacking:  # said before a big model fills the memory
        raise UserError(_no_gpu(scale))
    opened = open_model(name or scale.weights, weights, getattr(torch, scale.dtype), "cpu" if lacking else scale.device, scale.four_bit)
    if lacking:
        raise UserError(_no_gpu(scale))
    return opened


def start_files(name: str) -> list[Path]:
    """The shipped files that the tiny scale's start of this name ("" for a LLaVA) is made of."""
    blip2 = bool(name) and shape(name).cls == "Blip2ForConditionalGeneration"
    return sorted((BLIP2 if blip2 else SHIPPED).glob("*.safetensors"))


def _no_gpu(scale: Scale) -> str:
    return f"scale {scale.name} wants {scale.machine}, and no GPU was found; use SCALE=tiny here"


def load_model(reference: Path | str, scale: Scale) -> tuple[PreTrainedModel, object]:
    """(model, tokenizer) on the scale's device: from a folder, or the scale's start model when `reference` is its name."""
    if str(reference) == scale.weights:
        return load_start(scale)
    model, tokenizer = load_folder(Path(reference), getattr(torch, scale.dtype))
    return model.to(scale.device if torch.cuda.is_available() else "cpu"), tokenizer


def image_tokens(model) -> int:
    """Placeholders of one picture, for a class that takes one view; a tiling one needs the size: models/tiling.py, picture_tokens."""
    return model.config.num_query_tokens if hasattr(model.config, "num_query_tokens") else model.config.image_seq_length


def image_size(model) -> int:
    return model.config.vision_config.image_size
