"""Name what is wrong inside one text of a LLaVA row: a broken image token, reserved words, markers, lost characters."""

import re
from collections.abc import Iterator

from utils.languages import LANGUAGES

IMAGE_TOKEN = "<image>"
MEDIA = {"video": "video", "videos": "video", "audio": "sound", "audios": "sound"}
MANGLED = tuple(sorted({form for language in LANGUAGES.values() for form in language.manglings}, key=lambda form: (-len(form), form)))

_WORD = r"(?:images?|imagem|imagens|imagen|immagine|immagini)"
_LOOKS_MANGLED = re.compile(
    rf"(?:<|＜|‹|&lt;)\s*/?\s*{_WORD}[ _-]?\d*\s*/?\s*(?:>|＞|›|&gt;)"  # <imagem>, < image >, <IMAGE>, &lt;image&gt;, <image 1>
    rf"|(?:\b|[-–—]){_WORD}(?:>|＞|&gt;)(?=\s*$)|^[-–—]?\s?{_WORD}(?:>|＞|&gt;)"  # -imagem>, image> where a line begins or ends
    rf"|(?:<|＜|&lt;){_WORD}(?=\s*$)|^(?:<|＜|&lt;){_WORD}(?![\w-]|\s+\w+=)",  # <image where a line ends or begins
    re.IGNORECASE | re.MULTILINE,
)
# Used only where a row with a picture has no token, so that HTML and plain words are no alarm: [image], <foto>, a line "imagem".
_BRACKETED = rf"[\[({{«*]+\s*{_WORD}\s*[\])}}»*]+|[<＜]\s*[^\W\d_]{{2,20}}\s*[>＞]"
_LOST_TOKEN = re.compile(rf"\A(?:{_BRACKETED})|(?:{_BRACKETED})\Z|\A{_WORD}[ \t]*[.:]?(?=\s*\n)|(?<=\n){_WORD}[.:]?\Z", re.IGNORECASE)
_MEDIA_TOKEN = re.compile(r"\A\s*<(video|audio)>|<(video|audio)>\s*\Z")
_RESERVED = {
    "</s>": "it ends the answer early",
    "<s>": "it is the start token",
    "<unk>": "it is the padding token",
    "<im_start>": "it is a reserved token",
    "<im_end>": "it is a reserved token",
    "<im_patch>": "it is a reserved token",
}
# LLaVA's v1 format splits a round at " ASSISTANT: "; USER: splits nothing, at the ends of a text it is a prompt's rest.
_MARKER = re.compile(r"(?<!\S)ASSISTANT:(?!\S)|\AUSER:|(?<!\S)USER:(?=\s*\n|\s*\Z)")
# UTF-8 read as Latin-1 or Windows-1252. Capital words before a quote or a dash (“MAÇÔ) are sound: there Ã is itself.
_SUSPECT = re.compile(r"[\u0080-\u009f\ufffd\ud800-\udfffÃÂâïð]")
_MOJIBAKE = re.compile(
    r"[\u0080-\u009f\ufffd\ud800-\udfff]|ï¿½|ï»¿|â€|ðŸ|Ã[ƒ‚\u00a1-\u00ba\u00bc-\u00bf]|Â[\u00a0-\u00bf]|(?<=[a-zß-ÿ])Ã|(?<!\w)Ã\u00a0"
)
_BRACKETS = re.compile(r"[<>＜＞‹›&]")


def text_problems(text: str) -> Iterator[tuple[str, str]]:
    """(problem, fix) for everything in a turn's text but the image token.

    What the words do in training is in haotian-liu/LLaVA llava/train/train.py, preprocess_v1.
    """
    bare = text.replace(IMAGE_TOKEN, "").strip()
    if not any(letter.isprintable() and letter != " " for letter in bare):
        yield "the text is empty" + (" (spaces or line breaks only)" if text else ""), "write it, or remove this turn and its partner"
        return
    if "<" in text:
        yield from _token_words(text)
    for marker in sorted({found.group() for found in _MARKER.finditer(bare)}) if "USER:" in bare or "ASSISTANT:" in bare else ():
        splits = marker == "ASSISTANT:" and " ASSISTANT: " in f" {bare} "
        yield f"the text holds {marker!r}: {'it splits the round in two' if splits else 'it is left over from a prompt'}", "take it out or reword it"
    broken = _SUSPECT.search(text) and _MOJIBAKE.search(text)
    if broken:
        around = text[max(0, broken.start() - 5) : broken.end() + 5]
        why = "a character was lost" if re.search("[\ufffd\ud800-\udfff]", broken.group()) else "UTF-8 was read as Latin-1"
        yield f"the text holds broken characters ({around!r}): {why}", "take the text from its source again, as UTF-8"


def _token_words(text: str) -> Iterator[tuple[str, str]]:
    for reserved, why in _RESERVED.items():
        if reserved in text:
            yield f"the text holds {reserved!r}: {why}", "reword it"
    media = _MEDIA_TOKEN.search(text)
    if media:
        token = media[1] or media[2]
        yield f"the text holds <{token}>: LLaVA has no {MEDIA[token]}", "remove the row"


def mangled(text: str, lost: bool) -> str | None:
    """The broken form of the image token in a text; `lost` says that the row has a picture and no sound token."""
    rest = text.replace(IMAGE_TOKEN, "\n")
    if _BRACKETS.search(rest):  # most texts have none, and the two searches are slow
        found = _LOOKS_MANGLED.search(rest)
        if found:
            return found.group().strip()
        known = next((form for form in MANGLED if form in rest), None)
        if known:
            return known
    if not lost:
        return None
    found = _LOST_TOKEN.search(rest.strip())
    return found.group() if found else None
