"""A loopback stand-in for translate.googleapis.com that the unmodified googletrans client talks to, faults included.

It listens twice on 127.0.0.1: as a proxy (CONNECT, then TLS ended here under the name the client asked for) and as a
plain https host, which also serves the token page. The certificate's authority is made on the spot by `trustme`; a
client trusts it through the environment variable SSL_CERT_FILE, which only `trusted` or the test itself sets.
"""

import asyncio
import contextlib
import json
import os
import random
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

FAULTS = ("429", "500", "html", "truncated", "null", "empty_list", "reset", "timeout", "empty", "echo", "mangled")
HTML = b"<html><head><title>Sorry...</title></head><body>unusual traffic from your network</body></html>"
PHRASES = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large", 429: "Too Many Requests"}


@dataclass
class Server:
    """One running server: where it listens, what it was told to do and what it has counted so far.

    `proxy` is the proxy's address, `host` the https one, `ca_file` the authority's certificate. `counts` holds requests,
    connections, tokens (of the webapp client), peak (requests at a time), longest (bytes of path and query) and each
    kind of fault; `queries` the parameters of every translation asked for.
    """

    backend: Callable[[str], str]
    latency: float = 0.0
    faults: dict[str, float] = field(default_factory=dict)
    drop_newlines: float = 0.0
    bucket: tuple[float, float] | None = None
    url_limit: int = 0
    retry_after: str = ""
    seed: int = 0
    proxy: str = ""
    host: str = ""
    ca_file: str = ""
    counts: Counter = field(default_factory=Counter)
    queries: list[dict[str, str]] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    dice: random.Random = field(default_factory=random.Random)
    tokens: float = 0.0
    filled: float = 0.0
    now: int = 0


def draw(server: Server, lines: int) -> str:
    """The fault of the next request, or "": the bucket's by rule, the others by seeded dice; one thread draws them all."""
    if server.bucket:
        rate, burst = server.bucket
        moment = time.monotonic()
        server.tokens = min(burst, server.tokens + (moment - server.filled) * rate)
        server.filled = moment
        if server.tokens < 1:
            return "429"
        server.tokens -= 1
    dice = server.dice.random()
    for kind, share in server.faults.items():
        dice -= share
        if dice < 0:
            return kind
    return "drop_newlines" if lines > 1 and server.dice.random() < server.drop_newlines else ""


def answer(server: Server, query: str, fault: str) -> bytes:
    """The body of a 200 reply: Google's nested list with one segment a line, or what the fault leaves of it."""
    if fault in ("html", "null", "empty_list"):
        return {"html": HTML, "null": b"null", "empty_list": b"[]"}[fault]
    lines = query.split("\n")
    done = {"echo": lines, "empty": [""] * len(lines)}.get(fault) or [server.backend(line) for line in lines]
    if fault == "mangled":
        done = [line.replace("__", "_ _") for line in done]
    end = " " if fault == "drop_newlines" else "\n"
    ends = [end if fault != "empty" else ""] * (len(lines) - 1) + [""]
    segments = [[said + mark, line + "\n", None, None, 1] for said, line, mark in zip(done, lines, ends, strict=True)]
    body = json.dumps([segments, None, "en", None, None, None, 1, [], [["en"], None, [1], ["en"]]], ensure_ascii=False).encode()
    return body[: len(body) // 2] if fault == "truncated" else body


def reply(status: int, body: bytes, **headers: str) -> bytes:
    extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items() if value)
    head = f"HTTP/1.1 {status} {PHRASES.get(status, 'Error')}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


async def respond(server: Server, method: str, target: str) -> bytes | None:
    """The bytes of one reply; b"" hangs up and None never answers."""
    parts = urlsplit(target)
    if method != "GET":
        return reply(405, HTML)
    if parts.path == "/" or not parts.path:
        server.counts["tokens"] += 1
        return reply(200, f"tkk:'{int(time.time() * 1000 / 3600000)}.12345'".encode())
    if parts.path != "/translate_a/single":
        return reply(404, HTML)
    server.counts["requests"] += 1
    server.counts["longest"] = max(server.counts["longest"], len(target))
    if server.url_limit and len(target) > server.url_limit:
        server.counts["413"] += 1
        return reply(413, HTML)
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    server.queries.append(query)
    fault = draw(server, query["q"].count("\n") + 1)
    server.counts[fault or "good"] += 1
    if fault == "timeout":
        return None
    server.now += 1
    server.counts["peak"] = max(server.counts["peak"], server.now)
    await asyncio.sleep(server.latency)
    server.now -= 1
    if fault in ("429", "500"):
        return reply(int(fault), HTML, Retry_After=server.retry_after if fault == "429" else "")
    return b"" if fault == "reset" else reply(200, answer(server, query["q"], fault))


async def converse(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: requests one after another until the client leaves or a fault ends it."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.start_tls(server.tls)
            continue
        out = await respond(server, method, target)
        if out is None:
            await reader.read()
        if not out:
            return writer.transport.abort()
        writer.write(out)
        await writer.drain()


async def serve(server: Server, ready: threading.Event, stop: asyncio.Event) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.counts["connections"] += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await converse(server, reader, writer)
        writer.close()

    options = {"limit": 1 << 20, "backlog": 256}
    proxy = await asyncio.start_server(connected, "127.0.0.1", 0, **options)
    direct = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=server.tls, **options)
    server.proxy = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    server.host = f"127.0.0.1:{direct.sockets[0].getsockname()[1]}"
    ready.set()
    await stop.wait()


@contextlib.contextmanager
def google_server(backend: Callable[[str], str], **settings: object) -> Iterator[Server]:
    """A server on a thread of its own until the block ends; `backend` translates one line and must be quick.

    `latency`: seconds each reply takes. `faults`: kind -> share of requests, kinds as in FAULTS. `drop_newlines`: share of
    the other requests of many lines whose line breaks become spaces. `bucket`: (requests a second, burst), beyond it 429
    with `retry_after` as its header. `url_limit`: bytes of path and query, beyond it 413. Raises ValueError on other kinds.
    """
    import trustme

    server = Server(backend, **settings)
    if unknown := set(server.faults) - set(FAULTS):
        raise ValueError(f"unknown faults: {unknown}")
    server.dice.seed(server.seed)
    authority = trustme.CA()
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("translate.googleapis.com", "127.0.0.1").configure_cert(server.tls)
    if server.bucket:
        server.tokens, server.filled = server.bucket[1], time.monotonic()
    ready, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    with tempfile.TemporaryDirectory() as folder:
        server.ca_file = str(Path(folder) / "authority.pem")
        authority.cert_pem.write_to_path(server.ca_file)
        thread = threading.Thread(target=run, args=(loop, serve(server, ready, stop)), daemon=True)
        thread.start()
        try:
            if not ready.wait(10):
                raise RuntimeError("the loopback server did not start")
            yield server
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()


def run(loop: asyncio.AbstractEventLoop, work: Coroutine) -> None:
    """Run to the end, then drop what still hangs: connections in a timeout fault never end by themselves."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work)


@contextlib.contextmanager
def trusted(server: Server) -> Iterator[None]:
    """Let clients made inside the block trust this server (SSL_CERT_FILE of the whole process)."""
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = server.ca_file
    try:
        yield
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before
