"""Export a trained LLaVA in llava-hf layout: weights, processor and chat template, so that plain transformers answers as the course does."""

import dataclasses
import hashlib
import json
import random
import shutil
from pathlib import Path

from utils import runs
from utils.corpus.conversations import IMAGE_TOKEN
from utils.runs import UserError

EXPORT = "export.json"  # what was exported, how it was checked, and the SHA-256 of every file
MAX_NEW_TOKENS = 96  # evaluation/generate.py asks for as many; a test holds the two together
SHARD = "2GB"
PICTURES = 24  # compared between the exported processor and models/pixels.py

# Questions that a tokenizer may split otherwise behind a line break: letters, accents, digits, marks, quotes, spaces inside.
QUESTIONS = (
    "O que você vê?", "What is in the top left corner?", "É um cão?", "2 + 2?", "«Há» quantas coisas?", "(a) ou (b)?",
    "Quantos  pássaros\nhá na imagem?", "¿?", "'s", "- um\n- dois", "perché l'albero è più alto?", "…",
)  # fmt: skip


def export_model(model_folder: Path, out: Path, dtype: str = "", shard: str = SHARD) -> Path:
    """Write the model of a folder to `out` for `LlavaForConditionalGeneration` and `AutoProcessor`; returns `out`.

    Weights keep their precision unless `dtype` ("float32", "float16", "bfloat16") names another, in safetensors files of at
    most `shard`. Raises UserError for a folder without a LLaVA, an unknown `dtype`, and an `out` that holds something else.
    """
    model_folder, out = Path(model_folder), Path(out)
    _refuse_others(model_folder, out)
    stored = dtype or _stored_dtype(model_folder)
    model, tokenizer = _opened(model_folder, stored)
    processor = _processor(model.config, tokenizer)
    model.generation_config = _generation(model.config, tokenizer)
    beside = out.with_name(f".{out.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    with runs.full_disk_told(out):
        model.save_pretrained(beside, max_shard_size=shard)
        processor.save_pretrained(beside)
        processor.image_processor.save_pretrained(beside)  # preprocessor_config.json: where older versions look
        facts = _facts(model_folder, model, tokenizer, beside, stored)
        runs.write_json(beside / EXPORT, facts | {"sha256": hashes(beside)})
    if out.exists():
        shutil.rmtree(out)
    beside.rename(out)
    return out


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of an exported folder but its own record, by name: the whole sum, which a hub shows for large files too."""
    found = {}
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file() and p.name != EXPORT):
        with open(path, "rb") as file:
            found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _refuse_others(model_folder: Path, out: Path) -> None:
    """Raise UserError where writing `out` would lose something that is no earlier export."""
    config = model_folder / "config.json"
    kind = runs.read_json(config).get("model_type") if config.exists() else "llava"  # a folder without one: loading tells
    if kind != "llava":
        raise UserError(f"{model_folder} holds a {kind}; only a llava is exported so far: choose a model of the recipe llava-pt with --model")
    if out.resolve() == model_folder.resolve():
        raise UserError(f"{out} is the model itself; name another folder with --out")
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / EXPORT).exists()):
        raise UserError(f"{out} holds something that is no earlier export; name a new folder with --out")


def _stored_dtype(folder: Path) -> str:
    """The precision that a folder's config.json names; float32 where it names none, or there is none."""
    config = folder / "config.json"
    facts = runs.read_json(config) if config.exists() else {}
    return facts.get("dtype") or facts.get("torch_dtype") or "float32"


def _opened(folder: Path, dtype: str):
    """(model, tokenizer) in the precision wanted; raises UserError as `load_folder` does, and for an unknown precision."""
    import torch

    from utils.models.load import load_folder

    if dtype not in ("float32", "float16", "bfloat16"):
        raise UserError(f"the precision {dtype!r} is unknown; use float32, float16 or bfloat16")
    model, tokenizer = load_folder(folder, getattr(torch, dtype))
    for name in ("local_files_only", "is_local"):  # how it was loaded here is nobody's business there
        tokenizer.init_kwargs.pop(name, None)
    return model, tokenizer


def _form(config):
    """The prompt format that the model was trained with here; vicuna_v1 for others, as in evaluation/generate.py."""
    from utils.models.prompt_formats import PROMPTS

    return PROMPTS[getattr(config, "prompt", "vicuna_v1")]


def _processor(config, tokenizer):
    """A LlavaProcessor that pads as models/pixels.py does and asks as models/prompts.py does."""
    from transformers import LlavaImageProcessorPil, LlavaProcessor

    from utils.models.pixels import norm_of

    size, patch, norm = config.vision_config.image_size, config.vision_config.patch_size, norm_of(config)
    images = LlavaImageProcessorPil(
        do_pad=True, size={"shortest_edge": size}, crop_size={"height": size, "width": size}, image_mean=list(norm.mean), image_std=list(norm.std)
    )
    strategy = config.vision_feature_select_strategy
    # The processor counts patches and a class token, and takes one off again for "default": what is left must be what the model makes.
    added = config.image_seq_length - (size // patch) ** 2 + (strategy == "default")
    return LlavaProcessor(
        images, tokenizer, patch_size=patch, vision_feature_select_strategy=strategy, num_additional_image_tokens=added,
        chat_template=chat_template(tokenizer, _form(config)),
    )  # fmt: skip


def _generation(config, tokenizer):
    """Greedy, as long as the course asks for, ending where the format's answers end."""
    from transformers import GenerationConfig

    from utils.models.prompts import end_id

    return GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=end_id(tokenizer, _form(config)), pad_token_id=tokenizer.pad_token_id,
        do_sample=False, max_new_tokens=MAX_NEW_TOKENS,
    )  # fmt: skip


def _literal(tokenizer, text: str) -> str:
    """A format's text as a Jinja expression, its control tokens as this tokenizer names them (see models/prompts.py)."""
    from utils.models.prompts import STAND_INS

    for marker, own in STAND_INS.items():
        known = tokenizer.convert_tokens_to_ids(marker) not in (None, tokenizer.unk_token_id)
        if own and (marker in ("<s>", "</s>") or not known):
            text = text.replace(marker, getattr(tokenizer, own.removesuffix("_id")) or "")
    return "{{ " + json.dumps(text) + " }}"


def chat_template(tokenizer, form) -> str:
    """A Jinja template that writes conversations about one picture as the model learnt them; the picture comes first, wherever it was given.

    It refuses, by name, what the model never saw: no picture or several, and roles other than user and assistant.
    """
    say = lambda text: _literal(tokenizer, text) if text else ""  # noqa: E731
    asked = "{{ text }}" + say(form.after_question) if form.asks else ""
    later = "{% if not loop.first %}" + say(form.next_turn) + "{% endif %}" if form.next_turn else ""
    return (
        "{% set seen = namespace(pictures=0) %}{% for message in messages %}{% if message['content'] is not string %}"
        "{% set seen.pictures = seen.pictures + (message['content'] | selectattr('type', 'equalto', 'image') | list | length) %}"
        "{% endif %}{% endfor %}"
        "{% if seen.pictures != 1 %}{{ raise_exception('give exactly one picture; this model was trained on one') }}{% endif %}"
        + say(form.start + form.before_image) + say(IMAGE_TOKEN) + say(form.after_image)
        + "{% for message in messages %}{% if message['content'] is string %}{% set text = message['content'] | trim %}{% else %}"
        "{% set text = message['content'] | selectattr('type', 'equalto', 'text') | map(attribute='text') | join(' ') | trim %}{% endif %}"
        "{% if message['role'] == 'user' %}" + later + asked
        + "{% elif message['role'] == 'assistant' %}" + say(form.before_answer) + "{{ text }}" + say(form.end)
        + "{% else %}{{ raise_exception('only the roles user and assistant are known') }}{% endif %}{% endfor %}"
    )  # fmt: skip


def asked_as_there(processor, picture, question: str) -> dict:
    """What plain transformers makes of a picture and a question: the processor's own chat template and its own pixels."""
    content = [{"type": "image", "image": picture}, {"type": "text", "text": question}]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )


