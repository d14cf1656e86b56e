"""Engine `huggingface`: Marian, NLLB, M2M100 and MADLAD models, from a folder or the hub, run by transformers.

What the engine `ctranslate2` needs too is public here: finding the weights, naming the language, length-sorted batches.
"""

import contextlib
import functools
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from utils.languages import LANGUAGES
from utils.languages import language as language_record
from utils.runs import UserError, text_hash
from utils.translation.engines.setup import Setup

NUM_BEAMS = 1  # greedy: the same words in every batch, and faster than beams
WINDOW = 1024  # texts sorted together: memory stays flat and results come early
BATCH_TOKENS = {"cpu": 1024, "cuda": 16384}  # source tokens of one batch, padding counted
FAMILIES = ("marian", "m2m_100", "t5")
FILES = ["*.safetensors", "*.json", "*.spm", "*.model"]  # what is downloaded: no format that can run code
PATIENCE = 10  # seconds for the hub's first answer
CONVERTER = "SFconvertbot"  # the hub's own account
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")

# OPUS-MT models name a target language in front of the sentence, the older ones by two letters; the first known one is used.
MARIAN_PREFIXES = {
    "pt-BR": (">>pob<<", ">>pt_BR<<", ">>por<<", ">>pt<<"), "pt-PT": (">>por<<", ">>pt_PT<<", ">>pt<<"), "it": (">>ita<<", ">>it<<"),
}  # fmt: skip
MARIAN_MODELS = {
    "pt-BR": "Helsinki-NLP/opus-mt-tc-big-en-pt", "pt-PT": "Helsinki-NLP/opus-mt-tc-big-en-pt", "it": "Helsinki-NLP/opus-mt-tc-big-en-it",
}  # fmt: skip
_NEWER = {code: record.engine_codes["nllb"][:3] for code, record in LANGUAGES.items() if code not in MARIAN_MODELS}
# A further language goes by NLLB's three letters and its own two; OPUS-MT's models are named by two: Helsinki-NLP/opus-mt-en-es.
MARIAN_PREFIXES |= {code: (f">>{three}<<", f">>{code[:2]}<<") for code, three in _NEWER.items()}
MARIAN_MODELS |= {code: f"Helsinki-NLP/opus-mt-en-{code[:2]}" for code in _NEWER}
OTHER_MODELS = "facebook/nllb-200-distilled-1.3B or jbochi/madlad400-3b-mt"


@dataclass(frozen=True)
class Codec:
    """Sentences to ids and back: `prefix` opens the source text, `first` is the id that must open the target (None: free).

    `limit`: the longest input and the longest output, in tokens.
    """

    tokenizer: Any
    family: str
    prefix: str
    first: int | None
    limit: int


def need(engine: str, *packages: str) -> None:
    """Raises UserError naming the packages that are not installed."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise UserError(f"engine {engine} needs {' and '.join(missing)}; install with: pip install {' '.join(missing)}")


def weights(model: str, language: str, engine: str) -> Path:
    """The folder of a model: itself, the hub's cache, or a download. Raises UserError when there is none with safetensors."""
    if not model:
        example = MARIAN_MODELS[language_record(language).code]
        raise UserError(f"engine {engine} needs a model; for {language} name {example}, {OTHER_MODELS}, or a folder: --engine {engine}:{example}")
    folder = Path(model).expanduser()
    if not folder.is_dir():
        if not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", model):
            raise UserError(f"{model} is neither a folder here nor a hub name (OWNER/NAME); check the path after --engine {engine}:")
        folder = _from_hub(model, engine)
    if not (folder / "config.json").exists():
        raise UserError(f"{folder} holds no model (no config.json); download one with: hf download {MARIAN_MODELS[language]} --local-dir FOLDER")
    if not _whole(folder):
        raise UserError(
            f"{folder} has no model.safetensors and other formats are not loaded, because they can run code; "
            "look for a safetensors pull request of the model and get it with: hf download NAME --revision refs/pr/NUMBER --local-dir FOLDER"
        )
    return folder


def _whole(folder: Path) -> bool:
    return any((folder / name).exists() for name in WEIGHTS)


