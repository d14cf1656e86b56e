"""Type D, one vocabulary: a tokenizer turns the picture into words of a code book; one loss over both, so the model also draws."""

import torch
from torch import nn

from utils.models.fusions import vq
from utils.models.fusions.parts import Fusion, shipped
from utils.models.fusions.projector import language_of
from utils.models.tiny import IMAGE_TOKENS

LETTER, TITLE, SLOTS, PACKED = "D", "picture tokens in one vocabulary", IMAGE_TOKENS, True
DRAWS = True
SOURCE = (
    "CM3Leon (Yu et al. 2023, arXiv 2309.02591): one decoder, text and picture tokens in one vocabulary; tokenizer after LaVIT (arXiv 2309.04669). "
    "Assumed: sizes, and code words that start where the base's connector put such patches, as TEAL (arXiv 2311.04589) projects its tokens"
)
TOKENIZER_STEPS = 400


class OneVocabulary(Fusion):
    """A LLaMA whose vocabulary holds the code book behind the words; the tokenizer (here the connector) is frozen."""

    rates = (("language", 1e-3),)

    def __init__(self, tokenizer, vision_tower, connector, language):
        super().__init__(tokenizer, vision_tower, connector, language)
        self.words = language.config.vocab_size - vq.CODES  # ids from here on are codes

    def embed(self, batch: dict):
        """A label that is `<image>` asks for the code that stands there: the same loss as on words."""
        ids, labels = batch["input_ids"], batch["labels"]
        where = ids == self.image_id
        if where.any():
            codes = self.connector.encode(self.features(batch)) + self.words
            ids = ids.masked_scatter(where, codes)
            labels = torch.where(labels == self.image_id, ids, labels)
        return self.language.get_input_embeddings()(ids), labels

    def draw(self, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
        """(codes (batch, 36), normalised pixels) that the model generates after left-padded texts."""
        ids = self.generate(
            batch, IMAGE_TOKENS, min_new_tokens=IMAGE_TOKENS, suppress_tokens=list(range(self.words)), eos_token_id=None
        )  # fmt: skip
        codes = ids - self.words
        return codes, self.connector.decode(codes)


def build(tokenizer, seed: int) -> OneVocabulary:
    """The fusion; tokenizer and code words come from `seed` until `prepare` gives them their start."""
    from transformers import LlamaForCausalLM

    llava = shipped(tokenizer)
    torch.manual_seed(seed)
    config = llava.config.text_config
    words = config.vocab_size
    old = language_of(llava).state_dict()
    config.vocab_size = words + vq.CODES
    language = LlamaForCausalLM(config)
    matrix = language.get_input_embeddings().weight.detach().clone()
    matrix[:words] = old["model.embed_tokens.weight"]
    language.load_state_dict(old | {"model.embed_tokens.weight": matrix, "lm_head.weight": matrix})
    language.tie_weights()
    model = OneVocabulary(tokenizer, llava.model.vision_tower, vq.PictureTokens(), language)
    model.start = [llava.model.multi_modal_projector]  # in a list: it helps at the start and is no part of the model
    return model


def prepare(model: OneVocabulary, features: torch.Tensor, pixels: torch.Tensor, seed: int, steps: int = TOKENIZER_STEPS) -> dict:
    """Train the picture tokenizer, then start each code word at the mean of the base's projected patches that carry the code.

    Returns the tokenizer's last loss and how many codes are used.
    """
    tokens = model.connector.requires_grad_(True)
    loss = vq.train(tokens, features, pixels, steps, seed)
    tokens.requires_grad_(False)
    with torch.no_grad():
        codes = tokens.encode(features).flatten()
        projected = model.start[0](features).flatten(0, 1)
        sums = torch.zeros(vq.CODES, projected.shape[1]).index_add_(0, codes, projected)
        times = torch.bincount(codes, minlength=vq.CODES)
        used = times > 0
        matrix: nn.Parameter = model.language.get_input_embeddings().weight
        # Projected patches are many times longer than words: as rows of the output matrix they would drown every word.
        usual = matrix[: model.words].norm(dim=-1).mean()
        matrix[model.words :][used] = usual * torch.nn.functional.normalize(sums[used] / times[used, None], dim=-1)
    return {"tokenizer_loss": loss, "codes_used": int(used.sum())}
