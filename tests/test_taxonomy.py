"""The taxonomy's records: complete, marked, filtered the same by widget and page, escaped, and open to one more record."""

import dataclasses
import itertools
import re

import pytest

from utils.runs import UserError
from utils.taxonomy import table
from utils.taxonomy.cards import CAUTION, PAIRS, cards, differing
from utils.taxonomy.models import MODELS, counts, model_of, statuses
from utils.taxonomy.record import SHOWN, STATUSES, Model, shown, status
from utils.taxonomy.timeline import label, span, timeline
from utils.taxonomy.types import SAYS, TYPES, type_of

# The models that the thesis names, by type, and the three systems that the course starts from.
NAMES = {
    "A": "Flamingo, OpenFlamingo, Multimodal-GPT, VL-BART, VL-T5",
    "B": "LLaMA-Adapter, LLaMA-Adapter V2, CogVLM, CogAgent, MoE-LLaVA",
    "C": "LLaVA, LLaVA-Med, LLaVAR, LLaVA-1.5, LLaVA-Phi, LLaVA-NeXT, PaLM-E, MiniGPT-v2, DetGPT, PandaGPT, BLIP-2, Qwen-VL, "
    "LLaVA-NDiNO, AMALIA-VL, mBLIP",
    "D": "LaVIT, TEAL, CM3Leon, VL-GPT",
    "SSM": "VL-Mamba, Cobra",
}  # fmt: skip
EVIL = Model(
    "<b>Evil</b> & co", "B.2", 2025, 6, "1B", "<script>alert(1)</script>", "\"quoted\" <i>", "scan", "all & more", ("embeddings",), "5 < 6",
    "no & source", claim="<u>best</u>", note="<s>", unsure=frozenset({"sizes"}),
)  # fmt: skip


def one(name: str) -> Model:
    return model_of(name, MODELS)


def names_in(page: str) -> list[str]:
    return re.findall(r'<th scope="row"[^>]*>([^<]*)</th>', page)


def cells_in(page: str) -> list[list[str]]:
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", line) for line in page.split("<tbody>")[1].split("</tr>")[:-1]]


def test_every_model_that_the_thesis_and_the_seeds_name_is_there_once_and_under_its_type():
    wanted = sorted((name, code) for code, names in NAMES.items() for name in names.split(", "))
    assert sorted((model.name, model.type) for model in MODELS) == wanted
    assert {m.name for m in MODELS if m.named_by == "seeds"} == {"LLaVA-NDiNO", "AMALIA-VL", "mBLIP"}


@pytest.mark.parametrize("model", MODELS, ids=[m.name for m in MODELS])
def test_each_record_is_complete(model):
    for text in (model.name, model.fusion, model.source, model.sizes):
        assert text and text == text.strip()
    assert 2020 < model.year < 2030
    # What the filters know must be what the words say: a part that learns is named unless the words leave it open.
    assert bool(model.trains) == bool(model.trained and model.trained != "in stages")
    assert (model.kind is None) == (model.connector is None)


@pytest.mark.parametrize("model", [m for m in MODELS if "arXiv" in m.source], ids=lambda m: m.name)
def test_year_and_month_are_those_of_the_arxiv_number(model):
    number = re.search(r"arXiv (\d\d)(\d\d)\.\d{5}", model.source)
    assert (model.year, model.month) == (2000 + int(number[1]), int(number[2]))


def test_a_record_that_contradicts_itself_is_refused_with_the_reason():
    good = one("LLaVA")
    for change, reason in (
        ({"subtype": "E.1"}, "unknown type"),
        ({"subtype": "C.9"}, "unknown type"),
        ({"kind": "glue"}, "CONNECTORS"),
        ({"trains": ("soul",)}, "TRAINED"),
        ({"month": 13}, "month 13"),
        ({"source": " "}, "no source"),
        ({"unsure": frozenset({"colour"})}, "colour"),
        ({"unsure": frozenset({"data"}), "data": None}, "data"),
        ({"unsure": frozenset({"data"}), "assumed": frozenset({"data"})}, "twice: data"),
    ):
        with pytest.raises(UserError, match=reason):
            dataclasses.replace(good, **change)


def test_marks_that_sources_leave_open_are_kept():
    unsure = {
        "Flamingo": "sizes connector data", "VL-T5": "sizes", "VL-BART": "sizes", "CogVLM": "data", "BLIP-2": "data", "Qwen-VL": "subtype data",
        "DetGPT": "subtype data", "LaVIT": "connector", "TEAL": "sizes", "CM3Leon": "connector", "VL-GPT": "sizes", "Cobra": "sizes",
        "mBLIP": "sizes", "VL-Mamba": "trained", "LLaVA-Med": "data", "PandaGPT": "sizes",
    }  # fmt: skip
    for name, fields in unsure.items():
        for field in fields.split():
            assert status(one(name), field) == "unsure", (name, field)
    assert [status(one(n), "subtype") for n in ("LLaVA-NDiNO", "AMALIA-VL", "mBLIP")] == ["assumed"] * 3
    assert status(one("CogAgent"), "trained") == "unknown" == shown(one("CogAgent"), "trained")


