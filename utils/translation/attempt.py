"""Ask one engine: all texts in a batch, the failing ones once more alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from utils.languages import Language
from utils.translation.engines import engine
from utils.translation.engines.setup import Setup
from utils.translation.gates import Band, sentence_reasons


@dataclass(frozen=True)
class Voice:
    """An engine with its settings and the language it speaks; small enough to send to another machine."""

    name: str
    language: Language
    setup: Setup = field(default_factory=Setup)

    @property
    def id(self) -> str:
        """Engine, weights and version; raises UserError when something is missing."""
        return engine(self.name).engine_id(self.language.code, self.setup)


def attempt(texts: list[str], voice: Voice, band: Band) -> Iterator[tuple[str, str, list[str], int]]:
    """(text, translation, reasons against it, tries) for every text: the batch in order, then second tries of what failed."""
    module, code = engine(voice.name), voice.language.code
    failing = []
    for text, target in zip(texts, module.translate(texts, code, voice.setup), strict=True):
        reasons = sentence_reasons(text, target, voice.language, band)
        if reasons:
            failing.append(text)
        else:
            yield text, target, reasons, 1
    for text in failing:
        target = next(iter(module.translate([text], code, voice.setup)))
        yield text, target, sentence_reasons(text, target, voice.language, band), 2
