"""The tiny scale's tokenizer: byte-level BPE that saw much English and a little Portuguese, as Llama-2's did."""

import random
from collections.abc import Iterable

from utils.corpus.conversations import IMAGE_TOKEN
from utils.corpus.scenes.asks import TYPES, possible
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.world import scene_of
from utils.models.prompt_formats import VICUNA_V1

VOCABULARY = 1000
SPECIALS = ("<unk>", "<s>", "</s>", "<pad>", IMAGE_TOKEN)
# Share of Portuguese lines in the text that shapes the tokenizer. It gives a small copy of Llama-2's
# situation: Portuguese can be written, at more tokens a word than English. The weights see none of it.
PORTUGUESE_SHARE = 0.13


def sample_lines(count: int, seed: int, portuguese: float = PORTUGUESE_SHARE) -> Iterable[str]:
    """Questions and answers of `count` scenes, one language a scene, with the system text."""
    rng = random.Random(f"tokenizer/{seed}")
    for index in range(count):
        scene = scene_of("train", index, seed=seed + 1_000)
        language = "pt-BR" if rng.random() < portuguese else "en"
        for kind_of_question in TYPES:
            asks = possible(scene, kind_of_question, rng)
            if asks:
                question, answer = say(rng.choice(asks), language)
                yield f"{question}{VICUNA_V1.after_question} {answer}"
        yield VICUNA_V1.before_image


def train_tokenizer(seed: int = 0, scenes: int = 4000, vocabulary: int = VOCABULARY):
    """A `PreTrainedTokenizerFast` trained on the picture world's text; the same seed gives the same pieces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIALS), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    bpe.train_from_iterator(sample_lines(scenes, seed), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        additional_special_tokens=[IMAGE_TOKEN], padding_side="left", model_max_length=1024,
    )  # fmt: skip
