"""State-space language model: type C with a Mamba instead of a transformer, so that cost grows with the length and not its square."""

import torch

from utils.models.fusions.parts import Fusion, shipped
from utils.models.tiny import IMAGE_TOKENS

LETTER, TITLE, SLOTS = "S", "state-space language model", IMAGE_TOKENS
PACKED = False  # a state runs through the whole row: no mask can keep one question from the next
SOURCE = (
    "Cobra (Zhao et al. 2024, arXiv 2403.14520): MLP projector, Mamba, no alignment stage, projector and language model learn together. "
    "Assumed: Mamba-2 as in ML-Mamba (arXiv 2407.19832), whose chunked scan also runs on a CPU; its layers start from random weights"
)
LAYERS = 4


class StateSpace(Fusion):
    """Projected patches at the front of the sequence of a `Mamba2ForCausalLM`."""

    rates = (("connector", 1e-3), ("backbone.embeddings", 1e-3), ("language", 3e-3))

    def embed(self, batch: dict):
        return self.scatter(batch["input_ids"], self.connector(self.features(batch))), batch["labels"]


def build(tokenizer, seed: int) -> StateSpace:
    """The fusion; Mamba's layers come from `seed`, all else from the shipped base."""
    from transformers import Mamba2Config, Mamba2ForCausalLM

    llava = shipped(tokenizer)
    text = llava.config.text_config
    config = Mamba2Config(
        vocab_size=text.vocab_size, hidden_size=text.hidden_size, num_hidden_layers=LAYERS, state_size=32, num_heads=12, head_dim=32, n_groups=1,
        chunk_size=16, tie_word_embeddings=True,
        bos_token_id=text.bos_token_id, eos_token_id=text.eos_token_id, pad_token_id=text.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(seed)
    language = Mamba2ForCausalLM(config)
    with torch.no_grad():
        language.get_input_embeddings().weight.copy_(llava.get_input_embeddings().weight)
    return StateSpace(tokenizer, llava.model.vision_tower, llava.model.multi_modal_projector, language)
