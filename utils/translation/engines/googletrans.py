"""The googletrans engine: Google's free web endpoint through the unmodified package, made safe against its many faults.

The package returns the source text for any refused request, fails whole lists on one bad reply and sends one text a
request. Here texts travel in packs joined by line breaks, every reply is judged by its status and its lines, faults are
asked again with back-off, and the rate bends to what the server bears. The endpoint is unofficial and may stop any day.
"""

import asyncio
import contextlib
import queue
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from utils.languages import language as language_named
from utils.runs import UserError
from utils.translation.engines.googletrans_service import ECHO, LONG, LOST, Pace, Reply, ask, client_of, judge, packs_of, slow_down, take
from utils.translation.engines.setup import Setup

WORKERS = 32  # concurrent requests
RATE = 5.0  # requests a second, once the burst is spent
BURST = 40  # requests that may go at once
TIMEOUT = 5.0  # seconds a request may take
TRIES = 5  # of a text alone before it is given up
PACK_TRIES = 2  # of several texts before they are split
ECHO_TRIES = 3  # of a text that comes back as it was: names and numbers may be right that way
PAUSE, LONGEST_PAUSE = 0.25, 8.0  # seconds of back-off: the first, doubled up to the longest
RETRY_AFTER_LIMIT = 60.0  # seconds the server may ask us to wait before we rather stop
STRIKES = 9  # rounds of requests in a row without one success before we stop
UNREACHED_STRIKES = 3  # the same when no reply of any kind has come yet
PROBE = "The small dog is sleeping under the table."
DEFAULTS = Setup()
PACES: dict[str, Pace] = {}  # by server, kept from call to call


@dataclass(frozen=True)
class Pack:
    """Texts of one request by their place in the caller's list, how often it failed and when it was first sent."""

    places: tuple[int, ...]
    tries: float = 0.0
    since: float = 0.0


@dataclass
class Run:
    """One call of `translate`: its texts, what is still to do and how the service has behaved. Moments are monotonic."""

    texts: list[str]
    code: str
    rate: float
    workers: int
    server: str
    pace: Pace
    out: queue.SimpleQueue = field(default_factory=queue.SimpleQueue)
    todo: asyncio.PriorityQueue = field(default_factory=asyncio.PriorityQueue)
    gate: asyncio.Lock = field(default_factory=asyncio.Lock)
    dice: random.Random = field(default_factory=lambda: random.Random(0))
    left: int = 0
    answered: bool = False
    success: float = -1.0
    strikes: int = 0
    probed: int = 0
    struck_until: float = 0.0


def engine_id(language: str, setup: Setup = DEFAULTS) -> str:
    """Engine, package version and language code as one string; raises UserError when the package is missing."""
    try:
        return f"googletrans/{version('googletrans')}/{language_named(language).engine_codes['googletrans']}"
    except PackageNotFoundError as error:
        raise UserError("the googletrans engine is missing; install it with: pip install googletrans") from error


def push(run: Run, *packs: Pack) -> None:
    """Queue packs; the lowest place goes first, so that results can be handed over in order early."""
    for pack in packs:
        run.todo.put_nowait((pack.places[0], pack))


def deliver(run: Run, results: dict[int, str]) -> None:
    run.out.put(results)
    run.left -= len(results)
    if not run.left:
        for number in range(run.workers):
            run.todo.put_nowait((len(run.texts) + number, None))


def halves(pack: Pack) -> tuple[Pack, Pack]:
    middle = len(pack.places) // 2
    return Pack(pack.places[:middle]), Pack(pack.places[middle:])


def back_off(run: Run, failures: float) -> float:
    """Seconds to wait after that many failures: doubled each time, shortened at random so that not all return at once."""
    return min(LONGEST_PAUSE, PAUSE * 2 ** max(0.0, failures - 1)) * run.dice.uniform(0.5, 1.0)


def stopped(run: Run, reply: Reply) -> UserError:
    if reply.unreached:
        return UserError(f"{run.server} cannot be reached ({reply.fault}); what is done is kept; check the network or the proxy and run again")
    return UserError(f"{run.server} gives no translations (last: {reply.fault}); what is done is kept; wait, or lower the rate, and run again")


async def leave(run: Run) -> float:
    """Wait until one request may go; the moment at which it goes."""
    burst = max(1.0, min(BURST, BURST * run.rate / RATE))  # a rate set lower than the default lowers the burst too
    async with run.gate:
        while wait := take(run.pace, run.rate, burst, time.monotonic()):
            await asyncio.sleep(wait)
    return time.monotonic()


async def alive(run: Run, translator, since: float) -> bool:
    """Whether the service has translated anything since that moment; if not, it is asked one plain sentence a round."""
    if run.success < since and run.probed != run.strikes:
        run.probed = run.strikes
        await leave(run)
        reply = await ask(translator, [PROBE], run.code)
        if judge([PROBE], reply.text)[0]:
            run.success, run.strikes, run.probed = time.monotonic(), 0, 0
    return run.success >= since


async def strike(run: Run, translator, reply: Reply, sent: float, since: float) -> None:
    """Count rounds without success; UserError after too many. A request sent in the pause of a round belongs to it."""
    run.answered = run.answered or not reply.unreached
    if reply.wait > RETRY_AFTER_LIMIT:
        raise stopped(run, reply)
    if sent < run.struck_until:
        return
    run.strikes += 1
    run.struck_until = time.monotonic() + back_off(run, run.strikes)
    most = STRIKES if run.answered else UNREACHED_STRIKES
    if run.strikes >= most and (reply.refused or not await alive(run, translator, since)):
        raise stopped(run, reply)


