"""The rating page in a real browser: rated by keyboard, killed, moved to another machine, fed bad files; nothing is lost or given away."""

import json
import re
from pathlib import Path

import pytest
from browser import browser
from PIL import Image, PngImagePlugin

from utils.review import page
from utils.review.ratings import read_ratings
from utils.review.rubric import CRITERIA
from utils.runs import UserError

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">]]>--></script>&lt;'
KEYS = [one.key for one in CRITERIA]


def write_folder(folder: Path, count: int = 20, systems: int = 2, review: str = "r1", **changes) -> Path:
    """A review folder by hand; picture n is n + 15 pixels wide, so that a test can tell which one is shown."""
    (folder / "pictures").mkdir(parents=True)
    items = []
    for n in range(1, count + 1):
        name = f"q{n:04d}"
        Image.new("RGB", (n + 15, 16), (n % 256, 90, 160)).save(folder / "pictures" / f"{name}.webp", lossless=True)
        answers = [{"id": name + "abcd"[at], "text": f"Resposta {at} {EVIL if n == 2 else 'azul'}", "system": "tuned-xyz"} for at in range(systems)]
        items.append({"id": name, "type": "naming", "picture": f"pictures/{name}.webp", "alt": "", "question": f"Pergunta {n}?", "answers": answers})
    data = {"format": 1, "review": review, "title": "Revisão", "language": "pt-BR", "scale": "tiny", "rubric": "1", "items": items, **changes}
    (folder / "items.json").write_text(json.dumps(data), encoding="utf-8")
    (folder / "key.json").write_text('{"answers": {"q0001a": ["base-xyz"]}}', encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = write_folder(tmp_path_factory.mktemp("review") / "r")
    page.write_page(found)
    return found


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture()
def fresh(chromium, folder):
    """A tab on a page that has its own storage: a copy under a review id of its own."""
    made = []

    def opened(review: str, **how):
        text = (folder / "review.html").read_text(encoding="utf-8").replace('"review":"r1"', f'"review":"{review}"')
        path = folder / f"{review}.html"
        path.write_text(text, encoding="utf-8")
        tab = chromium.open(path, **how)
        tab.until("document.body.dataset.ready === 'yes'")
        made.append(tab)
        return tab

    yield opened
    for tab in made:
        assert tab.complaints() == [] and tab.fetched() == []
        assert not tab.own_events("Page.javascriptDialogOpening")


def begin(tab, name="Ana"):
    tab.run(f"document.querySelector('#rater').value = {json.dumps(name)}")
    tab.click("#who button")
    tab.until("!document.querySelector('#start').offsetParent")


def saved(tab):
    tab.until("document.body.dataset.saved === 'yes'")


def exported(tab, folder: Path) -> Path:
    """The file that the page's export puts into the download folder."""
    folder.mkdir(exist_ok=True)
    tab.downloads_to(folder)
    before = len([e for e in tab.browser.events if e["method"] == "Browser.downloadProgress" and e["params"]["state"] == "completed"])
    tab.click("#export" if tab.run("!document.querySelector('#export').hidden") else "#end-export")
    for _ in range(500):
        tab.run("new Promise(done => setTimeout(done, 10))")
        done = [e for e in tab.browser.events if e["method"] == "Browser.downloadProgress" and e["params"]["state"] == "completed"]
        if len(done) > before:
            return max(folder.glob("ratings-*.json"), key=lambda path: path.stat().st_mtime_ns)
    raise TimeoutError("no download")


def shown(tab, selector):
    return tab.run(f"document.querySelector({json.dumps(selector)}).textContent")


def score(tab, answer, criterion):
    return tab.run(f"document.querySelector('[data-answer={answer}][data-criterion={criterion}] input:checked')?.value ?? null")


def import_file(tab, path):
    tab.run("document.querySelector('#problem').textContent = document.querySelector('#status').textContent = ''")
    tab.choose_file("#import", path)
    tab.until("document.querySelector('#problem').textContent || document.querySelector('#status').textContent")
    return shown(tab, "#problem"), shown(tab, "#status")


def test_twenty_items_by_keyboard_reload_go_on_export_and_import_elsewhere(tmp_path, folder, chromium):
    one_item = ["j", *"210210", *"012012", "2", "n"]  # six criteria of each answer, then B is the best
    tab = chromium.open(folder / "review.html")
    tab.until("document.body.dataset.ready === 'yes'")
    tab.press([*"Ana", "Enter"])
    tab.until("document.activeElement.id === 'item-heading'")
    for _ in range(10):
        tab.press(one_item)
    assert shown(tab, "#item-heading") == "Item 11 de 20" and shown(tab, "#bar-text") == "10 de 20 completos"
    saved(tab)
    tab.reload()
    tab.until("document.body.dataset.ready === 'yes'")
    tab.press(["Enter"])
    tab.until("document.activeElement.id === 'item-heading'")
    assert shown(tab, "#item-heading") == "Item 11 de 20"
    for _ in range(10):
        tab.press(one_item)
    assert shown(tab, "#end-count") == "Todos os 20 itens estão completos."
    review = json.loads((folder / "items.json").read_text())
    found = read_ratings(exported(tab, tmp_path / "out"), review)
    assert found.rater == "Ana" and list(found.ratings) == [item["id"] for item in review["items"]]
    expected = [dict(zip(KEYS, values, strict=True)) for values in ((2, 1, 0, 2, 1, 0), (0, 1, 2, 0, 1, 2))]
    for name, rating in found.ratings.items():
        assert rating["best"] == name + "b" and [rating["answers"][name + letter]["scores"] for letter in "ab"] == expected
        assert 0 < rating["seconds"] < 60 and rating["at"].endswith("Z")
    assert tab.complaints() == [] and tab.fetched() == []
    with browser() as elsewhere:
        other = elsewhere.open(folder / "review.html")
        other.until("document.body.dataset.ready === 'yes'")
        assert import_file(other, next((tmp_path / "out").iterdir())) == (
            "",
            "Itens de Ana importados: 20; mantidos, com avaliação igual ou mais nova aqui: 0.",
        )
        assert shown(other, "#end-count") == "Todos os 20 itens estão completos."
        assert read_ratings(exported(other, tmp_path / "there"), review) == found
        assert other.complaints() == []


def test_text_that_looks_like_a_script_is_text(fresh, tmp_path):
    tab = fresh("evil")
    begin(tab, EVIL[:80])
    tab.press(["n", "r"])
    tab.write(EVIL)
    saved(tab)
    assert shown(tab, ".answer .data") == f"Resposta 0 {EVIL}"
    tab.reload()
    tab.until("document.body.dataset.ready === 'yes'")
    assert shown(tab, "#known button") == EVIL[:80]
    tab.click("#known button")
    tab.until("document.activeElement.id === 'item-heading'")
    tab.press("n")
    assert tab.run("document.querySelector('textarea').value") == EVIL
    assert tab.run("document.querySelectorAll('main script, main img').length") == 1
    data = json.loads(exported(tab, tmp_path / "out").read_text())
    assert data["ratings"]["q0002"]["answers"]["q0002a"]["remark"] == EVIL and data["rater"] == EVIL[:80]


def test_a_killed_browser_and_a_crashed_tab_lose_nothing(tmp_path, folder):
    with browser(tmp_path / "profile") as first:
        tab = first.open(folder / "review.html")
        tab.until("document.body.dataset.ready === 'yes'")
        begin(tab)
        tab.press(["j", "2", "1", "r"])
        tab.write("Não há gato")
        saved(tab)
        first.kill()
    with browser(tmp_path / "profile") as second:
        tab = second.open(folder / "review.html")
        tab.until("document.body.dataset.ready === 'yes'")
        tab.press(["Enter"])
        tab.until("document.activeElement.id === 'item-heading'")
        assert [score(tab, "q0001a", key) for key in KEYS[:3]] == ["2", "1", None]
        assert tab.run("document.querySelector('textarea').value") == "Não há gato"
        tab.press(["n", "j", "0"])
        saved(tab)
        tab.crash()
        again = second.open(folder / "review.html")
        again.until("document.body.dataset.ready === 'yes'")
        begin(again)
        again.press("n")
        assert score(again, "q0002a", KEYS[0]) == "0"


def test_keys_and_undo(fresh):
    tab = fresh("keys")
    begin(tab)
    tab.press("2")
    assert "critério" in shown(tab, "#status") and score(tab, "q0001a", "seen") is None  # nothing is focused yet
    tab.press(["j", "2", "ArrowDown", "1", "k", "k", "0"])
    assert [score(tab, "q0001a", key) for key in KEYS[:4]] == ["2", "0", "1", None]
    tab.press(["ArrowRight"])  # on the third criterion, as radio buttons do
    assert score(tab, "q0001a", KEYS[2]) == "2"
    tab.press(["Delete"])
    assert score(tab, "q0001a", KEYS[2]) is None
    tab.press("b")
    best = "document.querySelector('#best input:checked')?.value ?? null"
    assert tab.run(best) == "q0001a"
    tab.press("t")
    assert tab.run(best) == "tie"
    tab.press("x")
    assert tab.run(best) == "none"
    tab.press(["r", *"ab2"])
    assert tab.run("document.querySelector('textarea').value") == "ab2"  # no shortcut while writing
    tab.press(["Escape", "e"])
    tab.press(["Tab", " "])
    assert shown(tab, "details.errors summary") == "Tipos de erro (1)"
    tab.press("uu")  # the tick, then the whole remark
    assert tab.run("document.querySelector('textarea').value") == "" and tab.run("document.querySelectorAll('.errors input:checked').length") == 0
    tab.press(["u", "u"])
    assert tab.run(best) == "q0001a"
    tab.press(["n"])
    tab.press(["z"], control=True)  # what is undone lies on the item before
    assert shown(tab, "#item-heading") == "Item 1 de 20" and tab.run(best) is None
    tab.press(["u"] * 4)
    assert [score(tab, "q0001a", key) for key in KEYS[:3]] == ["2", None, None]
    tab.press(["u", "u"])
    assert score(tab, "q0001a", "seen") is None and shown(tab, "#status") == "Não há nada para desfazer."
    saved(tab)
    tab.reload()
    tab.until("document.body.dataset.ready === 'yes'")
    begin(tab)
    assert score(tab, "q0001a", "seen") is None  # undone on the disk too
    tab.press("?")
    assert tab.run("document.querySelector('#help').open")
    tab.click("#shortcuts")
    tab.press(["Escape"])
    tab.press(["n", "?"])
    assert shown(tab, "#item-heading") == "Item 1 de 20" and not tab.run("document.querySelector('#help').open")


def rating_file(path: Path, review="r1", rater="Ana", at="2026-11-21T10:00:00Z", value=2, **changes) -> Path:
    rating = {"best": "tie", "answers": {"q0001a": {"scores": {"seen": value}, "errors": ["agreement"], "remark": "x"}}, "at": at, "seconds": 3}
    path.write_text(json.dumps({"format": 1, "review": review, "rubric": "1", "rater": rater, "ratings": {"q0001": rating}, **changes}))
    return path


def test_of_two_ratings_the_later_counts_and_an_import_can_be_undone(fresh, tmp_path):
    tab = fresh("later")
    begin(tab)
    tab.press(["j", "0"])
    saved(tab)
    tab.press(["k", "2"])
    mistake = exported(tab, tmp_path / "out")
    tab.press("u")
    import_file(tab, mistake)
    assert score(tab, "q0001a", "seen") == "0"  # the undoing is later than the mistake
    old = rating_file(tmp_path / "old.json", "later", at="2020-01-01T00:00:00Z")
    assert import_file(tab, old)[1].startswith("Itens de Ana importados: 0; ")
    assert score(tab, "q0001a", "seen") == "0"
    new = rating_file(tmp_path / "new.json", "later", at="2999-01-01T00:00:00.5Z")
    assert import_file(tab, new)[1].startswith("Itens de Ana importados: 1; ")
    assert score(tab, "q0001a", "seen") == "2" and tab.run("document.querySelector('#best input:checked').value") == "tie"
    tab.press("u")
    assert score(tab, "q0001a", "seen") == "0"
    assert import_file(tab, rating_file(tmp_path / "bia.json", "later", "Bia", value=1))[1].startswith("Itens de Bia importados: 1;")
    assert score(tab, "q0001a", "seen") == "1"
    saved(tab)
    tab.reload()
    tab.until("document.body.dataset.ready === 'yes'")
    begin(tab)
    assert score(tab, "q0001a", "seen") == "0"  # Ana's own is still there


BAD = {
    "not JSON": (lambda p, r: p.write_text("{"), "não é JSON"),
    "a picture": (lambda p, r: p.write_bytes(b"\x89PNG\x00\xff\xfe"), "não é JSON"),
    "a list": (lambda p, r: p.write_text("[]"), "que esta página conhece"),
    "another review": (lambda p, r: rating_file(p, "elsewhere"), "outra revisão"),
    "another rubric": (lambda p, r: rating_file(p, r, rubric="0"), "outra revisão"),
    "another format": (lambda p, r: rating_file(p, r, format=2), "que esta página conhece"),
    "a value out of range": (lambda p, r: rating_file(p, r, value=3), "danificado em q0001"),
    "a value that is no number": (lambda p, r: rating_file(p, r, value=True), "danificado em q0001"),
    "no time": (lambda p, r: rating_file(p, r, at="today"), "danificado em q0001"),
    "an unknown item": (lambda p, r: rating_file(p, r, ratings={"q9999": {}}), "danificado em q9999"),
    "__proto__": (lambda p, r: p.write_text('{"format":1,"review":"%s","rubric":"1","rater":"A","ratings":{"__proto__":{}}}' % r), "em __proto__"),
    "a nameless rater": (lambda p, r: rating_file(p, r, rater=" \n"), "danificado em rater"),
    "a huge file": (lambda p, r: p.write_bytes(b" " * 50_000_000), "tem 50 MB"),
}


def test_a_bad_file_gets_one_sentence_and_changes_nothing(fresh, tmp_path):
    tab = fresh("bad")
    begin(tab)
    tab.press(["j", "1"])
    saved(tab)
    before = json.loads(exported(tab, tmp_path / "out").read_text())
    for name, (write, words) in BAD.items():
        path = tmp_path / f"{name}.json"
        write(path, "bad")
        problem, told = import_file(tab, path)
        assert words in problem and problem.endswith("Nada foi mudado.") and path.name in problem and told == "", name
    assert json.loads(exported(tab, tmp_path / "out").read_text()) == before
    assert import_file(tab, rating_file(tmp_path / "good.json", "bad", at="2999-01-01T00:00:00Z"))[0] == ""


NO_DATABASE = "Object.defineProperty(window, 'indexedDB', {value: undefined});"
NO_STORAGE = NO_DATABASE + "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }});"


def test_without_a_database_the_simple_storage_is_used(fresh):
    tab = fresh("simple", before=NO_DATABASE)
    assert "armazenamento simples" in shown(tab, "#kept")
    begin(tab, "Zé/Ana [1]")
    tab.press(["j", "2", "n", "j", "1"])
    saved(tab)
    tab.reload()
    tab.until("document.body.dataset.ready === 'yes'")
    tab.press(["Enter"])
    tab.until("document.activeElement.id === 'item-heading'")
    assert score(tab, "q0001a", "seen") == "2"
    tab.press("n")
    assert score(tab, "q0002a", "seen") == "1"


def test_without_any_storage_the_page_says_so_and_still_exports(fresh, tmp_path):
    tab = fresh("nothing", before=NO_STORAGE)
    assert "não guarda nada" in shown(tab, "#unkept")
    begin(tab)
    tab.press(["j", "2"])
    tab.click("#change")
    begin(tab, "Bia")
    assert score(tab, "q0001a", "seen") is None
    tab.click("#change")
    begin(tab, "Ana")
    assert score(tab, "q0001a", "seen") == "2"  # taking turns loses nothing
    assert json.loads(exported(tab, tmp_path / "out").read_text())["ratings"]["q0001"]["answers"]["q0001a"]["scores"] == {"seen": 2}


def test_a_rating_that_the_store_refused_is_told_and_kept_with_the_next(fresh):
    tab = fresh("full")
    begin(tab)
    tab.run(
        "window.whole = IDBObjectStore.prototype.put; IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); }; 1"
    )
    tab.press(["j", "2"])
    tab.until("document.body.dataset.saved === 'failed'")
    assert "QuotaExceededError" in shown(tab, "#unkept") and "Exporte" in shown(tab, "#unkept")
    tab.run("IDBObjectStore.prototype.put = window.whole; 1")
    tab.press(["n", "j", "1"])
    saved(tab)
    assert shown(tab, "#unkept") == ""
    tab.reload()
    tab.until("document.body.dataset.ready === 'yes'")
    begin(tab)
    assert score(tab, "q0001a", "seen") == "2"


def test_two_tabs_of_one_rater_keep_each_other_s_ratings(fresh):
    one = fresh("tabs")
    begin(one)
    two = fresh("tabs")
    begin(two)
    two.press(["n", "j", "1"])
    saved(two)
    one.front()
    one.press("n")
    one.until("document.querySelector('[data-answer=q0002a] input:checked')")
    one.press(["j", "j", "2"])
    saved(one)
    one.reload()
    one.until("document.body.dataset.ready === 'yes'")
    begin(one)
    one.press("n")
    assert [score(one, "q0002a", key) for key in KEYS[:2]] == ["1", "2"]


CONTRAST = """(() => {
  const channel = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const behind = one => { for (; one; one = one.parentElement) { const c = parse(getComputedStyle(one).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), poor = [];
  let seen = 0;
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !one.checkVisibility() || one.closest('.skip, noscript')) continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    seen += 1;
    if ((a + .05) / (b + .05) < 4.5) poor.push(one.outerHTML.slice(0, 80));
  }
  return {seen, poor};
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_contrast_and_phone_width_in_every_view(fresh, dark):
    tab = fresh(f"looks{dark}", width=360, height=740, dark=dark)

    def sound(least):
        found = tab.run(CONTRAST)
        assert found["poor"] == [] and found["seen"] >= least
        assert tab.run("document.documentElement.scrollWidth") == 360

    sound(8)
    tab.click("#rubric summary")
    sound(100)
    begin(tab, "A" * 80)
    tab.press(["j", "2", "e"])
    sound(50)
    tab.press("?")
    sound(60)
    tab.press(["Escape"])
    tab.run("goTo(1)")
    sound(50)
    tab.run("goTo(ITEMS.length)")
    sound(20)


def test_every_control_has_a_name_and_tab_reaches_it(fresh):
    tab = fresh("names")
    begin(tab)
    nodes = tab.say("Accessibility.getFullAXTree")["nodes"]
    controls = [
        n
        for n in nodes
        if n.get("role", {}).get("value") in ("button", "radio", "checkbox", "textbox", "spinbutton", "progressbar", "image", "radiogroup")
    ]
    assert len(controls) > 40 and all(node.get("name", {}).get("value") for node in controls)
    image = next(node for node in controls if node["role"]["value"] == "image")
    assert image["name"]["value"] == "Imagem 1 de 20"
    wanted = tab.run("""(() => {
      const groups = new Set();
      const all = [...document.querySelectorAll('button, input, textarea, summary')].filter(one => one.checkVisibility() && !one.disabled);
      window.order = all.filter(one => one.type !== 'radio' || (!groups.has(one.name) && groups.add(one.name)));
      document.activeElement.blur();
      window.scrollTo(0, 0);
      return order.length;
    })()""")
    reached = set()
    for _ in range(wanted + 3):
        tab.press(["Tab"])
        reached.add(tab.run("order.indexOf(document.activeElement)"))
    assert set(range(wanted)) <= reached


def test_the_language_of_the_page_changes_and_stays(fresh):
    tab = fresh("english")
    begin(tab)
    tab.press(["j", "2"])
    tab.click("[data-language=en]")
    assert shown(tab, "#item-heading") == "Item 1 of 20" and tab.run("document.documentElement.lang") == "en"
    assert score(tab, "q0001a", "seen") == "2" and shown(tab, "#state") == "12 choices left. Saved."
    assert tab.run("document.querySelector('#question').lang") == "pt-BR"
    tab.reload()
    tab.until("document.body.dataset.ready === 'yes'")
    assert shown(tab, "#start-heading") == "Rate answers"


def test_every_text_is_there_in_both_languages_and_used():
    texts = json.loads((page.PARTS / "texts.json").read_text(encoding="utf-8"))
    code = "".join((page.PARTS / name).read_text(encoding="utf-8") for name in (*page.SCRIPTS, "page.html"))
    for key, both in texts.items():
        assert both.keys() == {"pt", "en"} and both["pt"] and both["en"] and re.findall(r"\{\w+\}", both["pt"]) == re.findall(r"\{\w+\}", both["en"])
        assert f'"{key}"' in code or key.startswith("kept_"), key
    asked = re.findall(r'\btext\("(\w+)"|data-(?:text|label)="(\w+)"|problem: "(\w+)"', code)
    assert {name for found in asked for name in found if name} <= texts.keys() and len(asked) > 60


def test_the_right_picture_is_shown_and_no_more_nodes_for_more_items(tmp_path, chromium, monkeypatch):
    monkeypatch.setattr(page, "CHUNK", 400)
    counts = []
    for count in (20, 400):
        written = page.write_page(write_folder(tmp_path / str(count), count, review=f"many{count}"))
        tab = chromium.open(written)
        tab.until("document.body.dataset.ready === 'yes'")
        begin(tab)
        for n in (1, count // 2, count, 3):
            tab.run(f"goTo({n - 1})")
            tab.until(f"document.querySelector('#picture img')?.naturalWidth === {n + 15}")
        counts.append(tab.run("document.querySelectorAll('body *:not(script)').length"))
        tab.run(f"goTo({count})")
        assert tab.run("document.querySelectorAll('#missing li').length") <= 21 and tab.complaints() == []
    assert len(re.findall('id="pictures-', written.read_text())) > 20  # several chunks
    assert counts[0] == counts[1]


def test_nothing_in_the_page_tells_the_system_or_may_use_the_network(folder, fresh):
    written = (folder / "review.html").read_text(encoding="utf-8")
    assert "xyz" not in written and "naming" not in written and str(folder) not in written
    assert not re.search(r"https?://", written)
    tab = fresh("closed")
    blocked = "new Promise(done => { document.addEventListener('securitypolicyviolation', e => done(e.effectiveDirective), {once: true}); %s })"
    assert tab.run(blocked % "fetch('http://127.0.0.1:9/').catch(() => {})") == "connect-src"
    assert tab.run(blocked % "new Image().src = 'http://127.0.0.1:9/x.png'") == "img-src"
    assert tab.run(blocked % "try { document.body.innerHTML = '<b>x</b>'; } catch (error) {}") == "require-trusted-types-for"
    tab.browser.events.clear()  # the blocked requests, which the console names


def edit(change):
    def broken(folder):
        data = json.loads((folder / "items.json").read_text())
        change(data)
        (folder / "items.json").write_text(json.dumps(data))

    return broken


def tell_tale(folder):
    facts = PngImagePlugin.PngInfo()
    facts.add_text("Comment", "tuned")
    Image.new("RGB", (4, 4)).save(folder / "pictures" / "x.png", pnginfo=facts)
    edit(lambda data: data["items"][0].update(picture="pictures/x.png"))(folder)


BROKEN = {
    "no items.json": (lambda f: (f / "items.json").unlink(), "missing"),
    "torn items.json": (lambda f: (f / "items.json").write_text("{"), "not JSON"),
    "no title": (edit(lambda d: d.pop("title")), "title"),
    "an id for HTML": (edit(lambda d: d["items"][0].update(id='"><b>')), "ids"),
    "answers with one id": (edit(lambda d: d["items"][0]["answers"][1].update(id="q0001a")), "ids"),
    "an answer named tie": (edit(lambda d: d["items"][0]["answers"][1].update(id="tie")), "ids"),
    "half a character": (edit(lambda d: d["items"][0].update(question="\ud800")), "two-part"),
    "a picture elsewhere": (edit(lambda d: d["items"][0].update(picture="key.json")), "outside pictures/"),
    "a picture gone": (lambda f: (f / "pictures" / "q0001.webp").unlink(), "missing"),
    "a picture that is none": (lambda f: (f / "pictures" / "q0001.webp").write_text("x"), "not a picture"),
    "a picture that tells": (tell_tale, "metadata"),
    "a picture browsers do not know": (lambda f: Image.new("RGB", (4, 4)).save(f / "pictures" / "q0001.webp", format="TIFF"), "TIFF"),
    "a link out": (lambda f: ((f / "pictures" / "q0001.webp").unlink(), (f / "pictures" / "q0001.webp").symlink_to(f / "key.json")), "leaves"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_review_is_told_in_one_sentence_and_leaves_the_old_page(tmp_path, name):
    folder = write_folder(tmp_path / "r", 2)
    (folder / "review.html").write_text("old")
    spoil, words = BROKEN[name]
    spoil(folder)
    with pytest.raises(UserError, match=re.escape(words)) as told:
        page.write_page(folder)
    assert "\n" not in str(told.value) and (folder / "review.html").read_text() == "old"
    assert not list(folder.glob(".*.part"))


def test_out_names_another_place_and_one_answer_needs_no_best(tmp_path, chromium):
    folder = write_folder(tmp_path / "r", 1, systems=1, review="single")
    written = page.write_page(folder, tmp_path / "there" / "x.html")
    assert written == tmp_path / "there" / "x.html" and not (folder / "review.html").exists()
    with pytest.raises(UserError, match="folder"):
        page.write_page(folder, tmp_path)
    tab = chromium.open(written)
    tab.until("document.body.dataset.ready === 'yes'")
    begin(tab)
    tab.press(["j", *"222222"])
    assert shown(tab, "#state").startswith("Completo") and "Item completo; 1 de 1 completos." in shown(tab, "#status")
