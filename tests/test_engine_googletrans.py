"""The googletrans engine against a loopback Google with its faults: every text exact, or one sentence that says why not."""

import asyncio
import contextlib
import random
import socket
import subprocess
import sys
import threading
from importlib.metadata import PackageNotFoundError
from unittest.mock import Mock
from urllib.parse import quote_plus

import pytest
from google_server import FAULTS, google_server

from utils.runs import ROOT, UserError
from utils.translation.engines import googletrans, googletrans_service
from utils.translation.engines.setup import Setup

KINDS = [kind for kind in FAULTS if kind != "mangled"]  # that one is the gates' business
WORDS = "the small red dog sits under a table near two birds while an old man holds his green umbrella".split()
FAST = 1000.0  # requests a second: the rate limit is tested apart


def sentences(count: int, words: int = 10) -> list[str]:
    dice = random.Random(3)
    return [" ".join(dice.choices(WORDS, k=words)) + f" {number}." for number in range(count)]


def portuguese(line: str) -> str:
    return f"pt[{line}]"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name, value in {"PAUSE": 0.01, "LONGEST_PAUSE": 0.03, "TIMEOUT": 2.0, "STRIKES": 6}.items():
        monkeypatch.setattr(googletrans, name, value)


@pytest.fixture
def google(monkeypatch):
    """Start servers that clients of this test trust."""
    with contextlib.ExitStack() as stack:

        def start(backend=portuguese, **settings):
            server = stack.enter_context(google_server(backend, **settings))
            monkeypatch.setenv("SSL_CERT_FILE", server.ca_file)
            return server

        yield start


def ask(server, texts, language="pt-BR", **setup) -> list[str]:
    return list(googletrans.translate(texts, language, Setup(server=server.proxy, **{"rate": FAST, **setup})))


def hang_up(line: str) -> str:
    """A backend at whose first text, or any that names poison, the server hangs up."""
    if "poison" in line or line == sentences(1, 60)[0]:
        raise OSError
    return portuguese(line)


@pytest.mark.parametrize(("language", "code"), [("pt-BR", "pt"), ("pt-PT", "pt-PT"), ("it", "it")])
def test_texts_come_back_in_order_and_the_variety_is_asked_for(google, language, code):
    server, texts = google(), [*sentences(120), "", "What is in __PH0__ & 50% + 2?", "  ", "Há 3 cães."]
    assert ask(server, texts, language) == [portuguese(text) if text.strip() else "" for text in texts]
    assert {(query["tl"], query["sl"], query["client"]) for query in server.queries} == {(code, "en", "gtx")}
    assert server.counts["requests"] <= 3
    assert server.counts["longest"] <= googletrans_service.URL_BYTES


