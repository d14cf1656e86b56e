"""The true shapes of the systems that the course compares, as transformers' own configurations, without asking a hub.

Every dimension is reported in the shape's `source`, or named in its `assumed`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from utils.runs import UserError

PARTS = ("vision", "resampler", "projector", "llm", "embeddings")


@dataclass(frozen=True)
class Shape:
    """One system's shape: the transformers class, how to make its configuration, where the sizes are from."""

    cls: str
    config: Callable
    source: str
    assumed: tuple[str, ...] = ()
    own_head: bool = False  # the output matrix is not the word embeddings, though transformers' configuration ties them


def _clip_336():
    """CLIP ViT-L/14 at 336 pixels (arXiv 2103.00020; openai/clip-vit-large-patch14-336)."""
    from transformers import CLIPVisionConfig

    return CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, image_size=336, patch_size=14, projection_dim=768
    )


def _siglip_384():
    """SigLIP SO400M/14 at 384 pixels without its last layer and head, as LLaVA-OneVision cuts it (27 x 27 = 729 patches)."""
    from transformers import SiglipVisionConfig

    return SiglipVisionConfig(
        hidden_size=1152, intermediate_size=4304, num_hidden_layers=26, num_attention_heads=16, image_size=384, patch_size=14, vision_use_head=False
    )


def _llava_15(width: int, inner: int, layers: int, heads: int):
    """LLaVA-1.5: Vicuna v1.5 (Llama-2) with 64 added rows in the vocabulary, of which `<image>` is the first."""
    from transformers import LlamaConfig, LlavaConfig

    text = LlamaConfig(
        vocab_size=32064, max_position_embeddings=4096, rms_norm_eps=1e-5, pad_token_id=32001,
        hidden_size=width, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
    )  # fmt: skip
    return LlavaConfig(
        vision_config=_clip_336(), text_config=text, image_token_index=32000, vision_feature_layer=-2, vision_feature_select_strategy="default",
        image_seq_length=576, projector_hidden_act="gelu",
    )  # fmt: skip


def _llava_next_llama3():
    from transformers import LlamaConfig, LlavaNextConfig

    text = LlamaConfig(
        vocab_size=128320, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8,
        max_position_embeddings=8192, rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
        bos_token_id=128000, eos_token_id=128001,
    )  # fmt: skip
    return LlavaNextConfig(
        vision_config=_clip_336(), text_config=text, image_token_index=128256, vision_feature_layer=-2,
        vision_feature_select_strategy="default", image_seq_length=576, projector_hidden_act="gelu",
    )  # fmt: skip


def _onevision():
    from transformers import LlavaOnevisionConfig, Qwen2Config

    text = Qwen2Config(
        vocab_size=152128, hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4,
        max_position_embeddings=32768, rms_norm_eps=1e-6, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
        tie_word_embeddings=False,
    )  # fmt: skip
    return LlavaOnevisionConfig(vision_config=_siglip_384(), text_config=text)


def _amalia():
    from transformers import LlamaConfig, LlavaNextConfig

    text = LlamaConfig(
        vocab_size=128064, hidden_size=4096, intermediate_size=12288, num_hidden_layers=42, num_attention_heads=32, num_key_value_heads=8,
        max_position_embeddings=16384, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=4,
    )  # fmt: skip
    return LlavaNextConfig(
        vision_config=_siglip_384(), text_config=text, image_token_index=128000, vision_feature_layer=-1, vision_feature_select_strategy="full",
        image_seq_length=729, projector_hidden_act="gelu",
        image_grid_pinpoints=[[384 * rows, 384 * columns] for rows in range(1, 10) for columns in range(1, 10) if rows * columns <= 9],
    )  # fmt: skip


def _blip2(text):
    """EVA ViT-g/14 at 224 pixels without its last layer, and BLIP-2's Q-Former with 32 queries (arXiv 2301.12597)."""
    from transformers import Blip2Config, Blip2QFormerConfig, Blip2VisionConfig

    # The class wants placeholders for the queries; mBLIP puts the queries before the text, so any unused id serves.
    return Blip2Config(
        vision_config=Blip2VisionConfig(), qformer_config=Blip2QFormerConfig(), text_config=text, num_query_tokens=32,
        image_token_index=text.vocab_size - 1,
    )  # fmt: skip


def _mblip_mt0():
    from transformers import MT5Config

    return _blip2(
        MT5Config(
            vocab_size=250112, d_model=2048, d_kv=64, d_ff=5120, num_layers=24, num_decoder_layers=24, num_heads=32, feed_forward_proj="gated-gelu",
            decoder_start_token_id=0,
        )
    )  # fmt: skip


def _mblip_bloomz():
    from transformers import BloomConfig

    return _blip2(BloomConfig(vocab_size=250880, hidden_size=4096, n_layer=30, n_head=32, pad_token_id=3))


