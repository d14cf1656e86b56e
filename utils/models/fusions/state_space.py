"""State-space language model: type C with Mamba-2 in attention's place, so that cost grows with the length and not its square."""

import copy

import torch

from utils.models.fusions.parts import Fusion, shipped
from utils.models.tiny import IMAGE_TOKENS

LETTER, TITLE, SLOTS = "S", "state-space language model", IMAGE_TOKENS
PACKED = False  # a state runs through the whole row: no mask can keep one question from the next
SOURCE = (
    "Cobra (Zhao et al. 2024, arXiv 2403.14520): MLP projector, Mamba, no alignment stage, projector and language model learn together. "
    "Mamba-2's mixer as in ML-Mamba (arXiv 2407.19832). Start as in The Mamba in the Llama (Wang et al. 2024, arXiv 2408.15237): each mixer stands "
    "in a LLaMA layer in place of its attention and takes C, B, x and its output from the attention's Q, K, V and O. "
    "Assumed, unlike there: no attention layer stays and nothing is distilled; first convolutions, decay and the biases of gates are set by hand"
)
FORGETS = (0.002, 0.2)  # the share of its state that a head loses with each token at the start, from the slowest head to the fastest: assumed
CHUNK = 40  # tokens the scan takes at once: a picture fits, and so does a question with its answer


class Layer(torch.nn.Module):
    """A layer of LLaMA whose attention is a Mamba-2 mixer; takes what `Mamba2Model` gives its blocks."""

    def __init__(self, mixer, llama):
        super().__init__()
        self.input_layernorm, self.mixer = llama.input_layernorm, mixer
        self.post_attention_layernorm, self.mlp = llama.post_attention_layernorm, llama.mlp

    def forward(self, hidden, **options):
        hidden = hidden + self.mixer(self.input_layernorm(hidden), **options)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class StateSpace(Fusion):
    """Projected patches at the front of the sequence of a `Mamba2ForCausalLM` with LLaMA's feed-forwards."""

    rates = (("connector", 1e-3), ("second", 1e-3), ("mixer", 3e-3), ("language", 1e-3))

    def embed(self, batch: dict):
        return self.scatter(batch["input_ids"], self.connected(batch)), batch["labels"]

    def forward(self, **batch) -> torch.Tensor:
        """As `Fusion.forward`, but neighbouring rows with the same picture read it once and go on from the state that it left.

        Exact, as nothing before the picture's end depends on the question. Raises ValueError when no token has a label.
        """
        ids, features = batch["input_ids"], self.features(batch)
        end = int((ids == self.image_id).nonzero()[:, 1].max()) + 1
        other = (ids[1:, :end] != ids[:-1, :end]).any(1) | (features[1:] != features[:-1]).flatten(1).any(1)
        if "second" in batch:
            other |= batch["second"][1:] != batch["second"][:-1]
        first = torch.cat([other.new_ones(1), other])
        core, chosen = self.language.base_model, {name: batch[name][first] for name in ("attention_mask", "second") if name in batch}
        lead = self.scatter(ids[first, :end], self.connected(chosen | {"features": features[first]}))
        state = core(inputs_embeds=lead, attention_mask=chosen["attention_mask"][:, :end], use_cache=True).cache_params
        state.reorder_cache(first.cumsum(0) - 1)
        words = self.language.get_input_embeddings()(ids[:, end:])
        hidden = core(inputs_embeds=words, attention_mask=batch["attention_mask"], cache_params=state, use_cache=True).last_hidden_state
        return self.loss(hidden[:, :-1], batch["labels"][:, end + 1 :])


def build(tokenizer, seed: int) -> StateSpace:
    """The fusion; from `seed` come the rows of gates and time steps, all else from the shipped base or by hand."""
    from transformers import Mamba2Config, Mamba2ForCausalLM

    llava = shipped(tokenizer)
    text, base = llava.config.text_config, llava.model.language_model
    config = Mamba2Config(
        vocab_size=text.vocab_size, hidden_size=text.hidden_size, num_hidden_layers=text.num_hidden_layers, expand=1,
        num_heads=text.num_attention_heads, n_groups=text.num_attention_heads, head_dim=text.head_dim, state_size=text.head_dim,
        chunk_size=CHUNK, use_bias=True, layer_norm_epsilon=text.rms_norm_eps, tie_word_embeddings=True,
        bos_token_id=text.bos_token_id, eos_token_id=text.eos_token_id, pad_token_id=text.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(seed)
    language = Mamba2ForCausalLM(config)
    with torch.no_grad():
        language.get_input_embeddings().weight.copy_(base.embed_tokens.weight)
        language.backbone.norm_f.load_state_dict(base.norm.state_dict())
        for number, llama in enumerate(base.layers):
            mixer = language.backbone.layers[number].mixer
            start(mixer, llama.self_attn)
            language.backbone.layers[number] = Layer(mixer, llama)
    return StateSpace(tokenizer, llava.model.vision_tower, llava.model.multi_modal_projector, language)


def add_second(model: StateSpace, llava, seed: int) -> None:
    """A second modality: a projector of its own, which starts as a copy of the picture's."""
    model.second = copy.deepcopy(model.connector)


def start(mixer, attention) -> None:
    """Give a mixer an attention's weights; the rest starts so that the mixer is a linear attention that slowly forgets."""
    width, heads = mixer.intermediate_size, mixer.num_heads
    _, x, b, c, _ = mixer.in_proj.weight.split([width, width, width, width, heads])
    for mine, theirs in ((x, attention.v_proj), (b, attention.k_proj), (c, attention.q_proj), (mixer.out_proj.weight, attention.o_proj)):
        mine.copy_(theirs.weight)
    mixer.in_proj.bias.zero_()[:width] = 1.0  # an open gate
    mixer.out_proj.bias.zero_()
    mixer.conv1d.bias.zero_()
    mixer.conv1d.weight.zero_()[:, :, -1] = 1.0  # each token for itself
    steps = torch.logspace(*torch.tensor(FORGETS).log10(), heads)
    mixer.dt_bias.copy_(steps + torch.log(-torch.expm1(-steps)))  # the inverse of softplus
    mixer.A_log.zero_()
