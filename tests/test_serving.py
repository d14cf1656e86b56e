"""The served page and its endpoint over real sockets: the shipped base stands for both models."""

import http.client
import io
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import quote

import pytest
from PIL import Image

from tests.browser import browser
from utils.corpus.images import MAX_PIXELS
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import single
from utils.models.load import SHIPPED
from utils.runs import ROOT, UserError
from utils.serving import gate, predict, server
from utils.serving.answer import ask

ASK = "/ask?question=" + quote("What do you see?")
PNG = {"Content-Type": "image/png"}


def png(thing="dog"):
    file = io.BytesIO()
    render(single(thing)).save(file, "PNG")
    return file.getvalue()


def png_of_size(width, height):
    """A sound header of a picture of this size, and next to no pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@contextmanager
def running(one):
    thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield one
    finally:
        one.shutdown()
        thread.join()
        one.server_close()
        one.desk.worker.shutdown()


@pytest.fixture(scope="module")
def site():
    with running(server.open_server({"base": SHIPPED, "tuned": SHIPPED}, port=0)) as one:
        yield one


@pytest.fixture()
def desk_of(site, monkeypatch):
    """Puts another desk behind the running server for one test."""
    return lambda **changes: monkeypatch.setattr(site, "desk", replace(site.desk, **changes))


def request(site, method, path, body=None, headers=()):
    """(status, headers, JSON or text) through the standard library's client, untouched."""
    link = http.client.HTTPConnection("127.0.0.1", site.server_port, timeout=60)
    try:
        link.request(method, path, body, dict(headers))
        reply = link.getresponse()
        data = reply.read()
        return reply.status, reply.headers, json.loads(data) if "json" in reply.headers["Content-Type"] else data.decode()
    finally:
        link.close()


def raw(site, head, body=b"", host="127.0.0.1"):
    """(status, code or None) of bytes written by hand; `head` without its Host line."""
    lines = head.split("\n")
    text = "\r\n".join([lines[0], *([f"Host: {host}"] if host else []), *lines[1:], "", ""])
    with socket.create_connection(("127.0.0.1", site.server_port), timeout=60) as link:
        link.sendall(text.encode() + body)
        reply = http.client.HTTPResponse(link)
        reply.begin()
        data = reply.read()
        assert link.recv(1) == b"", "nothing may follow: the bytes behind a body are no request"
        return reply.status, json.loads(data).get("code") if data.startswith(b"{") else None


def test_answers_are_those_of_ask_for_each_model_in_order(site, tmp_path):
    (tmp_path / "dog.png").write_bytes(png())
    told = ask(tmp_path / "dog.png", "Where is the dog?", SHIPPED)
    assert "top left" in told  # so a picture that is turned or mirrored on the way is told
    status, headers, data = request(site, "POST", "/ask?question=Where%20is+the%20dog%3F", png(), PNG)
    assert status == 200 and headers["Content-Type"].startswith("application/json")
    assert data == {"question": "Where is the dog?", "answers": [{"model": "base", "answer": told}, {"model": "tuned", "answer": told}]}


def test_a_folder_that_serves_twice_is_loaded_once(site):
    first, second = site.desk.models
    assert first.model is second.model and (first.name, second.name) == ("base", "tuned")


def test_twenty_at_once_get_each_their_own_answer(site):
    things = ["dog", "cat", "car", "tree"] * 5
    wanted = {thing: request(site, "POST", ASK, png(thing), PNG)[2] for thing in things[:4]}
    assert len({str(answer) for answer in wanted.values()}) == 4
    start = threading.Barrier(20)

    def one(thing):
        start.wait()
        return request(site, "POST", ASK, png(thing), PNG)

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(one, things))
    assert [(status, data) for status, _, data in found] == [(200, wanted[thing]) for thing in things]


def test_a_full_queue_says_so_and_those_who_wait_are_answered(site, desk_of):
    desk_of(places=threading.BoundedSemaphore(2))
    busy, free = threading.Event(), threading.Event()
    site.desk.worker.submit(lambda: (busy.set(), free.wait(60)))
    assert busy.wait(60)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(request, site, "POST", ASK, png(), PNG) for _ in range(2)]
        try:
            while site.desk.places._value:
                assert not any(one.done() for one in waiting)
            status, headers, data = request(site, "POST", ASK, png(), PNG)
            assert request(site, "GET", "/health")[0] == 200  # the page is there while the models work
        finally:
            free.set()
        assert (status, data["code"], headers["Retry-After"]) == (503, "busy", "5")
        assert [one.result()[0] for one in waiting] == [200, 200]
    assert request(site, "POST", ASK, png(), PNG)[0] == 200


