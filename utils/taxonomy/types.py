"""The survey's four types of fusion, and state-space models beside them, as records: how each fuses, and what is claimed of it.

Types, names and claims: Wadekar, Chaurasia, Chadha, Culurciello 2024, "The Evolution of Multimodal Model Architectures", arXiv 2405.17927,
in our words and as the thesis sums it up; the survey's own tables were not at hand. State-space models are its "next generation", no type of it.
"""

from dataclasses import dataclass

from utils.runs import UserError

SURVEY = "Wadekar et al. 2024, arXiv 2405.17927"
COBRA = "Cobra, arXiv 2403.14520"
VL_MAMBA = "VL-Mamba, arXiv 2403.13600"
ASPECTS = {
    "control": "control over the flow of information", "cost": "training data and compute", "parameters": "parameters that learn",
    "internals": "knowledge of the language model's insides", "adding": "adding a modality", "scaling": "scaling", "output": "output other than text",
    "risk": "main risk", "length": "cost of a longer sequence", "speed": "speed", "quality": "quality", "precision": "number format",
    "order": "order of patches",
}  # fmt: skip
SAYS = ("advantage", "limit")


@dataclass(frozen=True)
class Claim:
    """What a source says of a type in one aspect. Its id ("A.cost") is where a measurement is put beside it."""

    id: str
    says: str
    text: str
    source: str = SURVEY

    @property
    def aspect(self) -> str:
        return self.id.partition(".")[2]


@dataclass(frozen=True)
class Type:
    """A way to fuse a picture with text: code, the survey's short and long name, where and how they meet, sub-types and claims."""

    code: str
    short: str
    name: str
    where: str
    fuses: str
    subtypes: tuple[tuple[str, str], ...]
    claims: tuple[Claim, ...]

    @property
    def advantages(self) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.claims if claim.says == "advantage")

    @property
    def limits(self) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.claims if claim.says == "limit")


A = Type(
    "A", "SCDF", "Standard Cross-Attention based Deep Fusion", "inside the layers",
    "Text tokens look at the picture through ordinary cross-attention inside the language model; an encoder, often with a resampler, stays outside.",
    (("A.1", "cross-attention before self-attention"), ("A.2", "cross-attention after self-attention")),
    (
        Claim("A.control", "advantage", "fine, layer by layer"),
        Claim("A.cost", "limit", "high"),
        Claim("A.parameters", "limit", "many"),
        Claim("A.internals", "limit", "needed"),
        Claim("A.adding", "limit", "hard"),
        Claim("A.scaling", "limit", "hard"),
        Claim("A.output", "limit", "hard with an auto-regressive objective"),
        Claim("A.risk", "limit", "complexity and cost"),
    ),
)  # fmt: skip
B = Type(
    "B", "CLDF", "Custom Layer based Deep Fusion", "inside the layers",
    "Layers designed for the purpose fuse inside the language model: learned prompts behind a gate, experts for image tokens, partial LoRA.",
    (("B.1", "custom cross-attention"), ("B.2", "other learned layers: partial LoRA, mixture of experts")),
    (
        Claim("B.control", "advantage", "fine, through gates"),
        Claim("B.cost", "advantage", "lower than type A"),
        Claim("B.parameters", "advantage", "fewer than type A, more than type C"),
        Claim("B.internals", "limit", "needed, most of all types"),
        Claim("B.adding", "advantage", "easier than in type A, by gating"),
        Claim("B.scaling", "advantage", "better than type A"),
        Claim("B.output", "limit", "hard"),
        Claim("B.risk", "limit", "effort of design"),
    ),
)  # fmt: skip
C = Type(
    "C", "NTEF", "Non-Tokenized Early Fusion", "at the input",
    "An encoder's features pass a connector into the language model's input as continuous vectors; the model's layers stay as they are.",
    (("C.1", "linear layer or MLP"), ("C.2", "Q-Former and a linear layer"), ("C.3", "Perceiver resampler"), ("C.4", "a connector of its own")),
    (
        Claim("C.control", "limit", "weak"),
        Claim("C.cost", "advantage", "lowest of the four"),
        Claim("C.parameters", "advantage", "fewest"),
        Claim("C.internals", "advantage", "not needed"),
        Claim("C.adding", "advantage", "easiest: an encoder and a connector"),
        Claim("C.scaling", "advantage", "best of the four"),
        Claim("C.output", "limit", "hard without a decoder"),
        Claim("C.risk", "limit", "picture and text meet only at the input"),
    ),
)  # fmt: skip
D = Type(
    "D", "TEF", "Tokenized Early Fusion", "at the input",
    "A tokenizer turns each modality into discrete tokens of one vocabulary; the model reads and writes them like words.",
    (("D.1", "decoder only"), ("D.2", "encoder-decoder")),
    (
        Claim("D.control", "limit", "weak"),
        Claim("D.cost", "limit", "high, comparable with type A"),
        Claim("D.parameters", "limit", "many, often all"),
        Claim("D.internals", "advantage", "not needed, but tokenizers are"),
        Claim("D.adding", "limit", "hard: a new tokenizer"),
        Claim("D.scaling", "limit", "costly"),
        Claim("D.output", "advantage", "natural: one auto-regressive objective"),
        Claim("D.risk", "limit", "the tokenizer loses information"),
    ),
)  # fmt: skip
SSM = Type(
    "SSM", "SSM", "State-space models", "at the input",
    "Built like type C, with a Mamba in place of the Transformer: a state of constant size walks along the sequence.",
    (("SSM", "state-space language model"),),
    (
        Claim("SSM.length", "advantage", "grows linearly with the length"),
        Claim("SSM.speed", "advantage", "3 to 4 times faster than LLaVA-Phi and MobileVLM-v2, say its authors", COBRA),
        Claim("SSM.quality", "advantage", "comparable with LLaVA at 43 to 48 % of its parameters, say its authors", COBRA),
        Claim("SSM.risk", "limit", "weaker in open-vocabulary questions", COBRA),
        Claim("SSM.precision", "limit", "needs high numeric precision", COBRA),
        Claim("SSM.order", "limit", "reads in one direction, but patches have no natural order: hence scans in several directions", VL_MAMBA),
    ),
)  # fmt: skip
TYPES = (A, B, C, D, SSM)


def type_of(code: str, types: tuple[Type, ...] = TYPES) -> Type:
    """The type with this code; raises UserError for a code that is none."""
    for found in types:
        if found.code == code:
            return found
    raise UserError(f"type {code!r} is not known; use one of: {', '.join(t.code for t in types)}")
