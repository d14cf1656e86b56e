"""Engine `ctranslate2`: the same models as `huggingface`, converted once to int8 and run by CTranslate2."""

import functools
import os
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from utils.runs import UserError, full_disk_told, lock, output_folder, text_hash
from utils.translation.engines.huggingface import (
    NUM_BEAMS,
    WINDOW,
    Codec,
    fingerprint,
    model_name,
    need,
    open_codec,
    translate_window,
    weights,
)  # fmt: skip
from utils.translation.engines.setup import Setup

QUANTIZATION = "int8"
BATCH_TOKENS = {"cpu": 512, "cuda": 16384}  # source tokens of one batch, padding counted; on two cores 512 was fastest
NEEDS = ("ctranslate2", "torch", "transformers", "sentencepiece")


def converted(folder: Path, name: str, codec: Codec) -> Path:
    """The converted model, made once under `outputs/ctranslate2/`, whole or not at all.

    Raises UserError when the converter cannot read the model, or on a full disk.
    """
    parent = output_folder("ctranslate2")
    target = parent / f"{name.replace('/', '--')}-{text_hash(fingerprint(folder), QUANTIZATION)[:12]}"
    if target.is_dir():
        return target
    part = target.with_name(f".{target.name}.part")
    with lock(parent, wait=3600):
        if target.is_dir():  # another run made it meanwhile
            return target
        shutil.rmtree(part, ignore_errors=True)  # a killed run left it
        try:
            with full_disk_told(parent):
                _convert(folder, part, codec)
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return target


def _convert(folder: Path, part: Path, codec: Codec) -> None:
    from ctranslate2.converters import TransformersConverter
    from transformers import AutoConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    # The converter gives both sides the source's words: a Marian with two vocabularies would answer in wrong words.
    if not getattr(AutoConfig.from_pretrained(folder, local_files_only=True), "share_encoder_decoder_embeddings", True):
        raise UserError(f"the model in {folder} has a vocabulary for each side, which CTranslate2 cannot convert; use --engine huggingface:{folder}")
    try:
        converter = TransformersConverter(str(folder))
        converter.load_tokenizer = lambda *_, **__: codec.tokenizer  # ours knows all words of the vocabulary, in `open_codec`'s way
        converter.convert(str(part), quantization=QUANTIZATION)
    except Exception as error:  # whatever the converter says of a folder it cannot read, the way out is the same
        if getattr(error, "errno", None):
            raise  # the disk: `full_disk_told` knows the sentence
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"CTranslate2 cannot convert the model in {folder} ({line}); use --engine huggingface:{folder}") from error


def _device() -> str:
    import ctranslate2

    return "cuda" if ctranslate2.get_cuda_device_count() else "cpu"


@functools.lru_cache(maxsize=1)
def _load(place: Path, workers: int):
    """A translator of `workers` batches at a time that share the cores; raises UserError when the folder is damaged."""
    import ctranslate2

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        return ctranslate2.Translator(str(place), device=_device(), inter_threads=workers, intra_threads=max(1, cores // workers))
    except (RuntimeError, ValueError) as error:
        raise UserError(f"the converted model in {place} cannot be loaded ({str(error).splitlines()[0]}); delete it and run again") from error


def _generate(translator, codec: Codec, rows: list[list[int]], most: int) -> Iterator[list[int]]:
    """Starts a batch at once; the answers are waited for one by one."""
    words, ids = codec.tokenizer.convert_ids_to_tokens, codec.tokenizer.convert_tokens_to_ids
    jobs = translator.translate_batch(
        [words(row) for row in rows], target_prefix=None if codec.first is None else [[words(codec.first)]] * len(rows),
        beam_size=NUM_BEAMS, max_decoding_length=most, return_end_token=True, asynchronous=True,
        max_input_length=0,  # its default cuts an input of more than 1,024 tokens without a word
    )  # fmt: skip
    return (ids(_wait(job).hypotheses[0]) for job in jobs)


def _wait(job):
    try:
        return job.result()
    except RuntimeError as error:
        raise UserError(f"CTranslate2 stopped ({str(error).splitlines()[0]}); free memory or lower --workers, and run again") from error


def engine_id(language: str, setup: Setup = Setup()) -> str:
    """Engine, model, fingerprint of its files, number type and version as one string; raises UserError when something is missing."""
    need("ctranslate2", *NEEDS)
    folder = weights(setup.model, language, "ctranslate2")
    return f"ctranslate2/{model_name(setup.model)}/{fingerprint(folder)}/{QUANTIZATION}-beams{NUM_BEAMS}/{version('ctranslate2')}"


def translate(texts: list[str], language: str, setup: Setup = Setup()) -> Iterator[str]:
    """Translations in the order of `texts`, window by window; "" for a text over the model's limit or without an end."""
    need("ctranslate2", *NEEDS)
    folder = weights(setup.model, language, "ctranslate2")
    codec = open_codec(folder, language, fingerprint(folder))
    translator = _load(converted(folder, model_name(setup.model), codec), max(1, setup.workers))
    for start in range(0, len(texts), WINDOW):
        yield from translate_window(
            codec, texts[start : start + WINDOW], BATCH_TOKENS[translator.device], functools.partial(_generate, translator, codec)
        )