def test_a_mark_stands_wherever_its_value_stands():
    page = table.static(MODELS)
    drawn = dict(zip(names_in(page), cells_in(page), strict=True))
    drawn_cards = cards(MODELS)
    paired = {name for pair in PAIRS for name in (pair.left, pair.right)}
    seen = 0
    for model, (n, field) in itertools.product(MODELS, enumerate(SHOWN)):
        found = status(model, field)
        cell = drawn[model.name][n + 1]
        assert found in STATUSES and cell.endswith({"unknown": "unknown"}.get(found, f" ({found})")) == (found != "reported"), (model.name, field)
        if found in ("unsure", "assumed") and model.name in paired:
            assert f"{getattr(model, field)} ({found})" in drawn_cards
            seen += 1
    assert seen > 5


def test_the_timeline_says_what_is_not_known_of_type_and_date():
    assert label(one("LLaVA")) == "LLaVA"
    assert label(one("Qwen-VL")) == "Qwen-VL (type unsure)"
    assert label(one("LLaVA-NDiNO")) == "LLaVA-NDiNO (type assumed, month unknown)"
    assert span(one("LLaVA-NDiNO")) == (2024, 2025) and span(one("LLaVA")) == pytest.approx((2023.25, 2023 + 4 / 12))


def test_the_page_keeps_what_each_filter_asks():
    assert [m.name for m in table.choose(MODELS, type="SSM")] == ["Cobra", "VL-Mamba"]
    assert {m.name for m in table.choose(MODELS, year=2021)} == {"VL-T5", "VL-BART"}
    assert {m.name for m in table.choose(MODELS, connector="Q-Former")} == {"BLIP-2", "DetGPT", "mBLIP"}
    assert {m.name for m in table.choose(MODELS, trained="LoRA")} == {"Multimodal-GPT", "MiniGPT-v2", "PandaGPT", "mBLIP"}
    assert {m.name for m in table.choose(MODELS, trained="unknown")} == {"CogAgent", "Qwen-VL"}
    assert {m.name for m in table.choose(MODELS, type="C", year=2024, trained="vision encoder")} == {"LLaVA-NeXT", "LLaVA-NDiNO"}
    assert {m.name for m in table.choose(MODELS, "italian EARLY-no", type="C")} == set()
    assert {m.name for m in table.choose(MODELS, "ITALIAN tiles")} == {"LLaVA-NDiNO"}
    assert "0 of 31 models (type D, year 2021): no record fits." in table.static(MODELS, type="D", year=2021)
    with pytest.raises(UserError, match="no record has type 'Z'; use one of: all, A, B"):
        table.choose(MODELS, type="Z")
    with pytest.raises(UserError, match="no filter 'colour'"):
        table.choose(MODELS, colour="red")


def test_the_widget_shows_what_the_static_page_shows():
    box = table.widget(MODELS)
    controls, page = box.children
    *choices, search = controls.children
    assert [c.description for c in choices] == list(table.FILTERS) and page.value == table.static(MODELS)
    offered = table.options(MODELS)
    for choice in choices:
        assert list(choice.options) == offered[choice.description]
        for value in choice.options:
            choice.value = value
            assert page.value == table.static(MODELS, **{choice.description: value})
            assert value == "all" or len(names_in(page.value)) < len(MODELS)
        choice.value = "all"
    choices[0].value, search.value = "C", "clip"
    assert page.value == table.static(MODELS, "clip", type="C") and set(names_in(page.value)) == {"LLaVA", "LLaVA-1.5", "LLaVAR"}


def test_every_text_is_escaped():
    models = (*MODELS, EVIL)
    pair = dataclasses.replace(PAIRS[1], left=EVIL.name, lesson="<script>")
    pages = (
        table.static(models),
        table.static(models, "<script>"),
        cards(models, [pair]),
        table.grid([{"<script>": "<u>"}], "<s>"),
        table.grid([], "<s>"),
    )
    for page in pages:
        assert not any(raw in page for raw in ("<script>", "<u>", "<s>", "<b>Evil", "<i>,", '"quoted" <i>', "more & ", "no & "))
        assert "&lt;s" in page
    assert "Its authors: &lt;u&gt;best&lt;/u&gt;" in cards(models, [pair]) and "&lt;b&gt;Evil&lt;/b&gt; &amp; co" in table.static(models)