_LLAVA_15 = "arXiv 2310.03744; haotian-liu/LLaVA scripts/v1_5; Llama-2 (arXiv 2307.09288)"
_EXTRA_ROWS = "vocabulary rows beyond the language model's own: two tokens, then up to a multiple of 64, as transformers' converters do"
SHAPES: dict[str, Shape] = {
    "llava-hf/llava-1.5-7b-hf": Shape("LlavaForConditionalGeneration", lambda: _llava_15(4096, 11008, 32, 32), _LLAVA_15),
    "llava-hf/llava-1.5-13b-hf": Shape("LlavaForConditionalGeneration", lambda: _llava_15(5120, 13824, 40, 40), _LLAVA_15),
    # LLaVA-NDiNO's shape: it trains LLaVA-NeXT's code from LLaMA-3-8B (base).
    "llava-hf/llama3-llava-next-8b-hf": Shape(
        "LlavaNextForConditionalGeneration", _llava_next_llama3, "LLaVA-VL/LLaVA-NeXT; swapUniba/LLaVA-NDiNO; Llama 3 (arXiv 2407.21783)",
        (_EXTRA_ROWS,),
    ),
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": Shape(
        "LlavaOnevisionForConditionalGeneration", _onevision, "arXiv 2408.03326; LLaVA-VL/LLaVA-NeXT; Qwen2 (arXiv 2407.10671)", (_EXTRA_ROWS,)
    ),
    "amalia-llm/AMALIA-VL-SFT": Shape(
        "LlavaNextForConditionalGeneration", _amalia, "arXiv 2606.19100 (9B, LlavaNext class, 384 pixels, context of 16,384)",
        (
            "language model of EuroLLM-9B's dimensions (utter-project/EuroLLM-9B), which AMALIA continues (arXiv 2603.26511)",
            "SigLIP SO400M tower, cut as LLaVA-OneVision cuts it", "two-layer MLP projector",
            "all grids of at most nine tiles, which keep the reported limit of 7,800 visual tokens", _EXTRA_ROWS,
        ),
    ),
    "Gregor/mblip-mt0-xl": Shape(
        "Blip2ForConditionalGeneration", _mblip_mt0, "arXiv 2307.06930; gregor-ge/mBLIP; mT5-XL (arXiv 2010.11934)",
        ("the placeholder's id: the original puts the queries before the text",), own_head=True,
    ),
    "Gregor/mblip-bloomz-7b": Shape(
        "Blip2ForConditionalGeneration", _mblip_bloomz, "arXiv 2307.06930; gregor-ge/mBLIP; BLOOM (arXiv 2211.05100)",
        ("the placeholder's id: the original puts the queries before the text",),
    ),
}  # fmt: skip


def shape(name: str) -> Shape:
    """The record of a shape; raises UserError naming the known ones."""
    if name not in SHAPES:
        raise UserError(f"no shape is known for {name!r}; use one of: {', '.join(SHAPES)}")
    return SHAPES[name]


def true_shape(name: str):
    """The configuration (transformers' PretrainedConfig) of a checkpoint, without asking the hub; raises UserError for an unknown name."""
    return shape(name).config()


def empty(name: str, config=None, dtype=None):
    """The model on the meta device: every shape and name, no memory. `config` replaces the true one; `dtype` as in torch."""
    import torch
    import transformers

    record = shape(name)
    with torch.device("meta"):
        model = getattr(transformers, record.cls)._from_config(config or record.config(), dtype=dtype or torch.float32)
        return untie_head(model) if record.own_head else model


def untie_head(model):
    """The Blip2 model with an output matrix of its own, as transformers leaves it after it loads an mT5 that has one.

    transformers' MT5Config always ties the two; mT5's and mT0's checkpoints hold two matrices (arXiv 2010.11934: XL has 3.7 B).
    """
    import torch

    head = model.language_model.lm_head
    head.weight = torch.nn.Parameter(torch.empty_like(head.weight))
    model.all_tied_weights_keys.pop("language_model.lm_head.weight", None)
    model.language_model.all_tied_weights_keys.pop("lm_head.weight", None)
    return model


def start_blip2(model):
    """The Blip2 model with random starts where transformers leaves none: its queries, and an output matrix of its own.

    Equal queries (all zero) would get equal gradients for ever; salesforce/LAVIS draws them (lavis/models/blip2_models/blip2.py).
    """
    import torch

    text, head = model.config.text_config, model.get_output_embeddings()
    with torch.no_grad():
        model.query_tokens.normal_(0.0, model.config.qformer_config.initializer_range)
        if head.weight is not model.get_input_embeddings().weight:
            head.weight.normal_(0.0, text.hidden_size**-0.5)  # so that the first loss is near the logarithm of the vocabulary
    return model


def part_of(name: str) -> str:
    """The part (see PARTS) a parameter belongs to, by its name in transformers' Llava, LlavaNext, LlavaOnevision or Blip2 (PEFT or not)."""
    if "vision_tower" in name or "vision_model" in name:
        return "vision"
    if "qformer" in name or "query_tokens" in name:
        return "resampler"
    # LLaVA trains and saves the line-end vector with the projector (haotian-liu/LLaVA llava/train/train.py).
    if "multi_modal_projector" in name or "language_projection" in name or "image_newline" in name:
        return "projector"
    if any(word in name for word in ("embed_tokens", "lm_head", "language_model.shared.", "word_embeddings.")):
        return "embeddings"
    return "llm"


def count(model) -> dict[str, int]:
    """Parameters of a model by part; a tied matrix counts once, in "embeddings"."""
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        counts[part_of(name)] += parameter.numel()
    return counts


def parameters(name: str) -> dict[str, int]:
    """Parameters of a true shape by part, counted on the meta device; raises UserError for an unknown name.

    "resampler" holds Q-Former and queries, "embeddings" the word embeddings and the output matrix.
    """
    return count(empty(name))