def _from_hub(model: str, engine: str) -> Path:
    """The model in the hub's cache, without asking the network, or else a download."""
    need(engine, "huggingface_hub")
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError
    from huggingface_hub.utils import httpx

    references = Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}" / "refs"
    for path in (references / "main", *sorted(references.glob("refs/pr/*"), reverse=True)):
        with contextlib.suppress(LocalEntryNotFoundError):
            revision = path.relative_to(references).as_posix()
            folder = Path(snapshot_download(model, revision=revision, allow_patterns=FILES, local_files_only=True))
            if _whole(folder):
                return folder
    try:
        HfApi().model_info(model, timeout=PATIENCE)  # the download itself would wait for a silent server without end
        folder = Path(snapshot_download(model, allow_patterns=FILES))
        if not _whole(folder) and (revision := _conversion(model)):
            folder = Path(snapshot_download(model, revision=revision, allow_patterns=FILES))
        return folder
    except (RepositoryNotFoundError, GatedRepoError) as error:
        raise UserError(f"the hub shows no model {model}; check the name, or log in with: hf auth login") from error
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise UserError(
            f"model {model} is not here and no hub was reached; download it with: hf download {model} --local-dir FOLDER "
            f"and name the folder: --engine {engine}:FOLDER"
        ) from error


def _conversion(model: str) -> str | None:
    """The pull request in which the hub's own converter offers safetensors: many older models have them only there."""
    from huggingface_hub import HfApi

    found = HfApi().get_repo_discussions(model, author=CONVERTER, discussion_type="pull_request", discussion_status="open")
    # Anyone may open a pull request of that title: the author is looked at here too.
    return next((one.git_reference for one in found if one.author == CONVERTER and "safetensors" in one.title), None)


