"""The recipes of other systems, as their sources tell them: LLaVA-NDiNO, AMALIA-VL and mBLIP, side by side with ours."""

import dataclasses
from collections.abc import Callable, Iterable

from utils.runs import UserError
from utils.training.recipes import LLAVA_PT, Recipe, Stage, Tune, assumed, provenance, reported, unknown

_OURS = "replay and vocabulary are ours; the source names neither"

# --- LLaVA-NDiNO (Italian): Musacchio et al. 2024, NL4AI, CEUR-WS Vol-3877, paper 9; code: swapUniba/LLaVA-NDiNO.
_NDINO = "LLaVA-NDiNO paper (CEUR-WS Vol-3877, paper 9)"
_FROM_LLM = "swapUniba/LLaVA-NDiNO train_from_llm.sh"
_FROM_LMM = "swapUniba/LLaVA-NDiNO train_from_lmm.sh"
_NEXT_ALIGN = "LLaVA-VL/LLaVA-NeXT scripts/train/pretrain_clip.sh"
_ALL_PARTS = {"vision": Tune("full", 2e-6), "projector": Tune("full", 1e-5), "llm": Tune("full", 1e-5), "embeddings": Tune("full", 1e-5)}

LLAVA_NDINO = Recipe(
    name="llava-ndino",
    shape="llava-hf/llama3-llava-next-8b-hf",
    start="CLIP and LLaMA-3-8B base (not instruct)",
    vision="CLIP ViT-L/14, 336 pixels",
    connector="MLP of two layers",
    llm="LLaMA-3-8B base",
    image="anyres tiles, spatial_unpad, at most 2,928 tokens",
    machine="2 nodes of 4 A100 64 GB",
    stages=(
        Stage("align", "LCS-558K, English captions", {"projector": Tune("full", 1e-3)}, prompt="plain", max_length=8192, rows=558_000),
        Stage(
            "adapt", "Italian text with pictures: WIT sections, WIT captions, MultiEURLEX pages", _ALL_PARTS, prompt="plain",
            max_length=8192, rows=250_000, batch=128, vocabulary="aligned",
        ),
        Stage(
            "short", "15 Cauldron tasks translated, MTVQA, EXAMS-V", _ALL_PARTS, prompt="llama_3", max_length=8192, rows=260_302, batch=128,
            vocabulary="aligned",
        ),
        Stage(
            "long", "LLaVA conversation_58k translated, one round", _ALL_PARTS, prompt="llama_3", epochs=None, max_steps=500,
            max_length=8192, rows=58_000, batch=128, vocabulary="aligned",
        ),
    ),
    source="Musacchio et al. 2024, LLaVA-NDiNO, CEUR-WS Vol-3877, paper 9; code swapUniba/LLaVA-NDiNO",
    facts=(
        reported(_NDINO, "start vision llm machine", "the paper prints 338 pixels, a typing error; its script names the 336 model"),
        reported(_FROM_LLM, "connector image", "the grids of LLaVA-NeXT: 672x672 without padding gives 2,928 tokens"),
        reported(_NDINO, "stages.*.data|rows|optional", "558K and 58K are the rounded names of the sets; how many rows of the second its filters drop is not told"),
        reported(_NDINO, "stages.align.prompt|tune|objective stages.align.tune.projector.how"),
        reported(_NDINO, "stages.adapt.prompt", "its Listing 1; the flag in train_from_llm.sh says llava_llama_3"),
        reported(_NDINO, "stages.short|long.prompt", "its Listing 2: no system text; its code also learns the role headers, ours does not"),
        reported(_NDINO, "stages.adapt|short|long.tune|objective stages.adapt|short|long.tune.*.how", "embeddings are part of its language model"),
        assumed(
            f"{_NEXT_ALIGN}: it makes the projector of the name that train_from_llm.sh loads",
            "stages.align.tune.projector.lr stages.align.epochs|max_length|warmup|weight_decay|schedule",
        ),
        reported(_FROM_LLM, "stages.adapt.tune.*.lr stages.adapt.epochs|max_length|warmup|weight_decay|schedule|batch"),
        assumed(
            f"as the stage before it ({_FROM_LLM}): no script of this stage is published",
            "stages.short.tune.*.lr stages.short.epochs|max_length|warmup|weight_decay|schedule|batch",
        ),
        reported(
            _FROM_LMM, "stages.long.tune.*.lr stages.long.max_steps|max_length|warmup|weight_decay|schedule|batch",
            "500 steps are 64,000 rows; the script starts from the short-tuned model, its limit overrides its one epoch",
        ),
        assumed(_OURS, "stages.*.replay|vocabulary"),
        unknown(f"{_NDINO}; {_NEXT_ALIGN} does not say how many GPUs", "stages.align.batch"),
        unknown(_NDINO, "stages.*.cost"),
    ),
)  # fmt: skip

