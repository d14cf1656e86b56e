"""Which claims of the survey hold at this size, which do not, which cannot be tested: decided by the study's numbers, in words."""

from collections.abc import Callable

from utils.taxonomy.measure import Cost
from utils.taxonomy.results import curves, drawing, fusions_of, growth, label, mean, overall, runs_of, sounds

HOLDS, FAILS, OPEN = "holds here", "does not hold here", "cannot be tested here"
ONE_SIZE = "all five have one size; a claim about larger models needs larger models"
NAMES = {"A": "cross_attention", "B": "visual_expert", "C": "projector", "D": "one_vocabulary", "SSM": "state_space"}
Verdict = tuple[str, str]


def _either(true: bool, words: str) -> Verdict:
    return (HOLDS if true else FAILS), words


def _operations(costs: dict[str, Cost], letter: str) -> float:
    return costs[NAMES[letter]].flops / 1e6


def _costs(costs: dict[str, Cost]) -> dict[str, Verdict]:
    """Operations and parameters of one answer, type against type."""
    ops = {letter: _operations(costs, letter) for letter in "ABCD"}
    size = {letter: costs[NAMES[letter]].parameters for letter in "ABCD"}
    every = ", ".join(f"{letter} {value:.0f}" for letter, value in ops.items()) + " million operations for a question"
    sizes = ", ".join(f"{letter} {value / 1e6:.2f}" for letter, value in size.items()) + " million parameters"
    learn = costs[NAMES["D"]].trained / costs[NAMES["D"]].parameters
    return {
        "A.cost": _either(ops["A"] > ops["C"], f"{every}; A's own sequence is {costs[NAMES['A']].sequence} tokens, C's {costs[NAMES['C']].sequence}"),
        "B.cost": _either(ops["B"] < ops["A"], every),
        "C.cost": _either(ops["C"] == min(ops.values()), every),
        "D.cost": _either(abs(ops["D"] / ops["A"] - 1) < 0.15, every + "; comparable: within 15 %"),
        "A.parameters": _either(size["A"] > size["C"], sizes),
        "B.parameters": _either(size["C"] < size["B"] < size["A"], sizes),
        "C.parameters": _either(size["C"] == min(size.values()), sizes),
        "D.parameters": _either(size["D"] > size["C"], f"{sizes}; {learn:.0%} of D's learn, the picture tower does not"),
    }


def _adding(study: dict) -> dict[str, Verdict]:
    """The cost of a second modality: own lines of code, parameters added, and whether it is learnt."""
    found = {letter: sounds(study, name) for letter, name in NAMES.items() if name in fusions_of(study)}
    effort = lambda letter: found[letter]["added"]  # noqa: E731
    words = lambda letter: (  # noqa: E731
        f"{letter} {found[letter]['lines']} lines, {found[letter]['added']:,} parameters, sounds {found[letter]['share']:.0%} right "
        f"(majority {found[letter]['baseline']:.0%})"
    )
    beside = lambda *letters: "; ".join(map(words, letters))  # noqa: E731
    return {
        "A.adding": _either(effort("A") > effort("C") or found["A"]["lines"] > found["C"]["lines"], beside("A", "C")),
        "B.adding": _either(effort("B") < effort("A"), beside("B", "A")),
        "C.adding": _either(effort("C") == min(map(effort, found)), beside(*found)),
        "D.adding": _either(effort("D") > effort("C") and found["D"]["lines"] > found["C"]["lines"], beside("D", "C")),
    }


def _outputs(study: dict) -> dict[str, Verdict]:
    """Drawing, and what the tokenizer loses."""
    found = drawing(study, NAMES["D"])
    c, d = overall(study, NAMES["C"]), overall(study, NAMES["D"])
    none = "none of these modules writes a picture: nothing was built to do it"
    return {
        "D.output": _either(
            found["drawn"] >= 0.5, f"{found['drawn']:.0%} of the things in its drawings are recognised by a classifier that knows {found['real']:.0%} in real ones"
        ),
        "D.risk": _either(
            found["given_back"] < found["real"],
            f"{found['given_back']:.0%} recognised in what the tokenizer gives back, {found['real']:.0%} in the pictures; answers right: D {d['share']:.0%}, C {c['share']:.0%}",
        ),
        **{f"{letter}.output": (OPEN, none) for letter in "ABC"},
    }  # fmt: skip


