"""VL-T5 as its authors released it: T5 whose encoder reads a text and then 36 regions of a picture.

Source: Cho et al. 2021 (arXiv 2102.02779) and j-min/VL-T5, VL-T5/src/modeling_t5.py; where paper and code differ, the code, because
its weights fit only the code. The classes of transformers must be known to write a subclass, so this file loads them at once.
"""

import copy

import torch
from torch import nn
from transformers import T5Config, T5ForConditionalGeneration
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.t5.modeling_t5 import T5Attention, T5DenseActDense, T5LayerNorm, T5Stack
from transformers.utils.output_capturing import capture_outputs

from utils.models.regions import FEATURE_SIZE, REGIONS, RegionFeatures
from utils.runs import UserError

TEXT_LIMIT = 20  # tokens of a question and of an answer; reported: --max_text_length and --gen_max_length in VL-T5/src/param.py
# Of the course's small one, whose tokenizer cuts words smaller than T5's: nothing of a question is lost, no description is cut.
QUESTION_LIMIT, LONG_LIMIT = 64, 192
VISUAL_TOKENS = 100
# Reported: VL-T5/src/pretrain_data.py, vqa_data.py, caption_data.py, vcr_data.py and others. `caption` has no text of its own.
PREFIXES = {
    "span prediction": "span prediction: {text}", "image text match": "image text match: {text}", "vqa": "vqa: {text}", "gqa": "gqa: {text}",
    "visual7w": "visual7w: {text}", "caption region": "caption region: {text}", "visual grounding": "visual grounding: {text}",
    "nlvr": "nlvr: {text}", "caption": "caption:", "vcr qa": "vcr qa question: {text} answer: {answer}",
    "vcr qar": "vcr qar question: {text} answer: {answer} rationale: {rationale}", "translate": "translate English to German: {text}",
}  # fmt: skip
TIED = (
    "encoder.embed_tokens.weight", "encoder.visual_embedding.obj_order_embedding.weight", "decoder.embed_tokens.weight", "lm_head.weight"
)  # fmt: skip
# In Epoch30 but in no forward pass of the default options: the norm of the sum, replaced by one norm for each branch.
UNUSED = ("encoder.visual_embedding.layer_norm.weight",)


class VLT5Config(T5Config):
    """T5's configuration and the sizes of the visual embedding; the defaults of the added fields are those of VL-T5/src/param.py."""

    model_type = "vl_t5"

    feat_dim: int = FEATURE_SIZE
    pos_dim: int = 4
    n_boxes: int = REGIONS
    n_images: int = 2


def released_config() -> VLT5Config:
    """The configuration of the released VL-T5: T5-base with 100 visual tokens after its 32,100 pieces (reported)."""
    return VLT5Config(
        vocab_size=32200, d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12, dropout_rate=0.1, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0,
    )  # fmt: skip


class VisualEmbedding(nn.Module):
    """Regions as tokens: feature + box + image order + object order, all of width d_model."""

    def __init__(self, config: VLT5Config):
        super().__init__()
        norm = lambda: T5LayerNorm(config.d_model, eps=config.layer_norm_epsilon)  # noqa: E731
        self.feat_embedding = nn.Sequential(nn.Linear(config.feat_dim, config.d_model), norm())
        self.absolute_vis_pos_embedding = nn.Sequential(nn.Linear(config.pos_dim + 1, config.d_model), norm())
        # The text's own matrix (tied in VLT5): region i is the word <vis_extra_id_i>, by which a text can point at it.
        self.obj_order_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.img_order_embedding = nn.Embedding(config.n_images, config.d_model)

    def forward(self, vis_feats, boxes, img_order_ids=None, obj_order_ids=None):
        """(batch, regions, d_model) of features and boxes (x1, y1, x2, y2 as shares of the picture's width and height)."""
        regions = vis_feats.shape[1]
        # The released code calls this the area, but takes the boxes for (x1, x2, y1, y2): on its data it is (y2 - x2)·(y1 - x1).
        # Kept, because the weights were trained with it.
        area = (boxes[..., 3] - boxes[..., 2]) * (boxes[..., 1] - boxes[..., 0])
        if img_order_ids is None:
            img_order_ids = torch.zeros(1, regions, dtype=torch.long, device=boxes.device)
        if obj_order_ids is None:
            obj_order_ids = torch.arange(regions, device=boxes.device)[None]
        words = self.obj_order_embedding.num_embeddings - 1 - obj_order_ids  # <vis_extra_id_0> is the last piece, and so on down
        place = self.absolute_vis_pos_embedding(torch.cat([boxes, area[..., None]], dim=-1))
        return self.feat_embedding(vis_feats) + place + self.img_order_embedding(img_order_ids) + self.obj_order_embedding(words)