@pytest.mark.parametrize("words", [1, 12, 60, 400])
def test_packs_are_few_equal_and_below_the_limit(words):
    texts = sentences(90, words)
    sizes = [len(quote_plus(text)) + 3 for text in texts]
    room = googletrans_service.URL_BYTES - googletrans_service.OVERHEAD
    packs = googletrans_service.packs_of(texts)
    loads = [sum(sizes[place] for place in pack) for pack in packs]
    assert [place for pack in packs for place in pack] == list(range(90))
    assert all(load <= room or len(pack) == 1 for load, pack in zip(loads, packs, strict=True))
    assert len(packs) <= max(1, -(-sum(sizes) // (room - max(sizes)))) if max(sizes) < room / 2 else len(packs) == 90 // max(1, room // max(sizes))
    assert max(loads) <= sum(loads) / len(loads) + max(sizes) + 8


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_survived(google, monkeypatch, kind):
    if kind == "timeout":
        monkeypatch.setattr(googletrans, "TIMEOUT", 0.2)
    server, texts = google(faults={kind: 0.4}, seed=1), sentences(60, 60)
    assert ask(server, texts) == [portuguese(text) for text in texts]
    assert server.counts[kind] > 2


def test_all_faults_together_with_lost_line_breaks(google, monkeypatch):
    monkeypatch.setattr(googletrans, "TIMEOUT", 0.3)
    server, texts = google(faults=dict.fromkeys(KINDS, 0.16 / len(KINDS)), drop_newlines=0.4, seed=5), sentences(150, 60)
    assert ask(server, texts) == [portuguese(text) for text in texts]
    assert server.counts["drop_newlines"] > 5 and sum(server.counts[kind] for kind in KINDS) > 5


def test_packs_are_halved_until_line_breaks_survive(google):
    server, texts = google(drop_newlines=1.0), sentences(16)
    assert ask(server, texts) == [portuguese(text) for text in texts]
    assert server.counts["requests"] == 16 + 15  # a whole binary tree


def test_only_the_bad_lines_of_a_pack_fail(google):
    """A copied sentence, a line break in one line's reply and an empty line are asked again alone, and given up alone."""
    kept, broken, empty, name = "Photo by John Smith Studios.", "This one breaks in two.", "This one gets no words.", "Rio Grande"
    odd = {kept: kept, broken: "pt\nbroken", empty: "", name: name}
    server, texts = google(lambda line: odd.get(line) or (portuguese(line) if line not in odd else "")), sentences(20)
    texts[3:3] = [kept, name, empty]
    texts.append(broken)
    assert ask(server, texts) == [{kept: "", broken: "", empty: "", name: name}.get(text, portuguese(text)) for text in texts]


@pytest.mark.parametrize("first", ["", None], ids=["empty", "echo"])
@pytest.mark.parametrize("texts", [["Red dog.", "Two birds."], [*sentences(2), "The red dog sits here.", "A bird."]], ids=["all", "one"])
def test_lines_that_fail_once_are_asked_again(google, texts, first):
    """Short texts that all come back as they were, and one line of several: right at the second attempt."""
    odd, seen = [text for text in texts if "dog." in text or "birds." in text or "sits here" in text], set()

    def backend(line):
        if line in odd and line not in seen:
            seen.add(line)
            return line if first is None else first
        return portuguese(line)

    assert ask(google(backend), texts) == [portuguese(text) for text in texts]


def test_numbers_and_a_short_name_alone_may_stay_as_they_are_and_a_sentence_may_not(google):
    server = google(lambda line: line if "Rio" in line or line[0].isdigit() else portuguese(line))
    assert ask(server, ["12", "3 + 4"]) == ["12", "3 + 4"]
    assert server.counts["requests"] == 1
    assert ask(server, ["Rio"]) == ["Rio"]
    assert ask(server, ["Rio is a big city."]) == [""]


def test_a_text_that_always_fails_is_blamed_only_while_others_pass(google):
    """Five hundred for one text: a plain sentence proves the service alive, and the text comes back empty."""
    assert ask(google(hang_up), ["This is a poison text."]) == [""]
    texts = [*sentences(5), "This is a poison text.", *sentences(3)]
    assert ask(google(hang_up), texts) == ["" if "poison" in text else portuguese(text) for text in texts]


def test_too_long_urls_are_split_and_one_too_long_text_is_given_up(google):
    server, texts = google(url_limit=1500), sentences(60)
    texts[30] = "very long text " * 200
    assert ask(server, texts) == ["" if place == 30 else portuguese(text) for place, text in enumerate(texts)]
    # Every refused pack is halved at once: the trees' inner nodes, and the long text itself.
    leaves = server.counts["good"] + 1
    assert server.counts["413"] == leaves - len(googletrans_service.packs_of(texts)) + 1


@pytest.mark.parametrize(
    ("kind", "told"), [("429", "429"), ("500", "500"), ("html", "no translation"), ("echo", "came back as it was"), ("empty", "empty")]
)
def test_a_dead_service_is_told_in_one_sentence(google, kind, told):
    server = google(faults={kind: 1.0})
    with pytest.raises(UserError, match=rf"^translate\.googleapis\.com .*gives no translations \(last: .*{told}.*run again$"):
        ask(server, sentences(60, 60))
    assert server.counts["requests"] < 200
    with pytest.raises(UserError, match=told):
        ask(server, ["The red dog sits here."])


def test_what_is_done_before_the_service_dies_is_handed_over(google):
    server, texts = google(latency=0.01), sentences(60, 60)
    said = googletrans.translate(texts, "pt-BR", Setup(server=server.proxy, rate=FAST, workers=1))
    done = [next(said)]
    server.faults["500"] = 1.0
    with pytest.raises(UserError, match="500"):
        done.extend(said)
    assert len(done) >= 5 and done == [portuguese(text) for text in texts[: len(done)]]


def test_results_beyond_a_gap_come_before_the_error(google, monkeypatch):
    """The first pack fails and waits; the others are done when the service dies and must not be lost."""
    for name, value in {"PAUSE": 0.3, "LONGEST_PAUSE": 0.3, "STRIKES": 3}.items():
        monkeypatch.setattr(googletrans, name, value)
    texts, seen = sentences(60, 60), []

    def backend(line):
        seen.append(line)
        if set(texts[20:]) <= set(seen):
            server.faults["500"] = 1.0
        return hang_up(line)

    server, done = google(backend), []
    with pytest.raises(UserError, match="500"):
        done.extend(googletrans.translate(texts, "pt-BR", Setup(server=server.proxy, rate=FAST)))
    gap = done.count("")
    assert 1 <= gap < 20 and done == [""] * gap + [portuguese(text) for text in texts[gap:]]


def test_no_connection_at_all_is_told_soon_and_without_the_password():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for server in (f"http://user:secret@127.0.0.1:{port}", f"127.0.0.1:{port}"):
        with pytest.raises(UserError, match="cannot be reached") as told:
            list(googletrans.translate(sentences(3), "it", Setup(server=server, rate=FAST)))
        assert "secret" not in str(told.value) and ("googleapis" in str(told.value)) == server.startswith("http")


def test_a_long_retry_after_stops_at_once_and_a_short_one_is_kept(google):
    server = google(faults={"429": 1.0}, retry_after="3600")
    with pytest.raises(UserError, match="429"):
        ask(server, sentences(3))
    assert server.counts["requests"] == 1
    assert googletrans_service.refusal(429, "7").wait == 7 and googletrans_service.refusal(429, "tomorrow").wait == 0


def test_the_rate_bends_to_the_server(google):
    """Far too high a rate against a server's bucket: all texts come, and refusals stay few because the rate is halved."""
    server, texts = google(bucket=(40.0, 3.0)), sentences(100, 60)
    assert ask(server, texts) == [portuguese(text) for text in texts]
    assert 0 < server.counts["429"] < 2 * server.counts["good"]
    assert googletrans.PACES[server.proxy].share < 1


def test_the_token_bucket_by_a_clock_of_its_own():
    pace = googletrans_service.Pace(moment=100.0)
    take = lambda now: googletrans_service.take(pace, 5.0, 40, now)  # noqa: E731
    assert [take(100.0) for _ in range(40)] == [0.0] * 40
    assert take(100.0) == pytest.approx(0.2)
    assert take(100.2) == 0 and take(100.2) == pytest.approx(0.2)
    googletrans_service.slow_down(pace, sent=100.2, now=100.3, pause=2.0)
    googletrans_service.slow_down(pace, sent=100.25, now=100.31, pause=1.0)  # the same event: not halved again
    assert pace.share == 0.5 and take(100.3) == pytest.approx(2.0)
    assert take(102.3) == 0 and take(102.3) > 0.2  # one at a time, slower than before
    assert take(200.0) == 0 and pace.share == 1.0 and pace.tokens == 39  # whole again


def test_the_burst_is_not_renewed_by_every_call_and_small_at_a_low_rate(google):
    server = google()
    for _ in range(3):
        ask(server, ["A small dog sits here."], rate=0)
    assert 36 < googletrans.PACES[server.proxy].tokens < 39, "three requests in three calls cost three of forty, whatever trickles back"
    ask(server, ["A small dog sits here."], rate=0.5)
    assert googletrans.PACES[server.proxy].tokens < 4


def test_concurrency_is_bounded_and_used(google):
    server, texts = google(latency=0.03), sentences(60, 60)
    assert ask(server, texts, workers=3) == [portuguese(text) for text in texts]
    assert server.counts["peak"] == 3 and server.counts["connections"] == 3


def test_first_results_come_before_the_last_request_and_stopping_early_ends_the_thread(google):
    server = google(latency=0.03)
    said = googletrans.translate(sentences(300, 60), "pt-BR", Setup(server=server.proxy, rate=FAST, workers=1))
    assert next(said) == portuguese(sentences(1, 60)[0])
    said.close()
    assert server.counts["requests"] < 10
    assert not [thread for thread in threading.enumerate() if thread.name == "googletrans"]


def test_it_works_inside_a_running_loop(google):
    async def notebook(server) -> list[str]:
        return ask(server, ["A dog sits here."])

    assert asyncio.run(notebook(google())) == ["pt[A dog sits here.]"]


def test_another_host_gives_its_token_once(google):
    server, texts = google(), sentences(60, 60)
    said = list(googletrans.translate(texts, "pt-PT", Setup(server=server.host, rate=FAST)))
    assert said == [portuguese(text) for text in texts]
    assert server.counts["tokens"] == 1 and {query["client"] for query in server.queries} == {"webapp"}


def test_identity_names_package_version_and_code(monkeypatch):
    assert googletrans.engine_id("pt-PT").split("/")[::2] == ["googletrans", "pt-PT"]
    monkeypatch.setattr(googletrans, "version", Mock(side_effect=PackageNotFoundError("googletrans")))
    with pytest.raises(UserError, match="pip install googletrans"):
        googletrans.engine_id("pt-BR")


def test_importing_the_engine_imports_no_client():
    code = "import sys, utils.translation.engines.googletrans; print([n for n in ('httpx', 'googletrans') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_loopback_server_shows_the_package_as_it_is(google):
    """Beyond its bucket the package hands the source back and raises nothing: what the engine must never trust."""
    from googletrans import Translator

    server = google(bucket=(0.0, 2.0))

    async def naive() -> list[str]:
        async with Translator(proxy=server.proxy) as translator:
            return [(await translator.translate("A dog.", dest="pt", src="en")).text for _ in range(4)]

    assert asyncio.run(naive()) == ["pt[A dog.]"] * 2 + ["A dog."] * 2
    with pytest.raises(ValueError, match="unknown faults"), google_server(portuguese, faults={"fire": 1.0}):
        pass
