"""Serve models from this machine: a page that shows two models' answers beside each other, and the JSON endpoint behind it."""

import json
import os
import socket
import socketserver
import sys
import tempfile
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from utils.runs import UserError
from utils.serving.gate import MAX_BYTES, MAX_QUESTION, PAGES, PLACES, SECONDS, Refusal, admit, drain, from_here, loopback, read_body
from utils.serving.predict import PICTURE, Loaded, answer, load, upright

FILES = Path(__file__).parent / "page_files"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store", "Connection": "close",
}  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """What the requests share: the models, a bounded number of places, and the one thread that generates, in order of arrival."""

    models: tuple[Loaded, ...]
    places: threading.BoundedSemaphore
    worker: ThreadPoolExecutor
    language: str


def answers(desk: Desk, data: bytes, question: str) -> list[dict[str, str]]:
    """Every model's answer about one picture file; raises Refusal: it cannot be opened safely, or nothing is asked."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(data)
        try:
            picture = upright(path)
        except UserError as error:
            told = str(error).replace(f"picture {path}", "the picture").replace(str(path), "the picture")
            raise Refusal("picture", told) from error
    try:
        return [{"model": one.name, "answer": answer(one, picture, question)} for one in desk.models]
    except UserError as error:
        raise Refusal("question", str(error)) from error


class Server(ThreadingHTTPServer):
    """The socket; one thread a connection."""

    request_queue_size = 128  # a class that asks at once; the library's 5 makes some of them wait a second
    allow_reuse_address = os.name != "nt"  # Windows would let two programs share the port

    def __init__(self, host: str, port: int):
        self.host, self.desk, self.stopping = host, None, False
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own asks the name service, which may take long
        self.server_name, self.server_port = self.host, self.server_address[1]

    def handle_error(self, request, client_address) -> None:
        people_left = isinstance(sys.exception(), (ConnectionError, TimeoutError))
        if not (people_left or self.stopping):  # a connection that ends with the server is no fault of its own
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request; every answer closes its connection, so bytes behind a body are never taken for a request."""

    protocol_version = "HTTP/1.1"
    timeout = SECONDS

    def version_string(self) -> str:
        return "llava"

    def log_message(self, *_: object) -> None:
        """Nothing: an address holds a person's question."""

    def do_GET(self) -> None:
        """The page, its two files, or /health."""
        try:
            if self.request_version == "HTTP/0.9":  # has no headers: none to check, none to fence the page
                raise Refusal("request")
            from_here(self.headers, self.server.host)
            route = self.path.split("?")[0]
            if route == "/health":
                names = [one.name for one in self.server.desk.models]
                return self._json(200, {"status": "ok", "models": names, "max_bytes": MAX_BYTES, "max_question": MAX_QUESTION})
            if route not in PAGES:
                raise Refusal("method" if route == "/ask" else "path")
            file = FILES / PAGES[route]
            body = file.read_text(encoding="utf-8").replace('<html lang="pt-BR"', f'<html lang="{self.server.desk.language}"')
            self._send(200, body.encode(), _TYPES[file.suffix])
        except Refusal as refusal:
            self._refuse(refusal)

    def do_POST(self) -> None:
        """A picture with its question in the address; 503 when every place is taken."""
        try:
            length, question = admit(self.path, self.headers, self.server.host)
            places = self.server.desk.places
            if not places.acquire(blocking=False):
                raise Refusal("busy")
            try:
                found = self._answered(read_body(self.rfile, self.connection, length), question)
            finally:
                places.release()
            self._json(200, {"question": question, "answers": found})
        except Refusal as refusal:
            self._refuse(refusal)

    def handle_expect_100(self) -> bool:
        """Tell a waiting sender (curl, over 1 MB) to go on only when its headers are in order: then nothing is sent in vain."""
        try:
            if self.command == "POST":
                admit(self.path, self.headers, self.server.host)
        except Refusal as refusal:
            self._refuse(refusal)
            return False
        return super().handle_expect_100()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The library's own complaints, as one sentence too; it says 501 for a method that has no do_… here."""
        self._refuse(Refusal("method" if code == 501 else "request"))

    def _answered(self, data: bytes, question: str) -> list[dict[str, str]]:
        if not PICTURE.match(data):
            raise Refusal("not_picture")
        try:
            return self.server.desk.worker.submit(answers, self.server.desk, data, question).result()
        except Refusal:
            raise
        except Exception as error:  # out of memory, a model that does not fit its tokenizer: the others go on
            traceback.print_exc(file=sys.stderr)
            raise Refusal("failed") from error

    def _refuse(self, refusal: Refusal) -> None:
        self._json(refusal.status, {"error": refusal.sentence, "code": refusal.code})
        drain(self.connection)

    def _json(self, status: int, data: dict) -> None:
        self._send(status, json.dumps(data, ensure_ascii=False).encode(), "application/json; charset=utf-8")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        extra = {"Allow": "GET, POST"} if status == 405 else {"Retry-After": "5"} if status == 503 else {}
        for name, value in {**_HEADERS, **extra, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def open_server(models: dict[str, Path], host: str = "127.0.0.1", port: int = 8000, language: str = "pt-BR") -> Server:
    """A bound server with its models loaded, each folder once; port 0 takes a free one. `server_close` ends it.

    Raises UserError: no model, a folder without one, a port that is taken or not allowed, a host that is not this machine's.
    """
    if not models:
        raise UserError("there is no model to serve; name one with --model")
    try:
        server = Server(host, port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot serve at {host}, port {port} ({reason}); stop the program that uses it, or give another --port or --host") from error
    try:
        folders = {Path(folder).resolve(): load(folder) for folder in dict.fromkeys(models.values())}
        loaded = tuple(Loaded(name, folders[Path(f).resolve()].model, folders[Path(f).resolve()].tokenizer) for name, f in models.items())
    except BaseException:
        server.server_close()
        raise
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generate")
    server.desk = Desk(loaded, threading.BoundedSemaphore(PLACES), worker, "pt-BR" if language.startswith("pt") else "en")
    return server


def serve(models: dict[str, Path], host: str = "127.0.0.1", port: int = 8000, language: str = "pt-BR") -> None:
    """Serve models (name -> folder) until Ctrl-C; raises UserError as `open_server` does."""
    server = open_server(models, host, port, language)
    shown = f"[{host}]" if ":" in host else host
    try:  # before anything is printed: who reads the address may press Ctrl-C at once
        print(f"{', '.join(models)}: http://{shown}:{server.server_port}/ (Ctrl-C stops)", flush=True)
        if not loopback(host):
            print("everyone who reaches this machine can ask; leave out --host to serve this machine alone", flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        server.stopping = True
        print("stopped", flush=True)
    finally:
        server.server_close()
        server.desk.worker.shutdown(cancel_futures=True)