def _layers(new_parts: dict[str, int]) -> dict[str, Verdict]:
    """Whether the language model's own layers had to change: counted in the real modules."""
    words = lambda letter: f"{new_parts[letter]} parts of the fusion's own stand inside the language model's layers"  # noqa: E731
    return {
        "A.internals": _either(new_parts["A"] > 0, words("A")),
        "B.internals": _either(new_parts["B"] > new_parts["A"], f"{words('B')}, {new_parts['A']} in type A"),
        "C.internals": _either(new_parts["C"] == 0, words("C")),
        "D.internals": _either(new_parts["D"] == 0, words("D") + "; its tokenizer had to be trained first"),
    }


def _state_space(study: dict, costs: dict[str, Cost]) -> dict[str, Verdict]:
    s, c = overall(study, NAMES["SSM"]), overall(study, NAMES["C"])
    longer = {letter: growth(study, NAMES[letter]) for letter in ("SSM", "C")}
    lengths = sorted({row["tokens"] for row in study["lengths"]})
    ms = {letter: 1000 * mean(run["answer_seconds"] for run in runs_of(study, NAMES[letter])) for letter in ("SSM", "C")}
    size = {letter: (costs[NAMES[letter]].parameters) for letter in ("SSM", "C")}
    return {
        "SSM.length": _either(
            longer["SSM"] < longer["C"] and longer["SSM"] < 1.25 * lengths[-1] / lengths[-2],
            f"from {lengths[-2]} to {lengths[-1]} tokens a row takes {longer['SSM']:.1f} times as long, in the Transformer {longer['C']:.1f} times",
        ),
        "SSM.speed": (OPEN, f"an answer takes {ms['SSM']:.0f} ms against C's {ms['C']:.0f}, but without the kernels that the claim is about"),
        "SSM.quality": _either(
            s["share"] >= c["low"],
            f"{s['share']:.0%} right against C's {c['share']:.0%} [{c['low']:.0%}–{c['high']:.0%}], with {size['SSM'] / size['C']:.0%} of its parameters",
        ),
        "SSM.risk": (OPEN, "the picture world has a closed vocabulary"),
        "SSM.precision": (OPEN, "everything ran in 32 bits"),
        "SSM.order": (OPEN, "only one direction was built; nothing to compare it with"),
    }


def _not_tested(study: dict) -> dict[str, Verdict]:
    points = curves(study)
    gain = lambda letter: points[label(study, NAMES[letter])][-1][1] - points[label(study, NAMES[letter])][0][1]  # noqa: E731
    grown = lambda letter: f"{ONE_SIZE}; from a quarter of the pictures to all it gains {100 * gain(letter):.0f} points"  # noqa: E731
    return {
        **{f"{letter}.scaling": (OPEN, grown(letter)) for letter in "ABCD"},
        **{f"{letter}.control": (OPEN, "the survey names no measure of control") for letter in "ABCD"},
        "A.risk": (OPEN, "complexity is no number"), "B.risk": (OPEN, "the effort of design is no number"),
        "C.risk": (OPEN, "that they meet only at the input is how C is built; that it hurts would show against A and B, which differ from it in more"),
    }  # fmt: skip


def verdicts(study: dict, costs: dict[str, Cost], new_parts: Callable[[str], int]) -> dict[str, Verdict]:
    """Claim id -> (holds, does not hold or cannot be tested; the numbers that say so). `new_parts` counts a fusion's own parts in the layers."""
    inside = {letter: new_parts(name) for letter, name in NAMES.items()}
    return _costs(costs) | _adding(study) | _outputs(study) | _layers(inside) | _state_space(study, costs) | _not_tested(study)


def tally(found: dict[str, Verdict]) -> dict[str, int]:
    """How many claims hold, fail and stay open."""
    return {which: sum(verdict == which for verdict, _ in found.values()) for which in (HOLDS, FAILS, OPEN)}
