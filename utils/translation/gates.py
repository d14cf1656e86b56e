"""Gates: what a machine can see of a bad translation without a reference. None of them sees a changed meaning."""

import math
import re
from collections import Counter

from utils.corpus.conversations import IMAGE_TOKEN, MANGLED

LENGTH_LOW, LENGTH_HIGH = 0.45, 2.4  # target characters per source character, for sentences of over 40 characters
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]+")


def _digits(text: str) -> Counter:
    """Numbers with separators taken out, so that 1,500 and 1.500 agree."""
    return Counter(re.sub(r"[.,]", "", number) for number in _NUMBER.findall(text))


def sentence_reasons(source: str, target: str) -> list[str]:
    """Why one translated sentence cannot be right; an empty list when nothing is seen."""
    if not target.strip():
        return ["empty"]
    reasons = []
    # Names and loan words stay as they are; a whole clause does not.
    if target.strip() == source.strip() and len(_WORD.findall(source)) >= 4:
        reasons.append("copy of the source")
    if _digits(source) != _digits(target):
        reasons.append("numbers differ")
    if len(source) > 40 and not LENGTH_LOW <= len(target) / len(source) <= LENGTH_HIGH:
        reasons.append("length out of band")
    if "\n" in target or IMAGE_TOKEN in target or any(form in target for form in MANGLED):
        reasons.append("markup appeared")
    if _loops(target) and not _loops(source):
        reasons.append("repeats itself")
    if "\ufffd" in target or re.search(r"Ã[©£¡§³µ]", target):
        reasons.append("broken characters")
    return reasons


def _loops(text: str) -> bool:
    """True when one run of three words stands at least four times."""
    words = _WORD.findall(text.lower())
    runs = Counter(tuple(words[i : i + 3]) for i in range(len(words) - 2))
    return max(runs.values(), default=0) >= max(4, math.ceil(len(words) / 12))


def turn_reasons(source: str, target: str) -> list[str]:
    """Why a whole turn is broken: image tokens or line breaks changed in number or place."""
    reasons = []
    if [m.group() for m in re.finditer(r"<image>|\n", source)] != [m.group() for m in re.finditer(r"<image>|\n", target)]:
        reasons.append("image token or line breaks moved")
    if source.startswith(IMAGE_TOKEN) != target.startswith(IMAGE_TOKEN) or source.endswith(IMAGE_TOKEN) != target.endswith(IMAGE_TOKEN):
        reasons.append("image token changed sides")
    return reasons