def test_a_model_that_fails_is_told_and_the_next_request_is_answered(site, desk_of, capfd):
    desk_of(models=(replace(site.desk.models[0], tokenizer=None),), places=threading.BoundedSemaphore(1))
    for _ in range(2):  # twice: the only place came back
        status, _, data = request(site, "POST", ASK, png(), PNG)
        assert (status, data["code"]) == (500, "failed")
    assert "Traceback" in capfd.readouterr().err
    desk_of(models=site.desk.models[:0])
    assert request(site, "POST", ASK, png(), PNG)[2]["answers"] == []


def test_fifty_megabytes_are_refused_before_they_are_read(site):
    head = f"POST {ASK} HTTP/1.1\nContent-Type: image/png\nContent-Length: 50000000"
    assert raw(site, head) == (413, "too_big")  # not a byte of them was sent
    status, _, data = request(site, "POST", ASK, b"\x89PNG\r\n\x1a\n" + bytes(50_000_000), PNG)
    assert (status, data["error"]) == (413, "the picture is larger than 10 MB; make it smaller")


def test_a_sender_that_asks_first_is_stopped_first(site):
    head = f"POST {ASK} HTTP/1.1\nContent-Type: image/png\nExpect: 100-continue\nContent-Length: "
    with socket.create_connection(("127.0.0.1", site.server_port), timeout=60) as link:
        link.sendall((head.replace("\n", "\r\nHost: localhost\r\n", 1) + "50000000\r\n\r\n").encode())
        assert link.recv(100).startswith(b"HTTP/1.1 413 ")  # and no 100 before it
    with socket.create_connection(("127.0.0.1", site.server_port), timeout=60) as link:
        link.sendall((head.replace("\n", "\r\nHost: localhost\r\n", 1) + f"{len(png())}\r\n\r\n").encode())
        assert link.recv(100).startswith(b"HTTP/1.1 100 ")
        link.sendall(png())
        assert link.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "lines,body,code",
    [
        ("Content-Length: {n}", png() + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, "body")),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n", (411, "length")),
        ("Transfer-Encoding: chunked\nContent-Length: {n}", png(), (411, "length")),
        ("Accept: */*", b"", (411, "length")),
        ("Content-Length: {n}\nContent-Length: 5", png(), (411, "length")),
        ("Content-Length: -1", png(), (411, "length")),
        ("Content-Length: +{n}", png(), (411, "length")),
        ("Content-Length: ٣", png(), (411, "length")),
    ],
)
def test_a_body_that_is_not_as_long_as_told_is_refused(site, lines, body, code):
    assert raw(site, f"POST {ASK} HTTP/1.1\nContent-Type: image/png\n" + lines.format(n=len(png())), body) == code


def test_a_body_that_ends_early_or_never_comes_is_refused(site, monkeypatch):
    head = f"POST {ASK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 99999\r\n\r\n".encode() + png()
    with socket.create_connection(("127.0.0.1", site.server_port), timeout=60) as link:
        link.sendall(head)
        link.shutdown(socket.SHUT_WR)
        assert link.recv(100).startswith(b"HTTP/1.1 400 ")
    monkeypatch.setattr(server.Handler, "timeout", 0.2)
    with socket.create_connection(("127.0.0.1", site.server_port), timeout=60) as link:
        link.sendall(head)
        assert link.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_drips_is_refused(site, monkeypatch):
    monkeypatch.setattr(gate, "SECONDS", 0.3)
    head = f"POST {ASK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 99999\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", site.server_port), timeout=0.05) as link:
        link.sendall(head)
        reply = b""
        for _ in range(200):  # each drop comes well within the limit for silence
            link.sendall(b"x")
            try:
                reply = link.recv(100)
                break
            except TimeoutError:
                pass
        assert reply.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "data,code",
    [
        (b"", "not_picture"),
        (b"hello", "not_picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_picture"),
        (b"\x89PNG\r\n\x1a\n" + b"nothing behind it", "picture"),
        (png()[: len(png()) // 2], "picture"),
        (png_of_size(60_000, 60_000), "picture"),
        (png_of_size(9000, 9000), "picture"),
    ],
)
def test_what_is_no_sound_picture_is_refused_in_one_sentence(site, data, code):
    status, _, told = request(site, "POST", ASK, data, PNG)
    assert (status, told["code"]) == ({"not_picture": 415, "picture": 422}[code], code)
    assert told["error"].startswith(("the file ", "the picture ")) and told["error"].count("; ") == 1
    assert "/" not in told["error"], "no path of this machine"


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "WEBP", "BMP"])
def test_the_other_kinds_of_pictures_are_answered(site, kind):
    file = io.BytesIO()
    render(single("dog")).save(file, kind)
    status, _, data = request(site, "POST", ASK, file.getvalue(), {"Content-Type": "application/octet-stream"})
    assert status == 200 and data["answers"][0]["answer"]


