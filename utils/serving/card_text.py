"""The words of the cards: what stays the same from model to model, and the sentences that depend on the scale."""

from utils.scales import Scale

WHAT = """A LLaVA (vision tower, projector, language model) that answers questions about one picture in {language}. It was made in the
course *LLaVA em Português* from {start}, by training on {corpus}.

Parameters: {parameters}. Pictures: {size} pixels a side, padded to a square. Weights: {dtype}, safetensors. Prompt: `{prompt}`."""

USE = """```python
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

folder = "."  # this folder, or the name of its repository
model = LlavaForConditionalGeneration.from_pretrained(folder, dtype="float32")  # "auto" where memory is short
processor = AutoProcessor.from_pretrained(folder)

content = [{{"type": "image", "image": Image.open("picture.png")}}, {{"type": "text", "text": "O que você vê?"}}]
inputs = processor.apply_chat_template(
    [{{"role": "user", "content": content}}], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
)
out = model.generate(**inputs)
print(processor.decode(out[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
```

Answers are greedy and end after at most 96 tokens (`generation_config.json`). In float32, as above, they are those of the course; in half
precision some may differ. Exported and checked with transformers {version}. `export.json` has the SHA-256 of each file. {processor}"""

RESULTS = """Greedy answers to questions about pictures that were not trained on, judged by rules for each question type; intervals are Wilson's
at 95 %. The majority baseline always gives the most common answer of its type. An evaluation is listed only where its manifest's hash shows
that it was made with these weights."""

DATA_HASHES = """These are the three parts of the corpus as they lay on disk when this card was written. The training's manifest keeps one hash of all
its inputs together (`{inputs}`), not one of each file. English rows replayed against forgetting, where the recipe has them, come from
the English originals."""

RECIPE = """The recipe, field by field: *reported* by the source named, *assumed* from what is named, *ours*, or *unknown* (not found there). It
describes a system of full size; the scale's changes stand below."""

NO_RECIPE = "Hyperparameters: unknown. The manifest names no recipe that this card was given the fields of."

CITE = """The course follows an undergraduate thesis (UFG, Goiânia 2024). Please cite the papers that it builds on:

```bibtex
@inproceedings{liu2023visual,
  title = {Visual Instruction Tuning}, author = {Liu, Haotian and Li, Chunyuan and Wu, Qingyang and Lee, Yong Jae},
  booktitle = {NeurIPS}, year = {2023}, note = {arXiv 2304.08485}
}
@misc{liu2023improved,
  title = {Improved Baselines with Visual Instruction Tuning}, author = {Liu, Haotian and Li, Chunyuan and Li, Yuheng and Lee, Yong Jae},
  year = {2023}, note = {arXiv 2310.03744}
}
```"""


def start_said(start: str | None) -> str:
    """What the model started from."""
    if start is None:
        return "a start model that no manifest tells"
    return "the course's own tiny English LLaVA" if start == "data" else f"`{start}`"


def corpus_said(engine: str) -> str:
    """What kind of texts it learnt from."""
    if not engine:
        return "texts that no manifest tells"
    return "the picture world's own texts in that language (no translator)" if engine == "gold" else "a machine-translated instruction corpus"


def portuguese_said(engine: str) -> str:
    """The card in two sentences for those who read Portuguese."""
    learnt = {"": "com textos de origem desconhecida", "gold": "com perguntas e respostas escritas diretamente em português"}
    how = learnt.get(engine, "com perguntas e respostas traduzidas por máquina")
    return (
        f"**Em português:** este modelo responde, em português, a perguntas sobre uma imagem. Foi treinado {how}; os acertos por tipo de pergunta, "
        "com intervalos de 95 %, estão em *Results*. Leia os limites e as licenças antes de usar."
    )


def data_said(language: str, engine: str) -> str:
    """What the corpus is, and how its texts came about."""
    how = {
        "": "How its texts came about is unknown.",
        "gold": f"Its texts in {language} were written by the picture world's own grammar; no translator was used.",
    }.get(
        engine,
        f"Its texts were translated from English into {language} by machine. Markers such as `<image>` were kept away from the translator; gates "
        "compare each sentence with its source, and rows that fail go to quarantine with their reasons.",
    )
    union = "`llava_instruct_150k` is the union of the three parts, and `llava_instruct_80k` a sub-sample."
    return f"Conversations about pictures in the layout of LLaVA-Instruct. {how} {union}"


