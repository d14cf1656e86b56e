"""Who may ask the served models and what: from a request's headers alone, then its body, byte for byte."""

import ipaddress
import re
import socket
import time
from email.message import Message
from urllib.parse import parse_qs

MAX_BYTES = 10_000_000
MAX_QUESTION = 500  # characters
PLACES = 32  # requests that are read, wait or are answered at once; each may hold MAX_BYTES
SECONDS = 30  # for the whole picture to arrive, and for a silent connection
PAGES = {"/": "serve.html", "/serve.css": "serve.css", "/serve.js": "serve.js"}  # nothing else is read from the disk
# Code (the page translates it) -> HTTP status and one sentence.
REFUSALS = {
    "request": (400, "the request is not sound HTTP/1.1; use a browser or curl"),
    "host": (403, "this server answers only under its own address; open the address that it printed when it started"),
    "origin": (403, "another site sent this request; ask from this server's own page"),
    "path": (404, "there is nothing under this address; open / for the page or post a picture to /ask?question=…"),
    "method": (405, "this address does not take that method; GET / shows the page and POST /ask?question=… takes a picture"),
    "slow": (408, f"the picture did not arrive within {SECONDS} seconds; send it again"),
    "length": (411, "the request does not tell the picture's size; send one Content-Length in bytes and no chunks"),
    "too_big": (413, f"the picture is larger than {MAX_BYTES // 1_000_000} MB; make it smaller"),
    "body": (400, "the body has more or fewer bytes than Content-Length says; send the picture again"),
    "type": (415, "the body must be the picture itself with Content-Type image/png, image/jpeg or the like; add that header"),
    "not_picture": (415, "the file is not a PNG, JPEG, WebP, GIF or BMP picture; choose another"),
    "picture": (422, "the picture cannot be opened; choose another"),
    "question": (400, f"the question must have 1 to {MAX_QUESTION} characters; write it in the address as ?question=…"),
    "failed": (500, "a model could not answer; the reason stands in the server's window"),
    "busy": (503, f"{PLACES} requests wait already; try again in a few seconds"),
}


class Refusal(Exception):
    """A request that is not answered: a code of REFUSALS, and a sentence when it says more than the code's own."""

    def __init__(self, code: str, sentence: str = ""):
        self.code, self.status = code, REFUSALS[code][0]
        self.sentence = sentence or REFUSALS[code][1]


def own_name(said: str, bound: str) -> bool:
    """Whether a Host header names this server. A foreign name that resolves to this address (DNS rebinding) does not."""
    if not re.fullmatch(r"[\w.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?", said, re.ASCII):
        return False
    name = said[1 : said.index("]")] if said.startswith("[") else said.partition(":")[0].lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        machine = socket.gethostname().lower()
        return name in ({"localhost", bound.lower()} if loopback(bound) else {"localhost", bound.lower(), machine, f"{machine}.local"})
    return address.is_loopback or not loopback(bound)  # a number cannot be rebound


def loopback(bound: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(bound).is_loopback
    except ValueError:
        return bound.lower() == "localhost"


def from_here(headers: Message, bound: str) -> None:
    """Raises Refusal unless a request is meant for this server and does not come from another site's page."""
    hosts = headers.get_all("Host", [])
    if len(hosts) != 1 or not own_name(hosts[0], bound):
        raise Refusal("host")
    origin = headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != hosts[0]:
        raise Refusal("origin")


def admit(path: str, headers: Message, bound: str) -> tuple[int, str]:
    """(bytes of the picture, question) of a post, from its headers alone; raises Refusal."""
    from_here(headers, bound)
    route, _, query = path.partition("?")
    if route != "/ask":
        raise Refusal("method" if route in (*PAGES, "/health") else "path")
    lengths = headers.get_all("Content-Length", [])
    if "Transfer-Encoding" in headers or len(lengths) != 1 or not re.fullmatch(r"[0-9]{1,18}", lengths[0]):
        raise Refusal("length")
    if int(lengths[0]) > MAX_BYTES:
        raise Refusal("too_big")
    # A form of another site can post without asking the browser first, but not with these types.
    if not re.match(r"image/|application/octet-stream", headers.get("Content-Type", "")):
        raise Refusal("type")
    question = " ".join(parse_qs(query).get("question", [""])[0].split())
    if not 0 < len(question) <= MAX_QUESTION:
        raise Refusal("question")
    return int(lengths[0]), question


def read_body(rfile, connection: socket.socket, length: int) -> bytes:
    """Exactly `length` bytes; raises Refusal when more or fewer come, or when they come too slowly."""
    data, until = bytearray(), time.monotonic() + SECONDS
    try:
        while len(data) < length:
            block = rfile.read1(min(length - len(data), 1 << 16))
            if not block:
                raise Refusal("body")
            if time.monotonic() > until:
                raise Refusal("slow")
            data += block
    except TimeoutError:
        raise Refusal("slow") from None
    connection.settimeout(0)  # only look: what comes later is dropped with the connection
    more = rfile.peek(1)
    connection.settimeout(SECONDS)
    if more:
        raise Refusal("body")
    return bytes(data)


def drain(connection: socket.socket) -> None:
    """Drop what the sender still sends, for a short while: at a closed door it would see a reset and not the sentence."""
    until = time.monotonic() + 10
    try:
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1)
        while time.monotonic() < until and connection.recv(1 << 16):
            pass
    except OSError:
        pass
