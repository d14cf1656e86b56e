"""Small versions of the real classes that the other systems use, with random weights: tiles, SigLIP, Q-Former, three language models."""

from utils.corpus.conversations import IMAGE_TOKEN
from utils.models.shapes import shape, start_blip2, true_shape, untie_head
from utils.models.tiny import IMAGE_SIZE, IMAGE_TOKENS, PATCH, build_tiny, tiny_config
from utils.runs import UserError

QUERIES = 12  # a third of the tiny LLaVA's 36 picture tokens
LANGUAGE_MODELS = ("mt5", "bloom", "opt", "llama")


def small_grids() -> list[list[int]]:
    """LLaVA-NeXT's five canvases, in tiles of the small tower's side."""
    from utils.models.tiling import LLAVA_NEXT

    return [[IMAGE_SIZE * height // LLAVA_NEXT.tile, IMAGE_SIZE * width // LLAVA_NEXT.tile] for height, width in LLAVA_NEXT.grids]


def _siglip():
    from transformers import SiglipVisionConfig

    return SiglipVisionConfig(
        hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4, image_size=IMAGE_SIZE, patch_size=PATCH,
        vision_use_head=False,
    )  # fmt: skip


def small_next(tokenizer, tower: str = "clip", connector: str = "mlp", seed: int = 0, cls: str = "LlavaNextForConditionalGeneration"):
    """A small LLaVA-NeXT (or, by `cls`, LLaVA-OneVision) with tiles of 96 pixels, the size of the tiny LLaVA; weights from `seed`.

    `tower` is "clip" (as LLaVA-NeXT's) or "siglip" (no class token, mean 0.5); `connector` is "mlp" or "linear".
    """
    import torch
    import transformers

    tiny = tiny_config(tokenizer)
    vision = {"clip": tiny.vision_config, "siglip": None}.get(_known("tower", tower, ("clip", "siglip"))) or _siglip()
    config = getattr(transformers, cls).config_class(
        vision_config=vision, text_config=tiny.text_config, image_token_index=tiny.image_token_index, image_grid_pinpoints=small_grids(),
        vision_feature_select_strategy="default" if tower == "clip" else "full", vision_feature_layer=-1, tie_word_embeddings=True,
    )  # fmt: skip
    config.image_seq_length = IMAGE_TOKENS
    torch.manual_seed(seed)
    return connect(getattr(transformers, cls)(_with_connector(config, connector)), connector)


def small_llava(tokenizer, connector: str = "mlp", seed: int = 0):
    """The tiny LLaVA with either connector: "mlp" as LLaVA-1.5's, "linear" as the first LLaVA's (arXiv 2304.08485, section 4.1)."""
    import torch
    from transformers import LlavaForConditionalGeneration

    if connector == "mlp":
        return build_tiny(tokenizer, seed)
    torch.manual_seed(seed)
    return connect(LlavaForConditionalGeneration(_with_connector(tiny_config(tokenizer), connector)), connector)


def _known(what: str, name: str, names: tuple[str, ...]) -> str:
    if name not in names:
        raise UserError(f"the {what} {name!r} is unknown; use one of: {', '.join(names)}")
    return name


def _with_connector(config, connector: str):
    config.projector_hidden_act = {"mlp": "gelu", "linear": "linear"}[_known("connector", connector, ("mlp", "linear"))]
    return config


def connect(model, connector: str):
    """The model with its connector's start: a linear one is the class's two layers without a bend, the second an identity.

    Two matrices in a row make the same functions as one, and the folder stays one that transformers opens as it is.
    """
    import torch

    if connector == "linear":
        second = model.model.multi_modal_projector.linear_2
        with torch.no_grad():
            second.weight.copy_(torch.eye(second.out_features))
            second.bias.zero_()
    return model


def next_from_llava(llava, tokenizer, seed: int = 0):
    """A small LLaVA-NeXT that starts from a tiny LLaVA's weights (the shipped base); only `image_newline` is new, from `seed`.

    Raises UserError when the LLaVA is not of the tiny shape.
    """
    model = small_next(tokenizer, seed=seed)
    try:
        left = model.load_state_dict(llava.state_dict(), strict=False)
    except RuntimeError as error:
        raise UserError("this LLaVA has other sizes than the tiny one; start from the folder data/base") from error
    if left.missing_keys != ["model.image_newline"] or left.unexpected_keys:
        raise UserError("this LLaVA has other parts than the tiny one; start from the folder data/base")
    return model.to(llava.dtype)


def _language_config(tokenizer, kind: str):
    from transformers import BloomConfig, MT5Config, OPTConfig

    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    size = len(tokenizer)
    _known("language model", kind, LANGUAGE_MODELS)
    if kind == "mt5":
        return MT5Config(
            vocab_size=size, d_model=128, d_kv=32, d_ff=256, num_layers=2, num_decoder_layers=2, num_heads=4, feed_forward_proj="gated-gelu",
            dropout_rate=0.0, decoder_start_token_id=tokenizer.pad_token_id, **ids,
        )  # fmt: skip
    if kind == "bloom":
        return BloomConfig(vocab_size=size, hidden_size=128, n_layer=4, n_head=4, **ids)
    if kind == "llama":
        return tiny_config(tokenizer).text_config
    return OPTConfig(
        vocab_size=size, hidden_size=128, word_embed_proj_dim=128, ffn_dim=512, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=1024, dropout=0.0, **ids,
    )  # fmt: skip


def small_blip2(tokenizer, language: str = "mt5", seed: int = 0):
    """A small BLIP-2, the class that mBLIP is opened with: EVA-class tower, Q-Former with 12 queries, a language model; from `seed`.

    `language` is "mt5", "bloom", "opt", or "llama": the tiny LLaVA's. Tower and patches are as wide as the tiny LLaVA's; with three
    layers in the Q-Former each of them looks at the picture, in BLIP-2 (arXiv 2301.12597) every second of twelve does.
    """
    import torch
    from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2QFormerConfig, Blip2VisionConfig

    vision = Blip2VisionConfig(
        hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4, image_size=IMAGE_SIZE, patch_size=PATCH,
        hidden_act="quick_gelu", layer_norm_eps=1e-5,  # as the tiny CLIP, whose weights it can take
        initializer_range=0.02,  # the class's 1e-10 waits for trained weights: a tower that starts so sees nothing
    )  # fmt: skip
    qformer = Blip2QFormerConfig(
        hidden_size=128, num_hidden_layers=3, num_attention_heads=4, intermediate_size=256, encoder_hidden_size=128, cross_attention_frequency=1,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    config = Blip2Config(
        vision_config=vision, qformer_config=qformer, text_config=_language_config(tokenizer, language), num_query_tokens=QUERIES,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = Blip2ForConditionalGeneration(config)
    return start_blip2(untie_head(model) if language == "mt5" else model)


def small_like(name: str, tokenizer, seed: int = 0):
    """The small model of a true shape's class: same class, tower, connector and kind of language model; UserError for an unknown name."""
    cls, config = shape(name).cls, true_shape(name)
    if cls.startswith("LlavaFor"):
        return build_tiny(tokenizer, seed)
    if cls.startswith("Blip2"):
        return small_blip2(tokenizer, config.text_config.model_type, seed)
    tower = "siglip" if config.vision_config.model_type.startswith("siglip") else "clip"
    return small_next(tokenizer, tower, seed=seed, cls=cls)