def test_a_long_thin_picture_does_not_fill_the_memory(tmp_path):
    Image.new("RGB", (70_000, 10)).save(tmp_path / "thin.png")
    assert max(predict.upright(tmp_path / "thin.png").size) ** 2 <= MAX_PIXELS


def test_a_photo_is_turned_as_its_camera_says(tmp_path):
    picture, exif = Image.new("RGB", (40, 20), "white"), Image.Exif()
    picture.paste((255, 0, 0), (0, 0, 20, 20))
    exif[0x0112] = 6  # shown turned by 90° clockwise: what was left is at the top
    picture.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    turned = predict.upright(tmp_path / "photo.jpg")
    assert turned.size == (20, 40)
    assert turned.getpixel((10, 5))[1] < 50 and turned.getpixel((10, 35))[1] > 200


@pytest.mark.parametrize(
    "path",
    [
        "/ask",
        "/ask?question=",
        "/ask?question=%20%0A",
        "/ask?question=" + "x" * 501,
        "/ask?question=<image>",
        "/ask?question=What%3C/s%3E",
        "/ask?q=hello",
    ],
)
def test_a_question_is_needed_and_bounded(site, path):
    assert request(site, "POST", path, png(), PNG)[2]["code"] == "question"


def test_a_question_goes_through_whatever_it_holds(site, desk_of):
    desk_of(models=site.desk.models[:1])
    for question in (
        "<script>alert(1)</script>",
        "<image> e <image>?",
        "Onde <image>?",
        "É você? 🦋",
        "What do you see? " * 28 + "What do you see and why?",
    ):
        status, _, data = request(site, "POST", "/ask?question=" + quote(question), png(), PNG)
        assert (status, data["question"]) == (200, question)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_of_another_site_cannot_ask(site, kind):
    assert request(site, "POST", ASK, png(), {"Content-Type": kind})[2]["code"] == "type"
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{site.server_port + 1}"):
        assert request(site, "POST", ASK, png(), {**PNG, "Origin": origin})[2]["code"] == "origin"
    assert request(site, "POST", ASK, png(), {**PNG, "Origin": f"http://127.0.0.1:{site.server_port}"})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "localhost:80@evil.example",
        "10.0.0.9",
        "",
        "[::::]",
        "127.0.0.1, evil.example",
    ],
)
def test_another_name_for_this_machine_is_refused(site, host):
    assert raw(site, "GET /health HTTP/1.1", host=host) == (403, "host")
    assert raw(site, f"POST {ASK} HTTP/1.1\nContent-Type: image/png\nContent-Length: 5", b"hello", host=host) == (403, "host")


def test_the_names_of_this_machine():
    mine = socket.gethostname()
    for said in ("localhost", "LOCALHOST:8000", "127.0.0.1:9", "[::1]:8000", "127.0.0.2"):
        assert gate.own_name(said, "127.0.0.1") and gate.own_name(said, "0.0.0.0"), said
    assert not gate.own_name("192.168.0.7:8000", "127.0.0.1") and gate.own_name("192.168.0.7:8000", "0.0.0.0")
    assert gate.own_name(f"{mine}:8000", "0.0.0.0") and gate.own_name("lab.example", "lab.example")
    assert not gate.own_name("evil.example", "0.0.0.0") and not gate.own_name("evil.example", "lab.example")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "NONSENSE"])
