"""A figure per fusion, drawn from the real module: its parts, their parameters, what learns, and where the picture meets the text."""

from dataclasses import dataclass

from utils.models.fusions.parts import FROZEN, Fusion

PARTS = {"vision_tower": "picture tower", "connector": "connector", "language": "language model"}
FILL = {"frozen": "#dfe3e8", "base": "#bcd9f2", "new": "#f7d19a"}


@dataclass(frozen=True)
class Box:
    """One box of a figure: a module's path, its class, its parameters, those that learn, and whether the fusion added it."""

    path: str
    cls: str
    parameters: int
    trained: int
    new: bool


def _box(model: Fusion, path: str, new: bool = False) -> Box:
    module = model.get_submodule(path)
    sizes = [(p.numel(), model.rate(f"{path}.{name}") > FROZEN) for name, p in module.named_parameters()]
    return Box(path, type(module).__name__, sum(n for n, _ in sizes), sum(n for n, learns in sizes if learns), new)


def boxes(model: Fusion) -> dict[str, list[Box]]:
    """The boxes of a fusion in three columns: the picture's side, the language model's stack from below, and what a layer holds.

    Found in the module itself: a child of the first layer that is no class of transformers' plain layer is the fusion's own.
    """
    core = model.language.base_model
    words = next(name for name, m in core.named_children() if m is model.language.get_input_embeddings())
    prefix = f"language.{model.language.base_model_prefix}"
    layers = [f"{prefix}.layers.{n}" for n in range(len(core.layers))]
    inside = [_box(model, f"{layers[0]}.{name}") for name, _ in core.layers[0].named_children()]
    own = [
        _box(model, f"{layers[0]}.{name}", new=True)
        for name, module in core.layers[0].named_modules()
        if name and (name.endswith((".expert", "gated", "mixer")) and type(module).__module__ != "torch.nn.modules.container")
    ]
    fresh = lambda path: any(b.path.startswith(path) for b in own)  # noqa: E731
    return {
        "picture": [_box(model, "vision_tower"), _box(model, "connector", new=not hasattr(model.connector, "linear_1"))],
        "language": [_box(model, f"{prefix}.{words}"), *[_box(model, layer) for layer in layers]],
        "layer": own or [b for b in inside if not fresh(b.path)],
    }


def _write(axes, box: Box, x: float, y: float, width: float, height: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    fill = FILL["frozen"] if not box.trained else FILL["new"] if box.new else FILL["base"]
    axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0.02,rounding_size=0.06", facecolor=fill, edgecolor="0.3", linewidth=1))
    head, _, name = box.path.rpartition(".")
    if name.isdigit():
        name = f"layer {name}"
    elif name == "expert":
        name = f"{head.rpartition('.')[2]}, expert"
    text = f"{PARTS.get(box.path, name)}\n{box.cls}\n{box.parameters:,} parameters"
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=7.5)


def _arrow(axes, start: tuple[float, float], end: tuple[float, float], text: str = "", bend: float = 0.0) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.25", "connectionstyle": f"arc3,rad={bend}", "linewidth": 1.2})
    if text:
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        axes.text(*middle, text, ha="center", va="center", fontsize=7.5, color="0.2", bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})


def figure(model: Fusion, module, scale: str = "tiny"):
    """A matplotlib figure of one fusion; `module` is its file, whose LETTER, TITLE and SLOTS the title tells."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    found, step, width, height = boxes(model), 1.0, 3.0, 0.78
    drawn = Figure(figsize=(10, 5.2), layout="constrained")
    axes = drawn.subplots()
    for number, box in enumerate(found["picture"]):
        _write(axes, box, 0, number * 1.6, width, height)
    if model.tower_looks:
        _arrow(axes, (1.5, height), (1.5, 1.6), "36 patches")
    else:
        axes.text(1.5, (height + 1.6) / 2, "(helps at the start only)", ha="center", va="center", fontsize=7.5, color="0.2")
        axes.text(1.5, 1.6 + height + 0.42, "pixels", ha="center", va="center", fontsize=7.5, color="0.2")
        _arrow(axes, (1.5, 1.6 + height + 0.34), (1.5, 1.6 + height))
    for number, box in enumerate(found["language"]):
        _write(axes, box, 4.4, number * step, width, height)
        if number:
            _arrow(axes, (5.9, number * step - step + height), (5.9, number * step))
    top = len(found["language"]) * step
    for number, box in enumerate(found["layer"]):
        _write(axes, box, 8.8, number * step, width, height)
    axes.text(8.8, -0.45, "own modules of layer 0:" if any(b.new for b in found["layer"]) else "inside layer 0 (unchanged):", fontsize=8, va="center")
    if module.SLOTS:
        _arrow(axes, (width, 1.6 + height / 2), (4.4, height / 2), f"{module.SLOTS} in the sequence")
    else:
        for number in range(1, len(found["language"])):
            _arrow(axes, (width, 1.6 + height / 2), (4.4, number * step + height / 2), "keys, values" if number == 3 else "")
    _arrow(axes, (5.9, -0.6), (5.9, 0))
    axes.text(5.9, -0.75, "words", ha="center", va="center", fontsize=8)
    axes.text(5.9, top + 0.1, "next word" + (" or picture code" if hasattr(model, "draw") else ""), ha="center", va="center", fontsize=8)
    _arrow(axes, (5.9, top - step + height), (5.9, top))
    axes.set(xlim=(-0.2, 12.1), ylim=(-1.0, top + 0.4))
    axes.axis("off")
    names = {"frozen": "frozen", "base": "learns", "new": "learns, added by the fusion"}
    drawn.legend(
        handles=[Patch(facecolor=FILL[key], edgecolor="0.3", label=text) for key, text in names.items()],
        loc="outside lower center",
        ncols=3,
        fontsize=8,
    )
    learns = sum(p.numel() for p in model.parameters() if p.requires_grad)
    axes.set_title(
        f"{module.LETTER}: {module.TITLE} · {sum(p.numel() for p in model.parameters()):,} parameters, {learns:,} learn · scale {scale}",
        fontsize=10,
        loc="left",
    )
    return drawn
