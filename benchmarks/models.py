"""Local neural translation: CTranslate2 int8 in length-sorted batches against transformers one sentence at a time."""

import json
import os
import random
import tempfile
import time
from pathlib import Path

SENTENCES, ROUNDS, THREADS, VOCABULARY = 48, 2, 2, 32_000


def run() -> list[dict]:
    """One row: the speed of the engine `ctranslate2` over a plain loop on the same random Marian of base size, same token limits."""
    import torch

    from utils.translation.engines import ctranslate2, huggingface
    from utils.translation.engines.setup import Setup

    texts, before = sentences(), (torch.get_num_threads(), os.environ.get("OUTPUTS"))
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory() as place:
        try:
            os.environ["OUTPUTS"] = place  # the converted random model is no result of the user's
            folder = random_marian(Path(place), texts)
            setup, stamp = Setup(model=str(folder)), huggingface.fingerprint(folder)
            codec, model = huggingface.open_codec(folder, "pt-BR", stamp), huggingface._load(folder, stamp)
            list(ctranslate2.translate(texts[:1], "pt-BR", setup))  # converts and loads
            one_by_one(model, codec, texts[:1])
            slow = fast = float("inf")
            for _ in range(ROUNDS):  # in turn, so that a busy moment of the machine meets both
                slow = min(slow, seconds(lambda: one_by_one(model, codec, texts)))
                fast = min(fast, seconds(lambda: list(ctranslate2.translate(texts, "pt-BR", setup))))
        finally:
            torch.set_num_threads(before[0])
            os.environ.pop("OUTPUTS")
            if before[1] is not None:
                os.environ["OUTPUTS"] = before[1]
    ratio = slow / fast
    how = (
        f"random Marian, d_model 512, 6+6 layers, {VOCABULARY} words, {len(texts)} sentences, greedy, at most 2 x + 16 tokens, {THREADS} threads: "
        f"{slow:.1f} s against {fast:.1f} s, best of {ROUNDS}"
    )
    measure = "CTranslate2 int8 sorted batches over transformers one by one"
    return [{"measure": measure, "value": ratio, "unit": "×", "target": 8, "meets": ratio >= 8, "how": how}]


def seconds(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def one_by_one(model, codec, texts: list[str]) -> list[str]:
    """What a plain script does: tokenise, generate and decode each sentence alone, with the engine's own limits."""
    import torch

    from utils.translation.engines.huggingface import bound

    said = []
    for text in texts:
        inputs = codec.tokenizer(codec.prefix + text, return_tensors="pt")
        with torch.inference_mode():
            ids = model.generate(**inputs, max_new_tokens=bound(codec, inputs["input_ids"].shape[1]))
        said.append(codec.tokenizer.decode(ids[0], skip_special_tokens=True))
    return said


def sentences() -> list[str]:
    """Different English sentences of mixed length, as the corpus of scenes cuts them."""
    from utils.corpus.scenes.instruct import FILES, write_corpus
    from utils.translation.segments import cut

    with tempfile.TemporaryDirectory() as folder:
        write_corpus(Path(folder), 40)
        rows = [row for name in FILES for row in json.loads((Path(folder) / name).read_text(encoding="utf-8"))]
    pieces = {piece.text for row in rows for turn in row["conversations"] for piece in cut(turn["value"]) if piece.sent}
    return random.Random(1).sample(sorted(pieces), SENTENCES)


def random_marian(place: Path, texts: list[str]) -> Path:
    """A Marian of the base size of OPUS-MT with random weights, whose vocabulary is filled up to that size."""
    import sentencepiece
    import torch
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    spm = str(place / "pieces.spm")
    with open(spm, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts * 4), model_writer=file, vocab_size=400, hard_vocab_limit=False, minloglevel=2
        )
    pieces = sentencepiece.SentencePieceProcessor(spm)
    words = ["</s>", "<unk>", *(pieces.id_to_piece(n) for n in range(3, pieces.vocab_size()))]
    words += [*(f"filler{n}" for n in range(VOCABULARY - len(words) - 1)), "<pad>"]
    (place / "words.json").write_text(json.dumps({word: n for n, word in enumerate(words)}), encoding="utf-8")
    MarianTokenizer(spm, spm, str(place / "words.json")).save_pretrained(place / "random-marian")
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=VOCABULARY, d_model=512, encoder_layers=6, decoder_layers=6, encoder_attention_heads=8, decoder_attention_heads=8,
        encoder_ffn_dim=2048, decoder_ffn_dim=2048, max_position_embeddings=512, activation_function="swish", scale_embedding=True,
        pad_token_id=VOCABULARY - 1, decoder_start_token_id=VOCABULARY - 1, eos_token_id=0, bos_token_id=None,
    )  # fmt: skip
    MarianMTModel(config).save_pretrained(place / "random-marian")
    return place / "random-marian"
