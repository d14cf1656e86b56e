"""One request to Google's free web endpoint through the unmodified package `googletrans`: pack, pace, ask and judge.

Nothing here knows what is still to be done (googletrans.py does). How the server is reached is the caller's
`Setup.server`: "" goes straight to translate.googleapis.com, "http://HOST:PORT" goes there through that proxy (CONNECT),
"HOST:PORT" speaks https to another host that serves the same pages. TLS trusts the authorities of the package certifi,
or those in the file that the environment variable SSL_CERT_FILE names.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote_plus

URL_BYTES = 4000  # of path and query; the service refuses long ones with 413
OVERHEAD = 180  # of these, what the package adds to the text
RECOVERY = 30.0  # seconds until a rate cut to nothing is back at its full height
REFUSALS = (302, 403, 429, 502, 503, 504)  # about the service or us, not about the text; 302 leads to the page for robots
TOO_LONG = (413, 414)
LONG = 4  # words: a text this long does not stay as it was, a shorter one may be a name
LOST, ECHO, EMPTY = "line breaks lost", "the text came back as it was", "an empty reply"


@dataclass
class Pace:
    """How fast one server may be asked now; kept from call to call because the server counts across them.

    `share` of the wanted rate is allowed: halved by a refusal, growing back with time. Moments are monotonic seconds.
    """

    tokens: float = float("inf")
    moment: float = 0.0
    share: float = 1.0
    closed_until: float = 0.0
    cut_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


def take(pace: Pace, rate: float, burst: float, now: float) -> float:
    """Seconds to wait before asking for leave again; 0 means one request may go now (a token bucket)."""
    with pace.lock:
        gone, pace.moment = max(0.0, now - pace.moment), now
        pace.share = min(1.0, pace.share + gone / RECOVERY)
        # After a refusal there is no burst until the rate is back.
        pace.tokens = min(burst if pace.share == 1.0 else 1.0, pace.tokens + gone * rate * pace.share)
        if now < pace.closed_until:
            return pace.closed_until - now
        if pace.tokens >= 1:
            pace.tokens -= 1
            return 0.0
        return (1 - pace.tokens) / (rate * pace.share)


def slow_down(pace: Pace, sent: float, now: float, pause: float) -> None:
    """Close for `pause` seconds and halve the rate; refusals of requests sent before the last cut are the same event."""
    with pace.lock:
        pace.closed_until = max(pace.closed_until, now + pause)
        if sent >= pace.cut_at:
            pace.share, pace.tokens, pace.cut_at = max(pace.share / 2, 1 / 16), 0.0, now


@dataclass(frozen=True)
class Reply:
    """What came of one request: a text, or a fault in words. `refused`: the fault is about us or the line, not the text."""

    text: str = ""
    fault: str = ""
    refused: bool = False
    unreached: bool = False
    too_long: bool = False
    wait: float = 0.0


def client_of(server: str, timeout: float):
    """The package's client for a `Setup.server`; `timeout` in seconds."""
    from googletrans import Translator

    if server.startswith("http://"):
        return Translator(proxy=server, timeout=timeout)
    host = server.removeprefix("https://").rstrip("/")
    return Translator(service_urls=[host], timeout=timeout) if host else Translator(timeout=timeout)


def packs_of(texts: Sequence[str]) -> list[tuple[int, ...]]:
    """Neighbouring texts in as few packs below URL_BYTES as possible, all about equally long; blank texts in none."""
    sizes = {place: len(quote_plus(text)) + 3 for place, text in enumerate(texts) if text.strip()}
    room = URL_BYTES - OVERHEAD

    def cut(most: float) -> list[tuple[int, ...]]:
        packs, places, filled = [], [], 0
        for place, size in sizes.items():
            if places and filled + size > most:
                packs.append(tuple(places))
                places, filled = [], 0
            places.append(place)
            filled += size
        return [*packs, tuple(places)] if places else packs

    few = len(cut(room))
    low, high = 0, room  # the smallest room that needs no more packs, by halving: equal packs are answered together
    while high - low > 8:
        middle = (low + high) // 2
        low, high = (low, middle) if len(cut(middle)) == few else (middle, high)
    return cut(high)


async def ask(translator, lines: Sequence[str], code: str) -> Reply:
    """One request. Every fault becomes a Reply; the package's own exceptions are of many kinds and named nowhere."""
    import httpx

    try:
        # The package knows no variants as `dest`, but sends whatever else it is given as parameters of the query.
        said = await translator.translate("\n".join(lines), dest=code.partition("-")[0], src="en", tl=code)
        response = said._response
        if response.status_code != 200:  # the text is then the source
            return refusal(response.status_code, response.headers.get("Retry-After", ""))
        if not isinstance(said.extra_data["translation"], list):
            return Reply(fault="a reply that is no translation")
        return Reply(text=said.text)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        return Reply(fault=str(error) or "no connection", refused=True, unreached=True)
    except httpx.TimeoutException:
        return Reply(fault="no reply in time")
    except httpx.TransportError as error:
        return Reply(fault=f"broken connection: {error}")
    except Exception as error:
        return Reply(fault=f"a reply that is no translation: {type(error).__name__}")


def refusal(status: int, retry_after: str) -> Reply:
    """A reply other than 200. Retry-After counts in seconds; its other form, a date, is treated as absent."""
    wait = float(retry_after) if re.fullmatch(r"\d{1,9}", retry_after.strip()) else 0.0
    return Reply(fault=str(status), refused=status in REFUSALS, too_long=status in TOO_LONG, wait=wait)


def judge(lines: Sequence[str], text: str) -> tuple[dict[int, str], str]:
    """The good lines of a reply by their place in the pack, and what is wrong with the rest."""
    said = [line.strip() for line in text.strip().split("\n")]
    if not text.strip():
        return {}, EMPTY
    if len(said) != len(lines):
        return {}, LOST
    same = [line.split() == source.split() for line, source in zip(said, lines, strict=True)]
    if all(same) and any(character.isalpha() for character in text):
        return {}, ECHO
    long = [len(source.split()) >= LONG for source in lines]
    good = {place: line for place, line in enumerate(said) if line and not (same[place] and long[place])}
    return good, "" if len(good) == len(lines) else ECHO
