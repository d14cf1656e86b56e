"""The tables that `python -m utils score` prints."""

import math

POPE = ("precision", "recall", "f1", "yes_ratio", "gold_yes_ratio")


def text_of(result: dict) -> str:
    """A result of `score.score` as lines: the headline first, the other reading beside it, every share with its interval."""
    lines = [f"{result['task']}, gold {result['gold']}, language {result['language']}"]
    for file in result["files"]:
        lines += ["", f"{file['file']}: {headline(result, file)}"]
        lines += _LINES[result["task"]](result, file)
    for name, found in result.get("compared", {}).items():
        lines += ["", f"second minus first, {name} ({found['items']} items" + (f", {found['left_out']} left out)" if found["left_out"] else ")")]
        lines += _compared(found)
    return "\n".join(lines).encode("utf-8", "backslashreplace").decode("utf-8")  # a group's name may hold half a character


def plain(value: object) -> object:
    """The same as JSON has it: infinity and not-a-number, which JSON lacks, as the texts "inf" and "nan"."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def headline(result: dict, file: dict) -> str:
    """The one figure that names a file, in words."""
    name = result["headline"]
    if result["task"] == "exact-match":
        return f"{name} {_share(file[name])}"
    if result["task"] == "pope":
        return f"{name} accuracy {_share(file[name]['accuracy'])}, F1 {file[name]['f1']:.3f}"
    if result["task"] == "perplexity":
        return f"perplexity per character {_number(file['all']['per_character']['corpus'])} over all {file['all']['items']} answers"
    whole = file["splits"]["all"]
    return f"{name} {_percent(whole[name])} [{whole[f'{name}_low']:.1%}–{whole[f'{name}_high']:.1%}] of {whole['items']}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _share(found: dict) -> str:
    text = f"{found['share']:.1%} [{found['low']:.1%}–{found['high']:.1%}] ({found['right']} of {found['total']})"
    return text + (f", mean score {found['mean']:.1%}" if "mean" in found else "")


def _said(file: dict) -> list[str]:
    told = ", ".join(f"{name} {count}" for name, count in file["languages"].items())
    return [f"  empty answers {file['empty']}; answered in: {told or 'nothing'}"]


def _exact(result: dict, file: dict) -> list[str]:
    lines = [f"  {name:8} {_share(file[name])}" for name in ("strict", "relaxed")] + _said(file)
    for group, found in file.get("groups", {}).items():
        lines.append(f"  {group}: strict {_share(found['strict'])}; relaxed {_share(found['relaxed'])}")
    return lines


def _pope(result: dict, file: dict) -> list[str]:
    lines = []
    for name in ("strict", "relaxed"):
        found = file[name]
        told = ", ".join(f"{key.replace('_', ' ')} {found[key]:.3f}" for key in POPE)
        lines.append(f"  {name:8} accuracy {_share(found['accuracy'])}, {told}, unreadable {found['unreadable']}")
    return lines + _said(file)


def _perplexity(result: dict, file: dict) -> list[str]:
    lines = []
    for name, told in (("all", "all"), ("within", f"at most {file['limit']:g}")):
        group = file[name]
        values = ", ".join(f"{unit.replace('_', ' ')} {_number(group[unit]['corpus'])} (mean of items {_number(group[unit]['mean'])})"
                           for unit in ("per_token", "per_character"))  # fmt: skip
        lines.append(f"  {told}: {group['items']} answers, {values}")
    counts = {
        "over the limit": len(file["outliers"]),
        "infinite": file["infinite"],
        "empty": len(file["empty"]),
        "no number": len(file["not_a_number"]),
    }
    return [*lines, "  " + ", ".join(f"{name} {count}" for name, count in counts.items())]


def _admire(result: dict, file: dict) -> list[str]:
    lines = []
    for split, found in file["splits"].items():
        shares = [name for name in ("top1", "item", "type") if name in found]
        told = ", ".join(f"{name} {_percent(found[name])} [{found[f'{name}_low']:.1%}–{found[f'{name}_high']:.1%}]" for name in shares)
        gain = f", DCG {_number(found['dcg'])}" if "dcg" in found else ""
        lines.append(f"  {split:9} {found['items']:4} items: {told}{gain}")
    if file["unusable"]:
        lines.append(f"  unusable, counted as wrong (the official scorer gives -999): {'; '.join(file['unusable'][:10])}")
    return lines


def _compared(found: dict) -> list[str]:
    lines = []
    if "bootstrap" in found:
        gap = found["bootstrap"]
        lines.append(
            f"  second minus first {gap['difference']:+.4f} [{gap['low']:+.4f} to {gap['high']:+.4f}], paired bootstrap of {gap['rounds']} rounds"
        )
    if "mcnemar" in found:
        test = found["mcnemar"]
        lines.append(
            f"  right in both {test['both']}, only first {test['only_first']}, only second {test['only_second']}, in neither {test['neither']}"
        )
        lines.append(f"  McNemar exact p {test['exact_p']:.4g}; chi-square with continuity correction {test['chi2']:.3f}, p {test['chi2_p']:.4g}")
        if found["items_needed"]:
            lines.append(f"  for a power of 80 % at these rates: {found['items_needed']} items")
    return lines


_LINES = {"exact-match": _exact, "pope": _pope, "perplexity": _perplexity, "admire-a": _admire, "admire-b": _admire}