def test_other_methods_are_refused(site, method):
    status, headers, data = request(site, method, "/ask?question=x", headers=PNG)
    assert (status, data["code"], headers["Allow"]) == (405, "method", "GET, POST")
    assert "Access-Control-Allow-Origin" not in headers


def test_each_address_takes_its_own_method(site):
    assert request(site, "GET", ASK)[2]["code"] == "method"
    assert request(site, "POST", "/", b"", PNG)[2]["code"] == "method"
    assert request(site, "POST", "/other", b"", PNG)[2]["code"] == "path"


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd",
        "//etc/passwd",
        "/serve.css/../server.py",
        "/%2e%2e/server.py",
        "/page_files/",
        "/serve.html",
        "http://[x/",
        "/..\\server.py",
    ],
)
def test_nothing_but_the_page_is_given_away(site, path):
    assert raw(site, f"GET {path} HTTP/1.1") == (404, "path")


@pytest.mark.parametrize("line", ["GET /", "GET / HTTP/9.9", "x y z w", "GET /" + "x" * 70_000 + " HTTP/1.1"])
def test_a_broken_request_line_ends_in_one_sentence(site, line):
    with socket.create_connection(("127.0.0.1", site.server_port), timeout=60) as link:
        link.sendall(f"{line}\r\nHost: localhost\r\n\r\n".encode())
        reply = b""
        while block := link.recv(1 << 16):
            reply += block
    assert json.loads(reply[reply.index(b"{") :])["code"] == "request" and b"Traceback" not in reply


def test_every_reply_carries_the_headers_that_fence_the_page(site):
    for reply in (request(site, "GET", "/"), request(site, "GET", "/nothing"), request(site, "POST", ASK, png(), PNG), request(site, "PUT", "/")):
        headers = reply[1]
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
        assert headers["Connection"] == "close", "the bytes behind a body would be the next request"
        assert "Set-Cookie" not in headers and "Python" not in headers["Server"]


def test_the_page_needs_nothing_from_elsewhere(site, desk_of):
    pages = {path: request(site, "GET", path) for path in gate.PAGES}
    assert [pages[path][1].get_content_type() for path in ("/", "/serve.css", "/serve.js")] == ["text/html", "text/css", "text/javascript"]
    page, script = pages["/"][2], pages["/serve.js"][2]
    assert re.findall(r'(?:src|href)="([^"]+)"', page) == ["data:,", "/serve.css", "/serve.js"]
    assert not re.search(r"style=|onclick|innerHTML|https?://", page + script) and '<html lang="pt-BR"' in page
    texts = re.findall(r'data-t="(\w+)"', page)
    assert all(len(re.findall(rf"\b{name}: ", script)) >= 2 for name in texts), "a text lacks a language"
    desk_of(language="en")
    assert '<html lang="en"' in request(site, "GET", "/")[2]


def test_every_refusal_that_the_page_can_meet_has_its_sentence_there():
    script = (server.FILES / "serve.js").read_text(encoding="utf-8")
    for code in ("question", "too_big", "not_picture", "picture", "type", "busy", "slow", "failed"):
        assert code in gate.REFUSALS and len(re.findall(rf"\b{code}: ", script)) >= 2, code
    assert f"{gate.MAX_BYTES:_}" in script


def test_only_this_machine_is_served_unless_told_otherwise(site):
    assert site.server_address[0] == "127.0.0.1"


def test_what_cannot_be_served_ends_in_one_sentence(site, tmp_path):
    with pytest.raises(UserError, match=r"^cannot serve at 127.0.0.1, port \d+ \(Address already in use\); stop the program"):
        server.open_server({"base": SHIPPED}, port=site.server_port)
    for host, port in (("192.0.2.1", 0), ("no.such.host.invalid", 0), ("127.0.0.1", 70_000)):
        with pytest.raises(UserError, match="cannot serve at"):
            server.open_server({"base": SHIPPED}, host, port)
    with pytest.raises(UserError, match="no model to serve"):
        server.open_server({}, port=0)
    with socket.create_server(("127.0.0.1", 0)) as spare:
        port = spare.getsockname()[1]
    with pytest.raises(UserError, match="holds no model") as told:
        server.open_server({"base": tmp_path}, port=port)
    socket.create_server(("127.0.0.1", port)).close()  # the port is free again
    assert told