async def again(run: Run, translator, pack: Pack, reply: Reply, sent: float) -> None:
    """A pack that failed as a whole: send it again later, split it, or give its one text up."""
    alone, since = len(pack.places) == 1, pack.since or sent
    await strike(run, translator, reply, sent, since)
    # A refusal hardly counts as a try: it says nothing about the text.
    tries = pack.tries + (0.25 if reply.refused else 1)
    most = TRIES if alone or reply.refused or run.success < since else PACK_TRIES
    if alone and reply.fault == ECHO:
        most = ECHO_TRIES
    pause = reply.wait or back_off(run, run.strikes if reply.refused else tries)
    if reply.refused:
        slow_down(run.pace, sent, time.monotonic(), pause)
    # Texts are blamed for their faults only while the service translates others.
    if tries < most or not await alive(run, translator, since):
        later = Pack(pack.places, tries, since)
        return asyncio.get_running_loop().call_later(0 if reply.refused else pause, push, run, later)
    if alone:
        # A short name or a number is right as it was; the caller's gates have the last word.
        source = run.texts[pack.places[0]]
        return deliver(run, {pack.places[0]: source if reply.fault == ECHO and len(source.split()) < LONG else ""})
    push(run, *halves(pack))


async def settle(run: Run, translator, pack: Pack, reply: Reply, sent: float) -> None:
    """Hand the good lines of a reply over and queue what remains of its pack."""
    lines = [run.texts[place] for place in pack.places]
    good, fault = ({}, reply.fault) if reply.fault else judge(lines, reply.text)
    split = len(lines) > 1 and (fault == LOST or reply.too_long)
    if good or fault == LOST:
        run.success, run.strikes, run.answered = time.monotonic(), 0, True
    if good:
        push(run, *(Pack((place,)) for number, place in enumerate(pack.places) if number not in good))
        deliver(run, {pack.places[number]: line for number, line in good.items()})
    elif split:
        push(run, *halves(pack))
    elif reply.too_long:
        deliver(run, {pack.places[0]: ""})
    else:
        await again(run, translator, pack, reply if reply.fault else Reply(fault=fault), sent)


async def work(run: Run, translator) -> None:
    """One of the concurrent workers: requests until the queue says that nothing is left."""
    while (pack := (await run.todo.get())[1]) is not None:
        sent = await leave(run)
        reply = await ask(translator, [run.texts[place] for place in pack.places], run.code)
        await settle(run, translator, pack, reply, sent)


async def serve(run: Run, server: str, stop: asyncio.Event) -> None:
    """All requests of one call with one client, until they are done or `stop` is set."""
    async with client_of(server, TIMEOUT) as translator:
        if translator.client_type == "webapp":
            # Other hosts want a token; fetched here once, not by every first request. Its faults show in the requests.
            with contextlib.suppress(Exception):
                await translator.token_acquirer.do("")
        workers = [asyncio.create_task(work(run, translator)) for _ in range(run.workers)]
        everything, stopping = asyncio.gather(*workers), asyncio.create_task(stop.wait())
        await asyncio.wait((everything, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, *workers):
            task.cancel()
        await asyncio.gather(everything, stopping, *workers, return_exceptions=True)
        if not stop.is_set():
            everything.result()


def run_of(texts: list[str], language: str, setup: Setup) -> Run:
    # A proxy's address may hold a password: it is not named.
    name = "translate.googleapis.com (through the proxy)" if setup.server.startswith("http://") else setup.server
    run = Run(
        texts, language_named(language).engine_codes["googletrans"], rate=setup.rate or RATE, workers=min(setup.workers or WORKERS, 100),
        server=name or "translate.googleapis.com", pace=PACES.setdefault(setup.server, Pace()),
    )  # fmt: skip
    packs = [Pack(places) for places in packs_of(texts)]
    push(run, *packs)
    run.left = sum(len(pack.places) for pack in packs)
    return run


def translate(texts: list[str], language: str, setup: Setup = DEFAULTS) -> Iterator[str]:
    """Translations in the order of `texts`, "" for a text that failed alone.

    The requests run in a thread with an event loop of its own, so it works inside a notebook's loop too. Raises UserError
    when the service gives nothing any more; results beyond a gap come first then, with "" for the texts in the gap.
    """
    engine_id(language, setup)
    run = run_of(list(texts), language, setup)
    if not run.left:
        yield from [""] * len(run.texts)
        return
    stop, runner = asyncio.Event(), asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop = runner.get_loop()

    def requests() -> None:
        try:
            with runner:
                runner.run(serve(run, setup.server, stop))
        except BaseException as error:
            run.out.put(error)

    thread = threading.Thread(target=requests, name="googletrans", daemon=True)
    thread.start()
    try:
        yield from in_order(run)
    finally:  # also when the caller stops early
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(stop.set)
        thread.join()


def in_order(run: Run) -> Iterator[str]:
    """Results in the order of the texts as they come; after an error first those beyond the gap, then the error."""
    ready, error = {}, None
    for place, text in enumerate(run.texts):
        while text.strip() and place not in ready and not error:
            item = run.out.get()
            if isinstance(item, BaseException):
                error = item
            else:
                ready |= item
        if error and not ready:
            break
        yield ready.pop(place, "")
    if error:
        raise error