# NDiNO's question is whether adapting the language first (PT) is worth it: seven models, all from the aligned projector.
SEVEN = {
    "PT": ("align", "adapt"),
    "IT": ("align", "short"),
    "PT+IT": ("align", "adapt", "short"),
    "LONG": ("align", "long"),
    "PT+LONG": ("align", "adapt", "long"),
    "IT+LONG": ("align", "short", "long"),
    "PT+IT+LONG": ("align", "adapt", "short", "long"),
}


def seven() -> dict[str, Recipe]:
    """NDiNO's seven models, each a recipe of its own name, so that none writes over another's stages."""
    return {name: dataclasses.replace(LLAVA_NDINO.only(*stages), name=f"llava-ndino-{name.lower()}") for name, stages in SEVEN.items()}


# --- AMALIA-VL (European Portuguese): arXiv 2606.19100.
_CARD = "AMALIA-VL multimodal model card (AMALIA documentation)"
_HUB = "the card of amalia-llm/AMALIA-VL-DPO"
_NOT_FOUND = "abstract of arXiv 2606.19100 and the model cards; not read: the code in AMALIA-LLM/amalia-vl-sft and amalia-vl-dpo"

AMALIA_VL = Recipe(
    name="amalia-vl",
    shape="amalia-llm/AMALIA-VL-SFT",
    start="a vision encoder and AMALIA-9B",
    vision="SigLIP class, 384 pixels",
    connector="MLP of two layers",
    llm="AMALIA-9B (pt-PT)",
    image="tiles, at most 7,800 tokens a picture",
    machine="MareNostrum 5, H100",
    stages=(
        Stage(
            "align", "PD12M captions, part of them translated to pt-PT", {"projector": Tune("full", None)}, prompt=None, epochs=None,
            max_steps=2000, max_length=None, warmup=None, weight_decay=None, schedule=None, replay=None, rows=500_000, cost="4 h on 8 H100",
        ),
        Stage(
            "instruct", "English visual instructions, OCR, documents, charts, maths, synthetic pt-PT, text-only replay",
            {part: Tune("full", None) for part in ("vision", "projector", "llm", "embeddings")}, prompt=None, epochs=None, max_steps=49_000,
            max_length=16_384, warmup=None, weight_decay=None, schedule=None, replay=None, cost="96 h on 128 H100", vocabulary="aligned",
        ),
        Stage(
            "prefer", "preference pairs: MMPR v1.2 and synthetic", None, prompt=None, objective="preference", epochs=None, max_length=None,
            warmup=None, weight_decay=None, schedule=None, replay=None, cost="12 h on 128 H100",
        ),
    ),
    source="AMALIA-VL, arXiv 2606.19100, and its model cards",
    facts=(
        reported("abstract of arXiv 2606.19100", "start llm"),
        assumed(f"{_CARD}: 384 pixels, mean and deviation 0.5, as SigLIP; the encoder's name was not found", "vision"),
        assumed(f"{_CARD}: it loads as LlavaNextForConditionalGeneration, whose connector is this; the abstract says learned connector", "connector"),
        reported(_CARD, "image machine stages.*.objective|optional"),
        reported(_CARD, "stages.align.tune|data|rows|max_steps|cost stages.align.tune.*.how"),
        reported(_CARD, "stages.instruct.tune|data|max_steps|max_length stages.instruct.tune.*.how"),
        assumed(f"{_CARD}; {_HUB} says 96 h and 8 h on 64 H100", "stages.instruct|prefer.cost"),
        assumed(f"an earlier {_CARD}; a later one names the synthetic pairs alone", "stages.prefer.data"),
        assumed(_OURS, "stages.*.vocabulary"),
        unknown(_NOT_FOUND, "stages.*.prompt|replay|batch|schedule|warmup|weight_decay stages.align|instruct.tune.*.lr"),
        unknown(_NOT_FOUND, "stages.align.max_length stages.instruct.rows stages.prefer.tune|rows|epochs|max_length|beta|chosen"),
    ),
)  # fmt: skip