class JointEncoder(T5Stack):
    """T5's encoder over text and regions at once."""

    def __init__(self, config: VLT5Config):
        super().__init__(config)
        self.visual_embedding = VisualEmbedding(config)
        self.post_init()
        # The second post_init draws all linear layers with a standard deviation of 1 and takes T5's own for drawn already.
        # So they are drawn again as T5 draws them.
        for module in self.modules():
            if isinstance(module, (T5Attention, T5DenseActDense)):
                for parameter in module.parameters():
                    parameter._is_hf_initialized = False
                self._init_weights(module)

    def set_input_embeddings(self, new_embeddings):
        super().set_input_embeddings(new_embeddings)
        self.visual_embedding.obj_order_embedding = new_embeddings

    # `generate` hands over exactly the arguments that this signature names: without vis_feats here it would not see the picture.
    @capture_outputs
    def forward(
        self, input_ids=None, attention_mask=None, inputs_embeds=None, vis_feats=None, boxes=None, vis_attention_mask=None,
        img_order_ids=None, obj_order_ids=None, **kwargs,
    ):  # fmt: skip
        if vis_feats is None or boxes is None:
            raise UserError("VL-T5 answers about a picture only: give vis_feats and boxes beside the text (utils/models/regions.py makes them)")
        text = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        hidden = torch.cat([text, self.visual_embedding(vis_feats.to(text.dtype), boxes.to(text.dtype), img_order_ids, obj_order_ids)], dim=1)
        if attention_mask is None and input_ids is not None:
            attention_mask = input_ids.ne(self.config.pad_token_id).long()
        mask = joint_mask(attention_mask, vis_attention_mask, hidden)
        mask = create_bidirectional_mask(config=self.config, inputs_embeds=hidden, attention_mask=mask)
        bias = self._text_bias(text.shape[1], hidden)
        hidden = self.dropout(hidden)
        for block in self.block:
            hidden, bias, _ = block(hidden, mask, bias, **kwargs)
        return BaseModelOutput(last_hidden_state=self.dropout(self.final_layer_norm(hidden)))

    def _text_bias(self, words: int, hidden):
        """T5's relative positions between words; zero wherever a region takes part, for regions stand in no line."""
        every = hidden.shape[1]
        text = self.block[0].layer[0].SelfAttention.compute_bias(words, words, device=hidden.device)
        return nn.functional.pad(text, (0, every - words, 0, every - words)).to(hidden.dtype)


def joint_mask(attention_mask, vis_attention_mask, hidden):
    """The mask over text and regions; without one for the regions all of them count, padded ones too, as released."""
    if attention_mask is None:
        return None
    if vis_attention_mask is None:
        vis_attention_mask = attention_mask.new_ones(attention_mask.shape[0], hidden.shape[1] - attention_mask.shape[1])
    return torch.cat([attention_mask, vis_attention_mask.to(attention_mask.dtype)], dim=1)


class VLT5(T5ForConditionalGeneration):
    """T5 with the joint encoder; the decoder is T5's own and reads words and regions by cross-attention."""

    config_class = VLT5Config
    _tied_weights_keys = dict.fromkeys(TIED, "shared.weight")

    def __init__(self, config: VLT5Config):
        # T5's own __init__ would tie the weights before the joint encoder is there.
        super(T5ForConditionalGeneration, self).__init__(config)
        self.model_dim = config.d_model
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        encoder, decoder = copy.deepcopy(config), copy.deepcopy(config)
        encoder.is_decoder, encoder.use_cache = False, False
        decoder.is_decoder, decoder.num_layers = True, config.num_decoder_layers
        self.encoder, self.decoder = JointEncoder(encoder), T5Stack(decoder)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()

    def forward(
        self, input_ids=None, attention_mask=None, vis_feats=None, boxes=None, vis_attention_mask=None, img_order_ids=None,
        obj_order_ids=None, encoder_outputs=None, **kwargs,
    ):  # fmt: skip
        if attention_mask is None and input_ids is not None:
            attention_mask = input_ids.ne(self.config.pad_token_id).long()
        if encoder_outputs is None:
            wanted = {key: kwargs[key] for key in ("inputs_embeds", "output_attentions", "output_hidden_states") if key in kwargs}
            encoder_outputs = self.encoder(
                input_ids, attention_mask, vis_feats=vis_feats, boxes=boxes, vis_attention_mask=vis_attention_mask,
                img_order_ids=img_order_ids, obj_order_ids=obj_order_ids, **wanted,
            )  # fmt: skip
        mask = joint_mask(attention_mask, vis_attention_mask, encoder_outputs[0])
        return super().forward(attention_mask=mask, encoder_outputs=encoder_outputs, **kwargs)


