"""A loopback hub for the unmodified huggingface_hub client: just what making a repository and uploading a folder call."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_loopback"


class Hub(ThreadingHTTPServer):
    """Repositories in memory: `repos[name]` is {path: bytes}; `fail` maps a kind of request to the status that it gets."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.lfs: dict[str, bytes] = {}
        self.fail: dict[str, int] = {}
        self.asked: list[str] = []
        self.commits: list[list[str]] = []

    def handle_error(self, *_):
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status: int, body: object = None) -> None:
        data = json.dumps(body if body is not None else {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_POST(self):
        path, body = self.path.split("?")[0], self.body()
        for kind, pattern, act in ROUTES:
            found = re.fullmatch(pattern, path)
            if found:
                self.server.asked.append(kind)
                if self.headers.get("Authorization") != f"Bearer {TOKEN}" and kind != "put":
                    return self.answer(401, {"error": "Invalid credentials"})
                if kind in self.server.fail:
                    return self.answer(self.server.fail[kind], {"error": f"{kind} refused here"})
                return act(self, body, *found.groups())
        self.server.asked.append(f"? {self.command} {path}")
        return self.answer(404, {"error": "no such page"})

    do_GET = do_PUT = do_POST

    def create(self, body):
        asked = json.loads(body)
        owner = asked.get("organization") or "someone"
        name = f"{owner}/{asked['name']}"
        url = f"{self.server.url}/{name}"
        if name in self.server.repos:
            return self.answer(409, {"error": "You already created this model repo", "url": url})
        self.server.repos[name] = {}
        self.server.private[name] = asked.get("visibility") == "private" or bool(asked.get("private"))
        return self.answer(200, {"url": url, "name": name, "id": name})

    def preupload(self, body, repo):
        """Large by its name, as .gitattributes of a new repository says; an `oid` for what is there already."""
        files = []
        for asked in json.loads(body)["files"]:
            large = asked["path"].endswith(".safetensors")
            held = self.server.repos[repo].get(asked["path"])
            oid = None if held is None else hashlib.sha256(held).hexdigest() if large else hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()
            files.append({"path": asked["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid})
        return self.answer(200, {"files": files})

    def batch(self, body, repo):
        objects = []
        for asked in json.loads(body)["objects"]:
            upload = {"upload": {"href": f"{self.server.url}/storage/{asked['oid']}", "header": {}}}
            objects.append(asked | ({} if asked["oid"] in self.server.lfs else {"actions": upload}))
        return self.answer(200, {"transfer": "basic", "objects": objects})

    def put(self, body, oid):
        if hashlib.sha256(body).hexdigest() != oid:
            return self.answer(400, {"error": "other bytes than announced"})
        self.server.lfs[oid] = body
        return self.answer(200)

    def commit(self, body, repo):
        files, paths = self.server.repos[repo], []
        for line in body.splitlines():
            told = json.loads(line)
            value = told["value"]
            if told["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif told["key"] == "lfsFile":
                if len(self.server.lfs.get(value["oid"], b"")) != value["size"]:
                    return self.answer(400, {"error": "a large file was never uploaded"})
                files[value["path"]] = self.server.lfs[value["oid"]]
            else:
                continue
            paths.append(value["path"])
        self.server.commits.append(paths)
        number = len(self.server.commits)
        return self.answer(200, {"commitUrl": f"{self.server.url}/{repo}/commit/{number:040x}", "commitOid": f"{number:040x}"})

    def yaml(self, body):
        """The hub reads the card's head; so does this one, as strictly as PyYAML."""
        import yaml

        content = json.loads(body)["content"]
        head = yaml.safe_load(content.split("---")[1])
        return self.answer(200 if isinstance(head, dict) else 400, {"errors": [], "warnings": []})

    def revision(self, body, repo):
        return self.answer(200, {"id": repo, "sha": f"{len(self.server.commits):040x}", "siblings": []})


ROUTES = (
    ("create", r"/api/repos/create", Handler.create),
    ("yaml", r"/api/validate-yaml", Handler.yaml),
    ("preupload", r"/api/models/([^/]+/[^/]+)/preupload/main", Handler.preupload),
    ("batch", r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", Handler.batch),
    ("put", r"/storage/(\w{64})", Handler.put),
    ("commit", r"/api/models/([^/]+/[^/]+)/commit/main", Handler.commit),
    ("revision", r"/api/models/([^/]+/[^/]+)/revision/main", Handler.revision),
)


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a free port of this machine until the block ends."""
    with Hub() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()