# --- mBLIP: Geigle et al. 2024, arXiv 2307.06930; code: gregor-ge/mBLIP.
_MBLIP = "mBLIP, arXiv 2307.06930"
_README = "gregor-ge/mBLIP README.md"
_YAML = "gregor-ge/mBLIP configs/experiment/mblip_instruct.yaml"
_MIX = "mix v2: Web CapFilt and COCO captions, LLaVA detail and conversation, VQAv2, A-OKVQA, caption matching, ImageNet labels; 96 languages"


def _instruct(data: str = _MIX) -> Stage:
    return Stage(
        "instruct", data,
        {
            "resampler": Tune("full", 1e-5),
            "projector": Tune("full", 1e-5),
            "llm": Tune("lora", 2e-4, rank=8, alpha=16, dropout=0.05),
        },
        prompt="mblip", epochs=2, max_length=288, warmup=None, warmup_steps=1000, weight_decay=0.1, batch=128, replay=0.438,
    )  # fmt: skip


_MBLIP_FACTS = (
    reported(f"{_MBLIP}; {_README}", "start vision connector llm image"),
    reported(_README, "machine stages.*.data|batch|weight_decay stages.*.optional", "4 GPUs, their kind is not told"),
    reported(_README, "stages.*.tune stages.*.tune.*.how stages.instruct.tune.*.lr"),
    reported(_YAML, "stages.instruct.tune.llm.rank|alpha|dropout stages.*.warmup_steps|schedule"),
    reported("gregor-ge/mBLIP src/tasks/vllm/data.py", "stages.*.objective|prompt", "instruction and answer, no roles; the loss is on the answer and its end token"),
    assumed(f"{_README}; the default in mblip_instruct.yaml is one epoch", "stages.instruct.epochs"),
    assumed(
        "gregor-ge/mBLIP configs/datamodule/mblip_train.yaml", "stages.*.max_length",
        "it cuts question and answer at 128 tokens each; with 32 picture tokens that is 288",
    ),
    assumed(
        "languages are drawn by their share in mC4: 43.8 % English; A-OKVQA, which is English only, is not counted", "stages.*.replay",
    ),
    assumed(_OURS, "stages.*.vocabulary"),
    unknown(f"{_MBLIP}; {_README}", "stages.instruct.rows stages.*.cost"),
)  # fmt: skip

MBLIP = Recipe(
    name="mblip",
    shape="Gregor/mblip-mt0-xl",
    start="BLIP-2 (Flan-T5-XL) without its language model, and mT0-XL",
    vision="EVA ViT-g/14, 224 pixels",
    connector="Q-Former with 32 queries, then one linear layer",
    llm="mT0-XL, 3.7B, encoder-decoder, loaded in 8 bits",
    image="one view, 32 tokens before the text",
    machine="4 GPUs",
    stages=(
        Stage(
            "warmup", "Web CapFilt captions, machine-translated", {"projector": Tune("full", 5e-3)}, prompt="mblip", epochs=None, max_steps=8000,
            max_length=288, warmup=None, warmup_steps=1000, weight_decay=0.1, batch=128, replay=0.438, rows=2_273_005, optional=True,
        ),
        _instruct(),
    ),
    source="Geigle et al. 2024, mBLIP, arXiv 2307.06930; code gregor-ge/mBLIP",
    facts=(
        *_MBLIP_FACTS,
        reported(_README, "stages.warmup.rows|max_steps"),
        assumed(
            f"{_README}; the module that mblip_instruct.yaml names would give the projection 1e-5 (blip_grouped_optimizer.py)",
            "stages.warmup.tune.projector.lr",
        ),
    ),
)  # fmt: skip

# The decoder-only shape starts from a random projection: its README line has no warm-up checkpoint.
MBLIP_BLOOMZ = Recipe(
    name="mblip-bloomz",
    shape="Gregor/mblip-bloomz-7b",
    start="BLIP-2 (Flan-T5-XL) without its language model and projection, and BLOOMZ-7b1",
    vision=MBLIP.vision,
    connector=MBLIP.connector,
    llm="BLOOMZ-7b1, decoder, loaded in 4 bits",
    image=MBLIP.image,
    machine=MBLIP.machine,
    stages=(_instruct(),),
    source=MBLIP.source,
    facts=_MBLIP_FACTS,
)

