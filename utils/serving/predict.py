"""Load a model once and answer many questions with it: what the page's server and the container predictor share."""

import contextlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from utils.runs import ROOT, UserError, write_text

MODEL_FOLDER = "model"  # beside predict.py in the container
MAX_NEW_TOKENS = 256
CONTAINER = ROOT / "configs" / "replicate"
# What answering imports; the pins are those of requirements.txt. tests/test_container.py answers with these packages alone.
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pillow", "ijson")
# PNG, JPEG, GIF, WebP, BMP. Pillow knows rarer formats whose readers start other programs (EPS) or are little tested.
PICTURE = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|BM", re.DOTALL)
_KEEP = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.md")


@dataclass(frozen=True)
class Loaded:
    """A model in memory, under the name that people see."""

    name: str
    model: object
    tokenizer: object


def load(folder: Path, name: str = "") -> Loaded:
    """The model of a folder, on the GPU in half precision when there is one; raises UserError when the folder holds none."""
    import torch

    from utils.models.load import load_folder

    if not torch.cuda.is_available():
        model, tokenizer = load_folder(folder)
        return Loaded(name, model, tokenizer)
    half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    model, tokenizer = load_folder(folder, half)
    return Loaded(name, model.to("cuda"), tokenizer)


def upright(path: Path):
    """A picture file as RGB, turned as its camera says, as every viewer shows it.

    Raises UserError for rare formats and as `load_picture` does.
    A very long, thin one is shrunk: LLaVA pads it to a square, whose pixels grow with the square of the longer side.
    """
    from PIL import ImageOps

    from utils.corpus.images import MAX_PIXELS, load_picture

    path = Path(path)
    if path.is_file():
        with open(path, "rb") as file:
            if not PICTURE.match(file.read(16)):
                raise UserError(f"{path} is not a PNG, JPEG, WebP, GIF or BMP picture; choose another")
    picture = load_picture(path)
    with contextlib.suppress(Exception):  # broken camera data says nothing about the picture
        picture = ImageOps.exif_transpose(picture)
    longest = int(MAX_PIXELS**0.5)
    if max(picture.size) > longest:
        picture.thumbnail((longest, longest))
    return picture


def answer(loaded: Loaded, picture, question: str) -> str:
    """The model's answer about a PIL picture; raises UserError for an empty question, or one with a control token of the model."""
    from utils.corpus.conversations import IMAGE_TOKEN
    from utils.evaluation.generate import answer_all
    from utils.models.prompt_formats import PROMPTS
    from utils.models.prompts import encode_question

    question = question.replace(IMAGE_TOKEN, " ").strip()  # the picture stands before every question anyway
    if not question:
        raise UserError("the question is empty; ask something, for example: O que você vê?")
    try:
        encode_question(loaded.tokenizer, question, PROMPTS[getattr(loaded.model.config, "prompt", "vicuna_v1")])
    except ValueError as error:
        raise UserError(f"the question cannot be asked: {error}") from error
    return answer_all(loaded.model, loaded.tokenizer, [picture], [question], max_new_tokens=MAX_NEW_TOKENS)[0]


def requirements() -> str:
    """The lines of requirements.txt that the container needs, without their comments."""
    pinned = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    return "".join(f"{line}\n" for line in pinned if line.split("==")[0] in PACKAGES)


def write_container(model: Path, out: Path) -> Path:
    """A new folder `out` that `cog build` makes into an image: cog.yaml, predict.py, requirements.txt, utils and the model.

    Cog copies the folder of cog.yaml and nothing around it (replicate/cog, docs/yaml.md). Raises UserError when `model`
    holds no model in safetensors, or `out` is there already.
    """
    model, out = Path(model), Path(out)
    if not (model / "config.json").exists() or not list(model.glob("*.safetensors")):
        raise UserError(f"{model} holds no model (config.json and .safetensors); name the folder of a trained one")
    if out.exists():
        raise UserError(f"{out} is there already; name a new folder")
    making = out.with_name(f".{out.name}.part")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        for name in ("cog.yaml", "predict.py"):
            shutil.copy(CONTAINER / name, making / name)
        write_text(making / "requirements.txt", requirements())
        shutil.copytree(ROOT / "utils", making / "utils", ignore=shutil.ignore_patterns("__pycache__"))
        (making / MODEL_FOLDER).mkdir()
        for file in sorted({file for pattern in _KEEP for file in model.glob(pattern)}):
            shutil.copy(file, making / MODEL_FOLDER / file.name)
        making.replace(out)
    except OSError as error:
        raise UserError(f"cannot write {out} ({error.strerror}); free space or name another folder") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return out