def test_ctrl_c_stops_it():
    code = f"from utils.serving.server import serve; serve({{'base': {str(SHIPPED)!r}}}, port=0)"
    # A shell's background job, as a CI may be, ignores Ctrl-C, and its children with it.
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **heard)
    try:
        first = child.stdout.readline()
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", first)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=60):  # an idle browser does not hold it
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert (child.returncode, out, err) == (0, "stopped\n", "")


def test_the_page_by_keyboard_in_a_browser(site, tmp_path):
    (tmp_path / "dog.png").write_bytes(png())
    (tmp_path / "notes.png").write_text("no picture")
    (tmp_path / "empty.html").write_text("<title>empty</title>")
    hostile = "<img src=x onerror=alert(1)>"
    with browser() as chromium:
        tab = chromium.open(tmp_path / "empty.html", width=390, height=844)
        tab.say("Page.navigate", url=f"http://127.0.0.1:{site.server_port}/")
        tab.until("location.port && document.readyState === 'complete' && !!document.querySelector('#examples button')")
        tab.run("find('question').focus()")
        tab.press(["Enter"])
        assert tab.run("find('problem').textContent") == "Escolha uma imagem primeiro." and tab.run("document.activeElement.id") == "file"
        tab.choose_file("#file", tmp_path / "dog.png")
        tab.until("find('preview').naturalWidth > 0")
        while tab.run("document.activeElement.id") != "question":
            tab.press(["Tab"])
        tab.write(hostile)
        tab.press(["Enter"])
        tab.until("document.querySelectorAll('.answer').length == 2")
        assert tab.run("document.querySelector('.asked h3').textContent") == hostile
        assert tab.run("[...document.querySelectorAll('.answer h4')].map((one) => one.textContent)") == ["Modelo base", "Modelo ajustado"]
        tab.press(["Tab"] * 2 + [" "])  # the second example
        assert tab.run("find('question').value") == "Quantos objetos aparecem na imagem?"
        tab.press(["Enter"])
        tab.until("document.querySelectorAll('.asked').length == 2")
        assert tab.run("document.querySelector('.asked h3').textContent") == "Quantos objetos aparecem na imagem?"
        assert tab.run("document.documentElement.scrollWidth") == 390, "wider than a phone"
        assert tab.complaints() == []
        tab.click("#language")
        assert tab.run("[document.documentElement.lang, document.title]") == ["en", "Ask the picture"]
        assert tab.run("[...document.querySelectorAll('.answer h4')].map((one) => one.textContent)") == ["Base model", "Tuned model"] * 2
        Image.new("RGB", (2100, 1900), "blue").save(tmp_path / "large.bmp")
        assert (tmp_path / "large.bmp").stat().st_size > gate.MAX_BYTES
        tab.choose_file("#file", tmp_path / "large.bmp")
        tab.until("find('chosen').textContent == 'Picture chosen: large.bmp (made smaller for sending)'")
        tab.run("find('question').focus()")
        tab.press(["Enter"])
        tab.until("document.querySelectorAll('.asked').length == 3")
        assert tab.complaints() == []
        tab.choose_file("#file", tmp_path / "notes.png")
        tab.until("find('chosen').textContent == 'Picture chosen: notes.png'")
        tab.press(["Enter"])
        tab.until("find('problem').textContent.startsWith('The file is not a PNG, JPEG')")
        assert {address.split("/")[2] for address in tab.fetched()} == {f"127.0.0.1:{site.server_port}"}


def luminance(colour):
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)] if len(colour) == 7 else [int(one * 2, 16) / 255 for one in colour[1:]]
    return sum(
        share * (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4)
        for share, one in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
    )


def test_text_stands_out_in_both_themes():
    themes = re.findall(r"\{ color-scheme: (light|dark); ([^}]*)\}", (server.FILES / "serve.css").read_text(encoding="utf-8"))
    assert [name for name, _ in themes] == ["light", "dark", "dark"] and themes[1] == themes[2]
    for _, text in themes:
        colours = dict(re.findall(r"--([\w-]+): (#\w+)", text))
        for ink, paper in (("ink", "paper"), ("ink", "card"), ("soft", "paper"), ("soft", "card"), ("bad", "paper"), ("on-key", "key")):
            light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)
