"""LLaVA-NDiNO's question from the kept answers of its seven models: does language pre-training help? Differences with intervals, tests, a sentence."""

import functools
import math
from collections.abc import Sequence

from utils.evaluation.measures import pope
from utils.evaluation.perplexity import summary
from utils.evaluation.significance import holm, mcnemar

# Without and with the stage that adapts to the language; the paper tests the same pairs.
PAIRS = (("IT", "PT+IT"), ("LONG", "PT+LONG"), ("IT+LONG", "PT+IT+LONG"))
SETS = ("words", "sentences")  # right answers for perplexity: short ones, as MTVQA's, and whole sentences, as LLaVA-Bench's
LIMIT = 1000.0  # reported: swap-uniba/LLaVA-NDiNO, evaluate_ppl.py leaves out samples above it, uncounted; here they are counted
ROUNDS, LEVEL = 10_000, 0.95


def crossed(first, second, rounds: int = ROUNDS, seed: int = 0, level: float = LEVEL) -> dict:
    """`difference` of two means, second minus first, with its bootstrap interval from `low` to `high` over seeds and questions alike.

    `first` and `second` are arrays of seeds × questions in the same order; NaN is a skipped value, and each mean is over what its own
    model has. Each round draws questions and, independently, seeds with replacement (the pigeonhole bootstrap: Owen 2007, Annals of
    Applied Statistics 1:386), both models with the same draw. One seed fewer is drawn than there are, which undoes the narrowness of few seeds
    (McCarthy and Snowden 1985, Vital and Health Statistics 2:95); three seeds still are few. With one seed the interval holds
    for that seed alone. Where a model has no value `difference`, `low` and `high` are None.
    """
    import numpy as np

    pair = np.stack([np.asarray(first, dtype=float), np.asarray(second, dtype=float)])
    known = np.isfinite(pair)
    values = np.where(known, pair, 0.0)
    if not known.any(axis=(1, 2)).all():
        return {"difference": None, "low": None, "high": None}
    means = values.sum(axis=(1, 2)) / known.sum(axis=(1, 2))
    often, who = _draws(*pair.shape[1:], rounds, seed)
    total, count = (np.einsum("rs,msr->mr", who, part @ often.T) for part in (values, known.astype(float)))
    drawn = (count > 0).all(axis=0)  # a round may draw skipped values alone
    gaps = total[1, drawn] / count[1, drawn] - total[0, drawn] / count[0, drawn]
    low, high = np.quantile(gaps, [(1 - level) / 2, (1 + level) / 2])
    return {"difference": float(means[1] - means[0]), "low": float(low), "high": float(high)}


@functools.lru_cache(maxsize=8)
def _draws(seeds: int, items: int, rounds: int, seed: int) -> tuple:
    """How often each round draws each question, and each seed: arrays of rounds × questions and of rounds × seeds."""
    import numpy as np

    generator = np.random.default_rng(seed)
    often = generator.multinomial(items, np.full(items, 1 / items), rounds).astype(float)
    return often, generator.multinomial(max(1, seeds - 1), np.full(seeds, 1 / seeds), rounds).astype(float)