# All systems that the course describes and trains.
SYSTEMS = {recipe.name: recipe for recipe in (LLAVA_PT, LLAVA_NDINO, AMALIA_VL, MBLIP, MBLIP_BLOOMZ)}


def system(name: str) -> Recipe:
    """The described system of that name, trainable here or not; raises UserError naming the valid ones."""
    if name not in SYSTEMS:
        raise UserError(f"the system {name!r} is unknown; use one of: {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


_MARKS = {"reported": "", "assumed": "(assumed)", "unknown": "(unknown)"}


def _marked(cells: list[tuple[str, str]]) -> str:
    """Texts as one cell, each with its doubt behind it; where nothing is known, that is all there is to say."""
    if all(status == "unknown" for _, status in cells):
        return _MARKS["unknown"]
    return ", ".join(f"{text} {_MARKS[status]}".strip() for text, status in cells)


def _learns(stage: Stage, rows: dict[str, dict]) -> str:
    cells = []
    for part, tune in (stage.tune or {"": None}).items():
        statuses = {rows[field]["status"] for field in ("tune", f"tune.{part}.how") if field in rows}
        text = f"{part} by LoRA r {tune.rank}" if tune and tune.how == "lora" else part
        cells.append((text, next(s for s in ("unknown", "assumed", "reported") if s in statuses)))
    return _marked(cells)


def _rates(stage: Stage, rows: dict[str, dict]) -> str:
    lr = lambda rate: "" if rate is None else f" {rate:.0e}".replace("e-0", "e-")  # noqa: E731
    cells = [(f"{part}{lr(tune.lr)}", rows[f"tune.{part}.lr"]["status"]) for part, tune in (stage.tune or {}).items()]
    return _marked(cells or [("", "unknown")])


def _told(field: str, unit: str = "") -> Callable[[object, dict], str]:
    def cell(_: object, rows: dict[str, dict]) -> str:
        value = rows[field]["value"]
        text = f"{value:,}{unit}" if isinstance(value, int) else f"{value}{unit}"
        return _marked([(text, rows[field]["status"])])

    return cell


def _run(stage: Stage, rows: dict[str, dict]) -> str:
    if stage.max_steps is not None:
        return _told("max_steps", " steps")(stage, rows)
    return _told("epochs", " epoch" if stage.epochs == 1 else " epochs")(stage, rows)


_PER_STAGE = {
    "what learns": _learns, "rates": _rates, "prompt": _told("prompt"), "data": _told("data"), "sizes": _told("rows", " rows"),
    "run": _run, "batch": _told("batch", " rows"), "cost": _told("cost"),
}  # fmt: skip


def _of_stage(rows: dict[str, dict], stage: Stage) -> dict[str, dict]:
    start = f"stages.{stage.name}."
    return {field.removeprefix(start): row for field, row in rows.items() if field.startswith(start)}


def side_by_side(recipes: Iterable[Recipe]) -> list[dict]:
    """One row per question ("what") with a cell per recipe; each cell says (assumed) or (unknown) where it is so.

    Raises ValueError for a recipe whose facts are not whole; see `provenance`.
    """
    recipes = list(recipes)
    facts = {r.name: {row["field"]: row for row in provenance(r)} for r in recipes}

    def row(what: str, cell: Callable[[Recipe], str]) -> dict:
        return {"what": what, **{r.name: cell(r) for r in recipes}}

    def whole(what: str) -> dict:
        return row(what, lambda r: _told(what)(r, facts[r.name]))

    def staged(what: str, cell: Callable[[Stage, dict], str]) -> dict:
        return row(what, lambda r: " · ".join(f"{s.name}: {cell(s, _of_stage(facts[r.name], s))}" for s in r.stages))

    stages = row("stages", lambda r: ", ".join(s.name + (" (optional)" if s.optional else "") for s in r.stages))
    parts = [whole(what) for what in ("start", "vision", "connector", "llm", "image")]
    return [*parts, stages, *(staged(what, cell) for what, cell in _PER_STAGE.items()), whole("machine")]
