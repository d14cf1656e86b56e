"""A loopback server that speaks OpenAI's protocol: the outside world of the engine `llm`."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def said(text: str) -> str:
    return f"PT {text}"


def reply(content, finish="stop", **message):
    return 200, {"choices": [{"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}]}, {}


def good(texts):
    return reply(json.dumps([said(text) for text in texts], ensure_ascii=False))


class Server(ThreadingHTTPServer):
    """Answers by `rule(texts, number of the request)`: (status, body, headers), or None to cut the connection."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.rule, self.requests, self.lock = (lambda texts, number: good(texts)), [], threading.Lock()
        self.busy = self.most_busy = 0
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, *_):
        pass  # a client that hung up, as some tests want it to

    def say(self, answer: Callable[[str], str], status: Callable[[], int] = lambda: 200) -> None:
        """Answer each text by `answer`; another `status` than 200 comes without any."""
        self.rule = lambda texts, number: reply(json.dumps([answer(t) for t in texts], ensure_ascii=False)) if status() == 200 else (status(), {}, {})

    def texts(self) -> list[str]:
        """Every text that was asked, in order."""
        return [text for batch in self.batches() for text in batch]

    def batches(self):
        return [json.loads(request["body"]["messages"][1]["content"]) for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        server, body = self.server, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
            number = len(server.requests)
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
        try:
            answer = server.rule(json.loads(body["messages"][1]["content"]), number)
        finally:
            with server.lock:
                server.busy -= 1
        if answer is None:
            self.connection.close()
            return
        status, content, headers = answer
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port of this machine until the block ends."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()