def test_one_more_record_is_enough():
    models = (*MODELS, EVIL)
    assert counts(models) == {**counts(MODELS), "B": counts(MODELS)["B"] + 1}
    assert sum(row["unsure"] for row in statuses(models)) == 1 + sum(row["unsure"] for row in statuses(MODELS))
    assert table.static(models).count('<th scope="row"') == len(MODELS) + 1 and 2025 in table.options(models)["year"]
    assert {"scan", "embeddings"} <= {*table.options(models)["connector"], *table.options(models)["trained"]}
    assert EVIL.name in texts(timeline(models, "t")) and EVIL.name not in texts(timeline(MODELS, "t"))


def texts(figure) -> list[str]:
    from utils.figures import plt

    plt.close(figure)
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("models", [MODELS, (*MODELS, EVIL), MODELS[:1]], ids=["all", "one more", "one alone"])
def test_no_two_labels_of_the_timeline_meet_and_none_leaves_the_figure(models):
    figure = timeline(models, "Models\nscale")
    figure.canvas.draw()
    found = [(t.get_text(), t.get_window_extent()) for t in figure.axes[0].texts]
    marks = [line.get_window_extent() for line in figure.axes[0].lines if line.get_marker() != "None"]
    assert len(marks) == len(models) and {label(m) for m in models} <= {text for text, _ in found}
    for (one_text, first), (other_text, second) in itertools.combinations(found, 2):
        assert not first.overlaps(second), (one_text, other_text)
    for text, box in found:
        assert not any(box.overlaps(mark) for mark in marks), text
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, text
    assert len({line.get_marker() for line in figure.axes[0].lines} - {"None"}) == len({m.type for m in models}), "a marker for each type"
    assert texts(figure)


def test_an_empty_timeline_says_so():
    with pytest.raises(UserError, match="no model to draw"):
        timeline([], "t")


def test_each_type_has_advantages_limits_and_ids_of_its_own():
    ids = [claim.id for t in TYPES for claim in t.claims]
    assert len(ids) == len(set(ids)) and [t.code for t in TYPES] == ["A", "B", "C", "D", "SSM"]
    for t in TYPES:
        assert t.advantages and t.limits and len(t.claims) == len(t.advantages) + len(t.limits)
        assert all(claim.id.startswith(f"{t.code}.") and claim.says in SAYS and claim.text and claim.source for claim in t.claims)
    for t in TYPES[:4]:  # the survey compares its four types in the same eight aspects
        assert {claim.aspect for claim in t.claims} == {"control", "cost", "parameters", "internals", "adding", "scaling", "output", "risk"}
    with pytest.raises(UserError, match="type 'E' is not known"):
        type_of("E")


def test_a_measurement_stands_beside_its_claim_and_nowhere_else():
    rows = {row["claim"]: row for row in table.claims({"C.parameters": "0.2M of 3M"})}
    assert rows["C.parameters"]["measured here"] == "0.2M of 3M" and rows["C.parameters"]["says"] == "advantage"
    assert {row["measured here"] for name, row in rows.items() if name != "C.parameters"} == {"not measured"}
    assert len(rows) == sum(len(t.claims) for t in TYPES)
    with pytest.raises(UserError, match="no claim has the id C.colour"):
        table.claims({"C.colour": "red"})


def test_the_aspects_compare_the_types_in_one_row():
    rows = {row["about"]: row for row in table.aspects()}
    cost = rows["training data and compute"]
    assert cost["A"] == "− high" and cost["C"] == "+ lowest of the four" and cost["SSM"] == ""
    assert sum(bool(cell) for row in rows.values() for code, cell in row.items() if code != "about") == sum(len(t.claims) for t in TYPES)


def test_the_cards_are_the_thesiss_four_pairs_and_say_what_else_differs():
    assert [(p.type, p.left, p.right) for p in PAIRS] == [
        ("A", "Flamingo", "VL-T5"), ("B", "LLaMA-Adapter V2", "CogVLM"), ("C", "LLaVA", "PaLM-E"), ("D", "CM3Leon", "LaVIT")
    ]  # fmt: skip
    assert all(one(name).type == pair.type for pair in PAIRS for name in (pair.left, pair.right))
    page = cards(MODELS)
    assert page.count("<section") == 4 and CAUTION.split(";")[0] in page
    assert differing(one("VL-T5"), one("VL-BART")) == ["sizes"]
    assert differing(one("CM3Leon"), one("LaVIT")) == ["sizes", "fusion", "connector", "trained", "data"]
    assert differing(one("LaVIT"), one("LaVIT")) == ["data"]  # what is unknown cannot be called equal
    assert "They differ in:</b> sizes, fusion, connector, trained, data." in page
    with pytest.raises(UserError, match="no record is named 'Nobody'"):
        cards(MODELS, [dataclasses.replace(PAIRS[0], left="Nobody")])
