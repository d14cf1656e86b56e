"""Type D, one vocabulary: a tokenizer turns the picture into words of a code book; one loss over both, so the model also draws."""

import torch
from torch import nn
from torch.nn.functional import normalize

from utils.models.fusions import vq
from utils.models.fusions.parts import Fusion, shipped
from utils.models.fusions.projector import language_of
from utils.models.tiny import IMAGE_TOKENS

LETTER, TITLE, SLOTS, PACKED = "D", "picture tokens in one vocabulary", IMAGE_TOKENS, True
DRAWS = 2  # pictures to draw for each picture that is asked about
SOURCE = (
    "CM3Leon (Yu et al. 2023, arXiv 2309.02591): one decoder, text and picture tokens in one vocabulary; a place's own vector as in DALL-E "
    "(arXiv 2102.12092). Assumed: sizes, a tokenizer by k-means over windows instead of a VQGAN, and code words that start where the base's "
    "connector put such windows, as TEAL (arXiv 2311.04589) projects its tokens"
)
ROUNDS = 8  # of k-means


class OneVocabulary(Fusion):
    """A LLaMA whose vocabulary holds the code books behind the words; the tokenizer (here the connector) is frozen."""

    rates = (("language", 1e-3), ("places", 1e-3))
    tower_looks = False  # the tokenizer reads pixels; the tower only helps to start the code words

    def __init__(self, tokenizer, vision_tower, connector, language):
        super().__init__(tokenizer, vision_tower, connector, language)
        self.words = language.config.vocab_size - vq.CODES  # ids from here on are codes
        self.places = nn.Parameter(torch.zeros(IMAGE_TOKENS, language.config.hidden_size))  # added to the code that stands there

    def look(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """The pixels themselves: this fusion's tokenizer reads them, and its tower helps at the start only."""
        return pixel_values

    def embed(self, batch: dict):
        """A label that is `<image>` asks for the code that stands there: the same loss as on words."""
        ids, labels = batch["input_ids"], batch["labels"]
        where = ids == self.image_id
        if not where.any():
            return self.language.get_input_embeddings()(ids), labels
        codes = self.codes(batch) + self.words
        ids = ids.masked_scatter(where, codes)
        labels = torch.where(labels == self.image_id, ids, labels)
        places = torch.zeros(*ids.shape, self.places.shape[1]).masked_scatter(where[..., None], self.places.repeat(len(ids), 1))
        return self.language.get_input_embeddings()(ids) + places, labels

    def codes(self, batch: dict) -> torch.Tensor:
        """(batch, 36) code numbers; those of the second modality come after the picture's."""
        codes = self.connector.encode(self.features(batch))
        if "second" not in batch:
            return codes
        return torch.where(batch["second"][:, None], vq.CODES + self.second.encode(self.features(batch)), codes)

    @torch.no_grad()
    def draw(self, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
        """(codes (batch, 36), normalised pixels) that the model finds most likely, one by one, after left-padded texts."""
        mask, table = batch["attention_mask"], self.language.get_input_embeddings()
        step, past, codes = table(batch["input_ids"]), None, []
        for place in self.places:
            out = self.language(inputs_embeds=step, attention_mask=mask, past_key_values=past, use_cache=True, logits_to_keep=1)
            codes.append(out.logits[:, -1, self.words : self.words + vq.CODES].argmax(-1))
            past, step = out.past_key_values, (table(codes[-1] + self.words) + place)[:, None]
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        found = torch.stack(codes, dim=1)
        return found, self.connector.decode(found)


def build(tokenizer, seed: int) -> OneVocabulary:
    """The fusion; code words come from `seed`, and the tokenizer is empty, until `prepare` gives them their start."""
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


@torch.no_grad()
def prepare(model: OneVocabulary, features: torch.Tensor, pixels: torch.Tensor, seed: int, rounds: int = ROUNDS) -> dict:
    """Find the tokenizer's code books, then start code words and places where the base's connector put what they stand for.

    A code word starts at the mean of the windows that carry the code, a place at the mean of its window.
    Returns the mean squared error of the pictures that the tokenizer gives back and how many codes are used.
    """
    loss = vq.train(model.connector, pixels, rounds, seed)
    codes = torch.cat([model.connector.encode(some) for some in pixels.split(64)])
    patches = torch.cat([model.start[0](Fusion.look(model, some)) for some in pixels.split(64)])
    windows = patches.unflatten(1, (2, 3, 2, 3)).mean((2, 4)).flatten(1, 2)  # (n, 4, width), in reading order
    windows = (windows - windows.mean((0, 1))).repeat_interleave(IMAGE_TOKENS // 4, dim=1)
    sums = torch.zeros(vq.CODES, windows.shape[-1]).index_add_(0, codes.flatten(), windows.flatten(0, 1))
    used = torch.bincount(codes.flatten(), minlength=vq.CODES) > 0
    matrix: nn.Parameter = model.language.get_input_embeddings().weight
    # Projected patches are many times longer than words: as rows of the output matrix they would drown every word.
    usual = matrix[: model.words].norm(dim=-1).mean()
    matrix[model.words :][used] = usual * normalize(sums[used], dim=-1)
    model.places.copy_(usual * normalize(windows.mean(0), dim=-1))
    return {"tokenizer_loss": loss, "codes_used": int(used.sum())}


def add_second(model: OneVocabulary, llava, seed: int) -> None:
    """A second modality: a tokenizer of its own and its code words behind the picture's, which start at the picture's."""
    matrix = model.language.get_input_embeddings().weight.detach().clone()
    model.second = vq.PictureTokens()
    model.language.resize_token_embeddings(len(matrix) + vq.CODES, mean_resizing=False)
    with torch.no_grad():
        model.language.get_input_embeddings().weight.copy_(torch.cat([matrix, matrix[model.words : model.words + vq.CODES]]))


def prepare_second(model: OneVocabulary, pixels: torch.Tensor, seed: int, rounds: int = ROUNDS) -> None:
    """Find the second tokenizer's code books."""
    with torch.no_grad():
        vq.train(model.second, pixels, rounds, seed)