def data_limits_said(engine: str) -> str:
    """What the gates do not find."""
    if engine in ("", "gold"):
        return "No person has read all rows."
    return (
        "Machine translation: gates find broken markers, wrong lengths, wrong numbers and the wrong language; they do not find every wrong meaning. "
        "No person has read all rows. One English word may come out in two ways."
    )


def scale_said(scale: Scale) -> str:
    """What a scale did to a recipe's numbers; all of it is ours."""
    steps = "no cap on steps" if scale.steps is None else f"at most {scale.steps} steps"
    rank = "LoRA ranks as above" if scale.max_rank is None else f"LoRA ranks of at most {scale.max_rank}, alpha in the same ratio"
    return (
        f"The scale *{scale.name}* ({scale.machine}) then sets, all *ours*: learning rates × {scale.rate:g}, {rank}, {steps}, "
        f"{scale.batch} rows a step of up to {scale.row_tokens} tokens, {scale.dtype}{', weights loaded in 4 bits' if scale.four_bit else ''}."
    )


def limits_said(scale: Scale | None) -> str:
    """What nobody should expect."""
    told = [
        "- It was tested on the course's drawn pictures only: nothing here tells how it answers about photographs.",
        "- It states what it does not see as surely as what it sees. Do not use it where an error can hurt someone.",
        "- It knows one picture a conversation. Fluent answers are no evidence of sight: compare with the majority baseline.",
    ]
    if scale is not None and scale.weights == "data":
        told.insert(
            0,
            "- **This is a tiny model**, made on two CPU cores to show how the method works, not how good a big model is. It knows a few dozen kinds "
            "of drawn things on plain backgrounds, and cannot describe a photograph.",
        )
    return "\n".join(told)


def licences_said(scale: Scale | None, engine: str, start: str | None) -> str:
    """Whose terms hold: of the pictures, the texts, the start model and the translator."""
    if scale is None:
        told = ["- Unknown: no manifest tells what it was trained on. Ask whoever made it before you use it."]
    elif scale.weights == "data":
        told = [
            "- Pictures: drawn with [OpenMoji](https://openmoji.org) artwork, CC BY-SA 4.0: name OpenMoji, and share pictures made from it alike.",
            "- This card names CC BY-SA 4.0 for the model too, the careful reading. The course's code and its English texts are MIT.",
        ]
    else:
        told = [
            "- Training texts: LLaVA-Instruct, CC BY-NC 4.0: no commercial use, and so it is for this model. They were written by GPT-4, "
            "whose terms of use hold too.",
            f"- Start model: {start_said(start)}; its own licence (for LLaVA-1.5 that of Llama 2, with its acceptable use policy) holds as well.",
            "- Pictures: COCO train2017, under the terms of their owners; none is in this folder.",
        ]
    if engine.startswith("bergamot"):
        told.append("- Translation: [Firefox Translations](https://github.com/mozilla/firefox-translations-models) models, Mozilla, MPL 2.0.")
    elif engine and engine != "gold":
        told.append("- Translation: the terms of the translator named above hold for what it wrote.")
    return "\n".join(told)


def processor_said(check: dict | None) -> str:
    """How far the exported processor is from what the model was trained with, as the export measured it."""
    if not check:
        return "How far this processor is from the one in training: unknown."
    told = f"Measured over {check['pictures']} random pictures of odd sizes, this processor's pixels "
    if check["differ"]:
        told += f"differ from those in training by at most {check['max_difference']:g} (normalised), at the sizes {', '.join(check['differ'])}."
    else:
        told += "are exactly those in training."
    told += f" Of {check['questions']} trial questions, {len(check['asked_otherwise'])} are split into other tokens than in training."
    return told + (
        " That holds for the Pillow backend, which transformers takes where torchvision is not installed; "
        'where it is, pass `backend="pil"` to `AutoProcessor.from_pretrained`. '
        "A picture given by its path is turned as its EXIF says, one opened by Pillow is not: training turned none."
    )