def random_picture(width: int, height: int, seed: int):
    """An RGB picture of noise: every rounding shows."""
    from PIL import Image

    return Image.frombytes("RGB", (width, height), random.Random(f"{width}x{height}/{seed}").randbytes(3 * width * height))


def sizes(side: int, count: int, seed: int = 0) -> list[tuple[int, int]]:
    """(width, height) of pictures to compare: the thin, the square, the exact, and random ones up to four times the tower's side."""
    rng = random.Random(seed)
    fixed = [(1, 1), (1, 2 * side), (2 * side, 1), (side, side), (side, side + 1), (side + 1, side)]
    return [*fixed, *((rng.randint(1, 4 * side), rng.randint(1, 4 * side)) for _ in range(count - len(fixed)))]


@dataclasses.dataclass(frozen=True)
class Check:
    """How far the exported processor is from the course: over `pictures` random ones, and the questions it asks with other tokens."""

    pictures: int
    max_difference: float
    differ: list[str]
    questions: int
    asked_otherwise: list[str]


def check_processor(folder: Path, model, tokenizer, pictures: int = PICTURES) -> Check:
    """Compare a written processor, read again by AutoProcessor, with models/pixels.py and models/prompts.py.

    Differences are of normalised values (about -2 to 2.7); `differ` holds the sizes whose pictures differ at all.
    """
    from transformers import AutoProcessor

    from utils.models.pixels import norm_of, to_pixels
    from utils.models.prompts import encode_prefix, encode_question

    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    side, form, norm = model.config.vision_config.image_size, _form(model.config), norm_of(model.config)
    found = {}
    for n, (width, height) in enumerate(sizes(side, pictures)):
        picture = random_picture(width, height, n)
        there = processor.image_processor(images=picture, return_tensors="pt")["pixel_values"][0]
        found[f"{width}x{height}"] = float((there - to_pixels(picture, side, norm)).abs().max())
    start, square = encode_prefix(tokenizer, model.config.image_seq_length, form), random_picture(side, side, 0)
    asked = {q: asked_as_there(processor, square, q)["input_ids"][0].tolist() for q in QUESTIONS}
    other = [q for q, ids in asked.items() if ids != start + encode_question(tokenizer, q, form)]
    return Check(len(found), max(found.values()), [size for size, far in found.items() if far], len(asked), other)


def _facts(model_folder: Path, model, tokenizer, folder: Path, dtype: str) -> dict:
    """What the export's record tells beside the hashes."""
    check = dataclasses.asdict(check_processor(folder, model, tokenizer))
    source = {path.name: runs.file_hash(path) for path in sorted(model_folder.glob("*.safetensors"))}
    parameters = sum(p.numel() for p in model.parameters())
    return {
        "layout": "llava-hf", "prompt": _form(model.config).name, "dtype": dtype, "parameters": parameters, "from_weights": source,
        "check": check, "versions": runs.versions(),
    }  # fmt: skip