def fingerprint(folder: Path) -> str:
    """Hash of sizes and of 256 samples of every file of a model: cheap for gigabytes, and the same on every machine."""
    marks = []
    for path in sorted({path for pattern in FILES for path in folder.glob(pattern)}):
        size = path.stat().st_size
        with open(path, "rb") as file:
            marks += [path.name, size]
            for start in range(0, size, max(4096, size // 256)):
                file.seek(start)
                marks.append(file.read(4096).hex())
    return text_hash(marks)[:12]


def model_name(model: str) -> str:
    folder = Path(model).expanduser()
    return folder.resolve().name if folder.is_dir() else model


@functools.lru_cache(maxsize=4)
def open_codec(folder: Path, language: str, stamp: str) -> Codec:
    """Tokenizer and language of a model; `stamp` (the fingerprint) makes a changed folder be read anew.

    Raises UserError when the model is of another family or cannot translate into the language.
    """
    from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        # transformers 5 rebuilds a T5 tokenizer with unknown = id 2, which is the end of sentence in MADLAD's vocabulary.
        plain = config.model_type == "t5" and (folder / "tokenizer.json").exists()
        tokenizer = (PreTrainedTokenizerFast if plain else AutoTokenizer).from_pretrained(folder, local_files_only=True)
    except Exception as error:  # whatever a library says of a broken folder, the fix is the same
        raise UserError(f"the model in {folder} cannot be read ({_line(error)}); download it again") from error
    if hasattr(tokenizer, "lang_token_to_id"):  # transformers 5.23 leaves M2M100's languages out of a folder it saved itself
        tokenizer.add_tokens(list(tokenizer.lang_token_to_id), special_tokens=True)
    if config.model_type not in FAMILIES:
        raise UserError(f"the model in {folder} is a {config.model_type}; name a Marian, NLLB, M2M100 or MADLAD model: {OTHER_MODELS}")
    prefix, first = _target(tokenizer, config.model_type, language, folder)
    longest = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 512
    return Codec(tokenizer, config.model_type, prefix, first, min(longest, tokenizer.model_max_length))


def _target(tokenizer, family: str, language: str, folder: Path) -> tuple[str, int | None]:
    """(text before the sentence, first id of the target) that ask a model for a language; raises UserError if it has it not."""
    codes, vocabulary = language_record(language).engine_codes, tokenizer.get_vocab()
    if family == "m2m_100":
        # NLLB and M2M100 share one class and differ in the names of the languages.
        for source, token in (("eng_Latn", codes["nllb"]), ("en", f"__{codes['madlad']}__")):
            if token in vocabulary:
                tokenizer.src_lang = source
                return "", vocabulary[token]
    else:
        names = MARIAN_PREFIXES[language] if family == "marian" else (f"<2{codes['madlad']}>",)
        name = next((name for name in names if name in vocabulary), None)
        if name and vocabulary[name] in tokenizer(f"{name} A.")["input_ids"]:
            return f"{name} ", None
        only = getattr(tokenizer, "target_lang", None)  # a Marian of one pair needs no name
        several = any(token.startswith(">>") for token in vocabulary)
        if family == "marian" and not several and (not only or any(f">>{only}<<" in p for p in MARIAN_PREFIXES[language])):
            return "", None
    raise UserError(f"the model in {folder} does not translate into {language}; name one that does: {MARIAN_MODELS[language]}, {OTHER_MODELS}")


def bound(codec: Codec, length: int) -> int:
    """The most tokens an answer to `length` source tokens may have; two places stay free for start and end."""
    return min(2 * length + 16, codec.limit - 2)


def batches(lengths: dict[int, int], budget: int) -> list[list[int]]:
    """The keys of `lengths`, longest first, in batches that hold at most `budget` tokens once padded to their longest."""
    found: list[list[int]] = []
    for key in sorted(lengths, key=lambda key: -lengths[key]):
        if found and lengths[found[-1][0]] * (len(found[-1]) + 1) <= budget:
            found[-1].append(key)
        else:
            found.append([key])
    return found


def translate_window(codec: Codec, texts: list[str], budget: int, generate: Callable[[list[list[int]], int], Iterable[list[int]]]) -> list[str]:
    """Translations in the order of `texts`; "" for a text over the model's limit and for an answer that did not end.

    `generate(rows of ids, most new tokens)` gives one list of ids a row; a lazy answer is asked after all batches are under way.
    """
    tokenizer, said = codec.tokenizer, [""] * len(texts)
    rows = tokenizer([codec.prefix + text for text in texts], truncation=False, verbose=False)["input_ids"]
    lengths = {n: len(row) for n, row in enumerate(rows) if len(row) <= codec.limit}
    parts = batches(lengths, budget)
    answers = [generate([rows[n] for n in part], bound(codec, lengths[part[0]])) for part in parts]
    for part, answer in zip(parts, answers, strict=True):
        for n, ids in zip(part, answer, strict=True):
            ids = ids[: bound(codec, lengths[n])]  # its own bound, not that of its batch: the neighbours change nothing
            if tokenizer.eos_token_id in ids:
                said[n] = tokenizer.decode(ids[: ids.index(tokenizer.eos_token_id)], skip_special_tokens=True).strip()
    return said


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _device() -> tuple[str, str]:
    """(device, number type): a GPU in bfloat16 when there is one, else the CPU in float32."""
    import torch

    return ("cuda", "bfloat16") if torch.cuda.is_available() else ("cpu", "float32")


@functools.lru_cache(maxsize=1)
def _load(folder: Path, stamp: str):
    """The model on its device, with decoding settings of ours alone; raises UserError when it cannot be loaded."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, GenerationConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    device, kind = _device()
    try:
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=getattr(torch, kind), use_safetensors=True, local_files_only=True)
    except Exception as error:  # as above
        raise UserError(f"the model in {folder} cannot be loaded ({_line(error)}); download it again") from error
    # A hub's own settings may ask for beams, sampling, or a forced end that makes a cut answer look whole.
    start, pad, end = (getattr(model.generation_config, f"{name}_token_id") for name in ("decoder_start", "pad", "eos"))
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start, pad_token_id=pad, eos_token_id=end, suppress_tokens=[pad], num_beams=NUM_BEAMS, do_sample=False
    )
    return model.eval().to(device)


def _generate(model, codec: Codec, rows: list[list[int]], most: int) -> list[list[int]]:
    import torch

    width, pad = max(map(len, rows)), codec.tokenizer.pad_token_id
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=model.device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=model.device)
    try:
        with torch.inference_mode():
            return model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=most, forced_bos_token_id=codec.first)[:, 1:].tolist()
    except torch.OutOfMemoryError as error:
        raise UserError("the GPU has too little free memory for this model; free it, or use a smaller model, or --engine ctranslate2") from error


def engine_id(language: str, setup: Setup = Setup()) -> str:
    """Engine, model, fingerprint of its files, number type and version as one string; raises UserError when something is missing."""
    need("huggingface", "torch", "transformers", "sentencepiece")
    folder = weights(setup.model, language, "huggingface")
    return f"huggingface/{model_name(setup.model)}/{fingerprint(folder)}/{_device()[1]}-beams{NUM_BEAMS}/{version('transformers')}"


def translate(texts: list[str], language: str, setup: Setup = Setup()) -> Iterator[str]:
    """Translations in the order of `texts`, window by window; "" for a text over the model's limit or without an end."""
    need("huggingface", "torch", "transformers", "sentencepiece")
    folder = weights(setup.model, language, "huggingface")
    stamp = fingerprint(folder)
    codec, model = open_codec(folder, language, stamp), _load(folder, stamp)
    budget = BATCH_TOKENS[model.device.type]
    for start in range(0, len(texts), WINDOW):
        yield from translate_window(codec, texts[start : start + WINDOW], budget, functools.partial(_generate, model, codec))
