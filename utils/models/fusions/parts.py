"""What the five fusions share: the tower, the start from the shipped base, the loss, greedy answers, saving."""

import abc
import random
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from utils.corpus.scenes.asks import possible
from utils.corpus.scenes.grammar import say
from utils.models.prompt_formats import PromptFormat
from utils.models.prompts import IGNORE
from utils.runs import UserError

# The prompt of all fusions: LLaVA's without its system text, which would be half of each row at this size.
PROMPT = PromptFormat(name="short", before_image="", after_image="\n", after_question=" ASSISTANT:", before_answer=" ", next_turn="")
FROZEN = 0.0
WEIGHTS = "model.safetensors"


def base_tokenizer():
    """The tokenizer of the shipped base, which all fusions share."""
    from transformers import AutoTokenizer

    from utils.models.load import SHIPPED

    return AutoTokenizer.from_pretrained(SHIPPED, local_files_only=True)


def shipped(tokenizer):
    """The shipped English LLaVA, whose tower, connector and language model the fusions start from.

    Raises UserError when the tokenizer is not the base's.
    """
    from utils.models.load import SHIPPED, load_folder

    llava, _ = load_folder(SHIPPED)
    if len(tokenizer) != llava.config.text_config.vocab_size:
        raise UserError(f"the tokenizer has {len(tokenizer)} pieces and the base {llava.config.text_config.vocab_size}; use the one in {SHIPPED}")
    return llava


def renew_connector(model: "Fusion", seed: int) -> None:
    """Start the projector anew from `seed`: a control, for the base was trained as type C, and its projector is a head start for those that can use it."""
    torch.manual_seed(seed)
    for layer in (model.connector.linear_1, model.connector.linear_2):
        layer.reset_parameters()


def caption_of(scene, language: str) -> str:
    """The gold description of a scene in a language: the text that a fusion draws from."""
    return say(possible(scene, "description", random.Random(0))[0], language)[1]


def drawing_prompt(tokenizer, text: str) -> list[int]:
    """Ids before a picture that is to be drawn: start token, text, line break."""
    return [tokenizer.bos_token_id, *tokenizer(text + "\n", add_special_tokens=False)["input_ids"]]


class Fusion(nn.Module, abc.ABC):
    """A frozen picture tower, a connector to the language model's width, and a language model of transformers.

    Each fusion says in `embed` how its picture meets the text, and in `rates` which weights learn and how fast.
    """

    rates: tuple[tuple[str, float], ...] = ()
    tower_looks = True  # False where the picture reaches the language model without the tower

    def __init__(self, tokenizer, vision_tower, connector, language):
        super().__init__()
        self.vision_tower, self.connector, self.language = vision_tower, connector, language
        self.image_id = tokenizer.convert_tokens_to_ids("<image>")
        self.end_id, self.pad_id = tokenizer.eos_token_id, tokenizer.pad_token_id
        self.thaw()

    def thaw(self) -> None:
        """Let exactly the weights learn that have a rate."""
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(self.rate(name) > FROZEN)

    def rate(self, name: str) -> float:
        """The learning rate of a weight: that of the first word of `rates` which its name holds; 0 is frozen."""
        return next((rate for word, rate in self.rates if word in name), FROZEN)

    @torch.no_grad()
    def look(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(batch, 36, tower width): the frozen tower's patches without its class token; training computes them once."""
        return self.vision_tower(pixel_values, output_hidden_states=True).hidden_states[-1][:, 1:]

    def look_second(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """What the second modality's connector gets: here the same tower's patches."""
        return self.look(pixel_values)

    def features(self, batch: dict) -> torch.Tensor:
        if "features" in batch:
            return batch["features"]
        return self.look_second(batch["pixel_values"]) if "second" in batch else self.look(batch["pixel_values"])

    def connected(self, batch: dict) -> torch.Tensor:
        """(batch, patches, width): patches through the connector; rows that `second` (batch,) marks, through the second modality's."""
        features = self.features(batch)
        vectors = self.connector(features)
        return torch.where(batch["second"][:, None, None], self.second(features), vectors) if "second" in batch else vectors

    @abc.abstractmethod
    def embed(self, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
        """(embeddings, labels) of a batch; also puts the picture where the fusion's own layers find it."""

    def scatter(self, input_ids: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """Word embeddings with the picture's vectors in place of `<image>`."""
        words = self.language.get_input_embeddings()(input_ids)
        return words.masked_scatter((input_ids == self.image_id)[..., None], picture.to(words.dtype))

    def forward(self, **batch) -> torch.Tensor:
        """Mean cross entropy over the labelled tokens; logits are computed there only.

        `attention_mask` is (batch, length), or (batch, 1, length, length) bool with `position_ids` for packed rows.
        Raises ValueError when no token has a label.
        """
        embeddings, labels = self.embed(batch)
        more = {"position_ids": batch["position_ids"]} if "position_ids" in batch else {}
        core = self.language.base_model
        hidden = core(inputs_embeds=embeddings, attention_mask=batch["attention_mask"], use_cache=False, **more).last_hidden_state
        return self.loss(hidden[:, :-1], labels[:, 1:])

    def loss(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross entropy of what follows each position; ValueError when nothing is to be learnt."""
        learnt = targets != IGNORE
        if not learnt.any():
            raise ValueError("no token of this batch carries loss; check that the rows have answers")
        return cross_entropy(self.language.get_output_embeddings()(hidden[learnt]).float(), targets[learnt])

    @torch.no_grad()
    def generate(self, batch: dict, max_new_tokens: int, **options) -> torch.Tensor:
        """(batch, new tokens): greedy continuations of left-padded rows, new tokens only."""
        embeddings, _ = self.embed(batch | {"labels": batch["input_ids"]})
        return self.language.generate(
            inputs_embeds=embeddings, attention_mask=batch["attention_mask"], max_new_tokens=max_new_tokens, do_sample=False,
            pad_token_id=self.pad_id, **({"eos_token_id": self.end_id} | options),
        )  # fmt: skip


def counts(model: Fusion) -> dict[str, int]:
    """Parameters of a fusion: all, those that learn, and those of the frozen tower; a tied matrix counts once."""
    of = lambda keep: sum(p.numel() for name, p in model.named_parameters() if keep(name, p))  # noqa: E731
    return {"all": of(lambda n, p: True), "trained": of(lambda n, p: p.requires_grad), "tower": of(lambda n, p: n.startswith("vision_tower"))}


def save(model: Fusion, path: Path) -> None:
    """All weights of a fusion in one safetensors file; a tied matrix is written once."""
    from safetensors.torch import save_model

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_model(model, str(path))


def load(model: Fusion, path: Path) -> Fusion:
    """The fusion with the weights of a file that `save` wrote; raises UserError when they do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    try:
        load_model(model, str(path))
    except (RuntimeError, SafetensorError, OSError) as error:
        raise UserError(f"{path} does not hold this fusion's weights ({str(error).splitlines()[0]}); train it again") from error
    return model.eval()
