"""The acceptance form: every part is there, text stays text, and it can be read on paper and screen."""

import re
from html.parser import HTMLParser

from utils.journey.gates import GO, OPEN, PERIODS, Check, Period, Verdict, gate
from utils.journey.termo import write_termo

CODE = "pt-BR"


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


EVIL = "<script>alert(1)</script> | `x` [a](b) **c** &lt; $z$\n# d\u202e"


def evil_verdict() -> Verdict:
    period = Period((6, 7), EVIL, (EVIL,), (EVIL,), ("03",), ())
    checks = (Check(EVIL, True, EVIL, (f"{EVIL}/a.json", f"{EVIL}/b.json")), Check("outra", False, EVIL))
    return Verdict(period, checks, OPEN, (EVIL,), "tiny", CODE, "llava-pt")


def test_the_form_shows_text_as_text_in_html_and_markdown(tmp_path):
    import mistune

    render = mistune.create_markdown(escape=False, plugins=["table"])
    marked, page = write_termo(evil_verdict(), tmp_path, EVIL, EVIL)
    plain = Page(page.read_text(encoding="utf-8"))
    shown = " ".join(EVIL.replace("\u202e", "").split())
    assert "script" not in plain.tags and plain.text.count(shown) >= 8 and "\u202e" not in plain.text
    assert not [value for name, value in plain.attributes if name in ("src", "href") or name.startswith("on")]
    rendered = Page(render(marked.read_text(encoding="utf-8")))
    assert {"script", "a", "code", "em"}.isdisjoint(rendered.tags) and rendered.text.count(shown) >= 8
    assert rendered.tags.count("tr") == 3 and rendered.tags.count("h1") == 1


def test_the_form_has_every_part_and_blank_lines_for_what_is_not_given(tmp_path):
    last = gate(10, "tiny", CODE, "llava-pt")[1]  # of an empty folder
    parts = ["Termo de Aceite de Entrega", "Semana 10: Avaliação qualitativa e publicação", "Escala tiny · língua pt-BR · receita llava-pt"]
    parts += ["Maria Antônia", "Prof. João", "21/11/2026", "Entregas do período", "Planejamento do próximo período", "Observações", "Decisão"]
    many = len(last.checks)  # one for each notebook of the period that the course has, and what is measured
    parts += [f"0 de {many} verificações atendidas", "ninguém avaliou", f"resolver as {many} pendências", *last.period.planned, *last.period.next]
    for path in write_termo(last, tmp_path, "Maria Antônia", "Prof. João", "21/11/2026"):
        text = path.read_text(encoding="utf-8").replace("\\", "")
        assert not [part for part in parts if part not in text]
        assert path.stem == "termo_semanas_10_tiny_pt-BR_llava-pt"


def test_an_accepted_period_is_ticked_and_the_same_verdict_gives_the_same_files(tmp_path):
    accepted = Verdict(
        PERIODS[2], (Check("Nenhuma linha perdida", True, "42 linhas", ("a/b.json", "a/c.json", "d.json")),), GO, (), "tiny", CODE, "llava-pt"
    )
    marked, page = write_termo(accepted, tmp_path)
    text, shown = marked.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")
    assert "- [x] Go!" in text and "- [ ] Em análise" in text and "pendência" not in text and "a/: b.json, c.json; d.json" in text
    assert text.count("\\_" * 40) == 5  # two names, the date, two signatures
    assert "<strong>Estudante:</strong> </p>" in shown and "<strong>Go!</strong>" in shown and "<strong>Em análise" not in shown
    write_termo(accepted, tmp_path)
    assert page.read_text(encoding="utf-8") == shown and marked.stem == "termo_semanas_06-07_tiny_pt-BR_llava-pt"


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    return sum(
        weight * (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4) for weight, p in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
    )


def test_the_form_can_be_read_on_paper_and_screen(tmp_path):
    _, page = write_termo(evil_verdict(), tmp_path)
    text = page.read_text(encoding="utf-8")
    colours = re.findall(r"[ ;{]color: (#\w+)", text)
    assert len(colours) >= 4 and all(1.05 / (luminance(colour) + 0.05) >= 4.5 for colour in colours)
    assert 'lang="pt-BR"' in text and "@page { size: A4" in text and "@media print" in text and "width=device-width" in text
    assert "default-src 'none'" in text and "http:" not in text and "https:" not in text