def _gap(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The difference of two means that leave NaN out, None where one has nothing."""
    means = [_mean([None if value != value else value for value in values]) for values in (first, second)]
    return None if None in means else means[1] - means[0]


def _runs(found: dict, language: str, model: str) -> list[dict]:
    """A model's runs by seed."""
    return sorted((run for run in found["models"] if (run["language"], run["model"]) == (language, model)), key=lambda run: run["seed"])


def models_of(found: dict) -> list[str]:
    return list(dict.fromkeys(run["model"] for run in found["models"]))


def types_of(found: dict) -> list[str]:
    return list(found["models"][0]["right"])


def bits(run: dict, kind: str = "all") -> list[int]:
    """1 for each question that a run has right, in order; of one type or of all."""
    return [int(bit) for name in (run["right"] if kind == "all" else (kind,)) for bit in run["right"][name]]


def perplexities(found: dict, run: dict, name: str) -> dict:
    """`perplexity.summary` of a run's right answers, "words" or "sentences": what is over the paper's limit is skipped in `within` and counted."""
    told = found["asked"][run["language"]]
    nats = [float(value) for value in run["nats"][name].split()]
    return summary(list(zip(nats, told["tokens"][name], told["characters"][name], strict=True)), LIMIT)


def _kept(found: dict, run: dict, name: str) -> list[float]:
    """Each right answer's perplexity; NaN where the paper skips it."""
    return [math.exp(nats) if nats <= math.log(LIMIT) else math.nan for nats in _nats(found, run, name)]


def _nats(found: dict, run: dict, name: str) -> list[float]:
    """Each right answer's nats a token, the logarithm of its perplexity: of every answer, nothing skipped."""
    return [float(nats) / tokens for nats, tokens in zip(run["nats"][name].split(), found["asked"][run["language"]]["tokens"][name], strict=True)]


def pope_of(found: dict, run: dict) -> dict:
    """POPE's measures of a run; see `measures.pope`."""
    letters = {"y": True, "n": False, "?": None}
    return pope([letters[one] for one in found["asked"][run["language"]]["pope"]], [letters[one] for one in run["pope"]])


def _mean(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) / len(told) if told else None


def baseline(found: dict, language: str) -> float:
    """The share that always giving each type's commonest answer gets right; every type has as many questions."""
    return sum(found["asked"][language]["baseline"].values()) / len(types_of(found))


def rows(found: dict) -> list[dict]:
    """A row for each language and model, means over its seeds: share right, POPE, perplexity as the paper means it, and what it skips.

    `baseline` is what always giving each type's commonest answer gets, `least` and `most` are the worst and the best seed's share right. `skipped` counts answers over the limit, all seeds together; a
    perplexity is None where every answer is over it. `words per answer` shows whether an answer of one word was still given.
    """
    told = []
    for language in found["languages"]:
        for model in models_of(found):
            some = _runs(found, language, model)
            shares = [sum(bits(run)) / len(bits(run)) for run in some]
            seen = [pope_of(found, run) for run in some]
            row = {"language": language, "model": model, "seeds": len(some), "baseline": baseline(found, language)}
            row |= {"right": _mean(shares), "least": min(shares), "most": max(shares)}
            row |= {"POPE accuracy": _mean([one["accuracy"]["share"] for one in seen]), "POPE F1": _mean([one["f1"] for one in seen])}
            row |= {"POPE yes ratio": _mean([one["yes_ratio"] for one in seen]), "POPE unreadable": sum(one["unreadable"] for one in seen)}
            for name in SETS:
                each = [perplexities(found, run, name) for run in some]
                row |= {f"perplexity, {name}": _mean([one["within"]["per_token"]["mean"] for one in each])}
                row |= {f"skipped, {name}": sum(len(one["outliers"]) for one in each), f"answers, {name}": sum(one["items"] for one in each)}
            row["in language"] = _mean([run["in_language"] / len(bits(run)) for run in some])
            told.append(row | {"words per answer": _mean([run["words"] / len(bits(run)) for run in some])})
    return told


def by_type(found: dict, language: str) -> list[dict]:
    """A row for each type of question: the share right of each model, mean over seeds."""
    shares = lambda model, kind: [sum(b) / len(b) for run in _runs(found, language, model) for b in [bits(run, kind)]]  # noqa: E731
    return [{"type": kind} | {model: _mean(shares(model, kind)) for model in models_of(found)} for kind in (*types_of(found), "all")]


def differences(found: dict) -> list[dict]:
    """A row for each language, pair and measure: with language pre-training minus without, its interval by `crossed`, and the difference by seed.

    Measures: "exact match" and "POPE" in shares; for right answers of "words" and "sentences" the "perplexity" as the paper means it (mean
    of the answers at most at the limit; `skipped` are the others, without and with) and the "log perplexity", in nats a token, of all
    answers: a mean that skips what is too hard favours a model that fails often. "verdict" is helps, hurts or "no difference
    shown"; less perplexity is better.
    """
    told = []
    for language in found["languages"]:
        for pair in PAIRS:
            without, adapted = (_runs(found, language, model) for model in pair)
            measures = {"exact match": bits, "POPE": lambda run: _seen(found, run)}
            measures |= {f"perplexity, {name}": lambda run, name=name: _kept(found, run, name) for name in SETS}
            measures |= {f"log perplexity, {name}": lambda run, name=name: _nats(found, run, name) for name in SETS}
            for measure, of in measures.items():
                first, second = ([of(run) for run in some] for some in (without, adapted))
                row = {"language": language, "pair": f"{pair[1]} − {pair[0]}", "measure": measure, **crossed(first, second)}
                row["by_seed"] = [_gap(a, b) for a, b in zip(first, second, strict=True)]
                row["skipped"] = [sum(value != value for one in some for value in one) for some in (first, second)]
                told.append(row | {"verdict": _verdict(row)})
    return told


def _seen(found: dict, run: dict) -> list[int]:
    """1 for each of POPE's questions that a run has right."""
    return [int(a == b) for a, b in zip(found["asked"][run["language"]]["pope"], run["pope"], strict=True)]


def _verdict(row: dict) -> str:
    if row["difference"] is None or row["low"] <= 0 <= row["high"]:
        return "no difference shown"
    return "helps" if (row["difference"] > 0) == ("perplexity" not in row["measure"]) else "hurts"


def paired_tests(found: dict) -> list[dict]:
    """A row for each language, pair and seed: McNemar's counts, its exact p, chi-square with continuity correction, and p by Holm.

    Holm's correction is over the three pairs of a language and seed. Seeds answer the same questions, so they are not added up.
    """
    told = []
    for language in found["languages"]:
        for seed in found["seeds"]:
            run = {model: next(one for one in _runs(found, language, model) if one["seed"] == seed) for pair in PAIRS for model in pair}
            each = {f"{second} − {first}": mcnemar(bits(run[first]), bits(run[second])) for first, second in PAIRS}
            corrected = holm({name: test["exact_p"] for name, test in each.items()})
            told += [{"language": language, "seed": seed, "pair": name, **test, "p": corrected[name]["adjusted"]} for name, test in each.items()]
    return told


HEADS = {
    "exact match": "exact match",
    "perplexity, words": "perplexity of short answers, as the paper means it",
    "log perplexity, words": "perplexity of short answers, none skipped",
    "perplexity, sentences": "perplexity of whole sentences, as the paper means it",
    "log perplexity, sentences": "perplexity of whole sentences, none skipped",
}


def answer(found: dict, language: str) -> list[str]:
    """The paper's question answered for a language: a sentence for exact match and for each perplexity, from the verdicts of `differences`."""
    from utils.languages import LANGUAGES

    told, every = [], [row for row in differences(found) if row["language"] == language]
    tested = [row for row in paired_tests(found) if row["language"] == language]
    for measure, name in HEADS.items():
        some = [row for row in every if row["measure"] == measure]
        shown = "; ".join(f"{row['pair']} {figure(row)}{_skipped(row)}: {row['verdict']}" for row in some)
        text = f"{name}, {LANGUAGES[language].prompt_name}, scale {found['scale']}: language pre-training {whole(some)} ({shown})"
        if measure == "exact match":
            text += f"; {_above(found, language)}; McNemar's exact p, Holm-corrected, is below 0.05 in {sum(row['p'] < 0.05 for row in tested)} of {len(tested)} tests"
        told.append(text)
    return [*told, lowest(found, language), caution(found)]


def caution(found: dict) -> str:
    """What no interval holds: the models with language pre-training also trained longer, in the paper as here."""
    steps = found["budget"]["steps"]
    return (
        f"models with language pre-training trained {steps['adapt']} steps more (short stage {steps['short']}, long stage {steps['long']}); "
        "none without it trained as long on something else, in the paper as here"
    )


def lines(found: dict) -> list[dict]:
    """The rows of `differences` as text for a table."""
    return [
        {
            "language": row["language"],
            "pair": row["pair"],
            "measure": row["measure"],
            "difference": figure(row),
            "by seed": ", ".join("–" if one is None else figure(row | {"difference": one}).split(" [")[0] for one in row["by_seed"]),
            "skipped without, with": f"{row['skipped'][0]}, {row['skipped'][1]}",
            "verdict": row["verdict"],
        }  # fmt: skip
        for row in differences(found)
    ]


def _above(found: dict, language: str) -> str:
    """How many models know more than the commonest answer: among models that do not, a difference says little."""
    shares = [row["right"] for row in rows(found) if row["language"] == language]
    base = baseline(found, language)
    count = sum(share > base for share in shares)
    text = f"{count or 'none'} of {len(shares)} models beat{'' if count > 1 else 's'} always giving the commonest answer ({100 * base:.1f} %)"
    return text if count else f"{text}, so exact match says little here"


def _skipped(row: dict) -> str:
    return f", skipped answers: {row['skipped'][1]} with, {row['skipped'][0]} without" if any(row["skipped"]) else ""


def lowest(found: dict, language: str) -> str:
    """Which model is least surprised, as the paper asks: there the long-tuned one by long answers and the short-tuned one by short ones."""
    some = [row for row in rows(found) if row["language"] == language]
    best = {name: min((row for row in some if row[f"perplexity, {name}"]), key=lambda row: row[f"perplexity, {name}"]) for name in SETS}
    return "lowest perplexity: " + ", ".join(f"{best[name]['model']} ({best[name][f'perplexity, {name}']:.1f}) on {name}" for name in SETS)


def whole(some: Sequence[dict]) -> str:
    """One verdict for several pairs: helps or hurts where at least one pair does and none says the opposite."""
    verdicts = [row["verdict"] for row in some]
    if "helps" in verdicts and "hurts" in verdicts:
        return "helps some models and hurts others"
    for word in ("helps", "hurts"):
        if word in verdicts:
            count = verdicts.count(word)
            return f"{word} in {count} of {len(verdicts)} pairs" + ("" if count == len(verdicts) else ", elsewhere no difference shown")
    return "makes no difference that is shown"


def figure(row: dict) -> str:
    """A difference with its interval: shares in points, perplexities as they are, logarithms as a factor."""
    if row["difference"] is None:
        return "has no value, for every answer of a model is over the limit"
    if row["measure"].startswith("log"):
        gap, low, high = (math.exp(row[key]) for key in ("difference", "low", "high"))
        return f"× {gap:.2f} [{low:.2f}, {high:.2f}]"
    factor, unit = (1, "") if row["measure"].startswith("perplexity") else (100, " points")
    return f"{factor * row['difference']:+.1f}{unit} [{factor * row['low']:+.1f}, {factor * row['high']:+.1f}]"