def visual_tokenizer(tokenizer):
    """A copy with T5's <extra_id_i> and VL-T5's <vis_extra_id_i> after its pieces, each counting down, so that <vis_extra_id_0> is the last."""
    grown = copy.deepcopy(tokenizer)
    for name in ("extra_id", "vis_extra_id"):
        grown.add_tokens([f"<{name}_{i}>" for i in reversed(range(VISUAL_TOKENS))], special_tokens=True)  # known ones are skipped
    return grown


def small_vl_t5(tokenizer, seed: int = 0, feat_dim: int = FEATURE_SIZE, width: int = 128) -> VLT5:
    """A small VL-T5 (2 + 2 layers of `width`, no dropout) with random weights from `seed`, for a tokenizer out of `visual_tokenizer`.

    Raises UserError when the tokenizer's last piece is not <vis_extra_id_0>.
    """
    if tokenizer.convert_tokens_to_ids("<vis_extra_id_0>") != len(tokenizer) - 1:
        raise UserError("this tokenizer does not end with VL-T5's visual tokens; give visual_tokenizer(tokenizer) instead")
    config = VLT5Config(
        vocab_size=len(tokenizer), d_model=width, d_kv=width // 4, d_ff=4 * width, num_layers=2, num_heads=4, dropout_rate=0.0, feat_dim=feat_dim,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, decoder_start_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(seed)
    return VLT5(config)


def prompt(task: str, **parts: str) -> str:
    """The encoder's text for a task of PREFIXES, such as prompt("vqa", text="What is this?"); UserError for an unknown task or a missing part."""
    if task not in PREFIXES:
        raise UserError(f"the task {task!r} is unknown to VL-T5; use one of: {', '.join(PREFIXES)}")
    try:
        return PREFIXES[task].format(**parts)
    except KeyError as error:
        raise UserError(f"the task {task!r} needs the part {error.args[0]!r}; its text is: {PREFIXES[task]}") from None


def vl_t5_batch(
    tokenizer, texts: list[str], regions: list[RegionFeatures], targets: list[str] | None = None, limit: int = TEXT_LIMIT,
    text_limit: int | None = None,
) -> dict:  # fmt: skip
    """Tensors for VLT5: texts cut to `text_limit` tokens and targets to `limit`, both with the end sign, and regions with padded ones masked.

    Without a `text_limit` it is `limit`, as released. Places that no picture of the batch fills are left out: they count for nothing.
    """
    pad = tokenizer.pad_token_id

    def rows(lines: list[str], filler: int, limit: int = limit):
        # T5's SentencePiece puts a space before the first word; a byte-level tokenizer does not, and would cut it into other pieces.
        lines = [line if line.startswith("<") else f" {line}" for line in lines]
        ids = [[*tokenizer(line, add_special_tokens=False).input_ids[: limit - 1], tokenizer.eos_token_id] for line in lines]
        longest = max(map(len, ids))
        return torch.tensor([row + [filler] * (longest - len(row)) for row in ids])

    real = torch.stack([torch.as_tensor(r.real) for r in regions])
    most = int(real.any(dim=0).nonzero().max()) + 1 if real.any() else real.shape[1]
    found = {"input_ids": rows(texts, pad, text_limit or limit)}
    found["attention_mask"] = found["input_ids"].ne(pad).long()
    found["vis_feats"] = torch.stack([torch.as_tensor(r.features[:most]) for r in regions])
    found["boxes"] = torch.stack([torch.as_tensor(r.boxes[:most]) for r in regions])
    # As VL-T5/src/caption_data.py masks a picture with fewer boxes; published features have 36 true ones, so all count.
    found["vis_attention_mask"] = real[:, :most].long()
    return found if targets is None else {**found, "labels": rows(targets, -100)}


@torch.no_grad()
def answers(
    model: VLT5, tokenizer, texts: list[str], regions: list[RegionFeatures], beams: int = 1, limit: int = TEXT_LIMIT, text_limit: int | None = None
) -> list[str]:  # fmt: skip
    """What the model says, one text for each pair; greedy as the public demo, or with `beams`; visual tokens stay in the text."""
    batch = {key: value.to(model.device) for key, value in vl_t5_batch(tokenizer, texts, regions, limit=limit, text_limit=text_limit).items()}
    said = model.eval().generate(**batch, max_new_tokens=limit, num_beams=beams, do_sample=False)
    silent = {tokenizer.pad_token_id, tokenizer.eos_token_id}
    return [tokenizer.decode([i for i in row if i not in silent]).strip() for row in said.tolist()]
