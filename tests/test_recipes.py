"""Recipes as data: every value has one status, the numbers are their sources', ablations keep order, the table tells doubts."""

import dataclasses

import pytest

from utils.models.prompt_formats import PROMPTS
from utils.runs import UserError
from utils.training.guesses import GUESSES, runnable
from utils.training.recipes import ENGLISH_BASE, LLAVA_PT, PARTS, THESIS, Fact, Recipe, Stage, Tune, covers, fields_of, provenance, recipe
from utils.training.systems import AMALIA_VL, LLAVA_NDINO, MBLIP, MBLIP_BLOOMZ, SEVEN, SYSTEMS, seven, side_by_side, system

DESCRIBED = [*SYSTEMS.values(), THESIS]
EVERY = [*DESCRIBED, *seven().values(), *(runnable(r) for r in DESCRIBED)]
names = lambda r: r.name  # noqa: E731


@pytest.mark.parametrize("one", EVERY, ids=[f"{n}-{r.name}" for n, r in enumerate(EVERY)])
def test_every_field_has_exactly_one_status_and_unknown_means_none(one):
    rows = provenance(one)
    listed = {row["field"] for row in rows}
    assert len(rows) == len(listed)
    for row in rows:
        assert row["status"] in ("reported", "assumed", "unknown") and row["source"].strip()
        assert (row["value"] is None) == (row["status"] == "unknown"), row
    assert {"start", "vision", "connector", "llm", "image", "machine"} <= listed
    for stage in one.stages:
        told = {f.removeprefix(f"stages.{stage.name}.") for f in listed if f.startswith(f"stages.{stage.name}.")}
        always = "data tune prompt objective max_length weight_decay replay vocabulary rows batch schedule cost optional".split()
        assert set(always) <= told
        assert len(told & {"epochs", "max_steps"}) == 1 and len(told & {"warmup", "warmup_steps"}) == 1
        assert ("beta" in told) == (stage.objective == "preference")
        for part, tune in (stage.tune or {}).items():
            assert {f"tune.{part}.how", f"tune.{part}.lr"} <= told
            assert {f"tune.{part}.{n}" in told for n in ("rank", "alpha", "dropout")} == {tune.how == "lora"}


@pytest.mark.parametrize("one", DESCRIBED, ids=names)
def test_no_fact_speaks_of_a_field_that_is_not_there(one):
    fields = [row["field"] for row in provenance(one)]
    for fact in one.facts:
        for pattern in fact.fields:
            assert any(covers(pattern, field) for field in fields), pattern


def small(**changes) -> Recipe:
    stage = Stage("a", "rows", {"llm": Tune("full", 1e-3)}, rows=1, batch=1, cost="1 h")
    fact = Fact("reported", "a paper", ("*", "stages.*.*", "stages.*.tune.*.*"))
    whole = dict.fromkeys(("start", "vision", "connector", "llm", "image", "machine"), "x")
    return dataclasses.replace(Recipe(name="small", stages=(stage,), source="s", facts=(fact,), **whole), **changes)


@pytest.mark.parametrize(
    "changes,words",
    [
        ({"facts": ()}, "start has 0 facts; give it exactly one"),
        ({"facts": (*small().facts, Fact("assumed", "again", ("stages.a.tune.llm.lr",)))}, r"stages.a.tune.llm.lr has 2 facts"),
        ({"machine": None}, "machine is None, but its fact says reported"),
        ({"facts": (dataclasses.replace(small().facts[0], status="unknown"),)}, "start is 'x', but its fact says unknown"),
        ({"facts": (dataclasses.replace(small().facts[0], status="sure"),)}, "the status 'sure' of start is none of: reported"),
    ],
)
def test_a_hole_in_the_facts_is_told(changes, words):
    assert {row["status"] for row in provenance(small())} == {"reported"}
    with pytest.raises(ValueError, match=words):
        provenance(small(**changes))


def test_a_facts_name_stands_for_whole_segments():
    assert covers("stages.a|b.tune.*.lr", "stages.b.tune.llm.lr")
    assert not covers("stages.a|b.tune.*.lr", "stages.c.tune.llm.lr")
    assert not covers("stages.ab.rows", "stages.a.rows") and not covers("stages.*", "stages.a.rows") and not covers("stages.a.row", "stages.a.rows")


def test_the_numbers_that_the_journey_trains_with_stay():
    """The shipped base and every published figure come from these; a change here is a change of results."""
    seen = [
        (r.name, s.name, {p: dataclasses.astuple(t)[:4] for p, t in s.tune.items()}, s.objective, s.epochs, s.max_length, s.warmup,
         s.weight_decay, s.replay, s.vocabulary, s.prompt, s.schedule)
        for r in (LLAVA_PT, THESIS, ENGLISH_BASE) for s in r.stages
    ]  # fmt: skip
    full = lambda lr, *parts: dict.fromkeys(parts, ("full", lr, None, None))  # noqa: E731
    lora = {"llm": ("lora", 2e-4, 128, 256), "projector": ("full", 2e-5, None, None)}
    embeddings = {"embeddings": ("full", 4e-4, None, None)}
    end = ("vicuna_v1", "cosine")
    assert seen == [
        ("llava-pt", "instruct", lora | embeddings, "lm", 1, 2048, 0.03, 0.0, 0.25, "aligned", *end),
        ("thesis-rate", "instruct", lora, "lm", 1, 2048, 0.03, 0.0, 0.0, "as it is", *end),
        ("english-base", "align", full(2e-3, "vision", "projector", "embeddings"), "words", 1, 2048, 0.05, 0.0, 0.0, "as it is", *end),
        ("english-base", "instruct", full(1e-3, "vision", "projector", "llm", "embeddings"), "lm", 1, 2048, 0.02, 0.01, 0.0, "as it is", *end),
        ("english-base", "count", full(4e-4, "vision", "projector", "llm", "embeddings"), "lm", 1, 2048, 0.05, 0.01, 0.0, "as it is", *end),
    ]
    assert all(t.dropout == 0 for r in (LLAVA_PT, THESIS, ENGLISH_BASE) for s in r.stages for t in s.tune.values())
    assert recipe("llava-pt") is LLAVA_PT


def rates(one: Recipe, stage: str) -> dict[str, float | None]:
    return {part: tune.lr for part, tune in one.stage(stage).tune.items()}


def test_ndinos_numbers_are_its_scripts():
    everything = {"vision": 2e-6, "projector": 1e-5, "llm": 1e-5, "embeddings": 1e-5}
    assert [s.name for s in LLAVA_NDINO.stages] == ["align", "adapt", "short", "long"]
    assert rates(LLAVA_NDINO, "align") == {"projector": 1e-3}
    assert all(rates(LLAVA_NDINO, name) == everything for name in ("adapt", "short", "long"))
    assert [s.prompt for s in LLAVA_NDINO.stages] == ["plain", "plain", "llama_3", "llama_3"]
    assert LLAVA_NDINO.stage("adapt").batch == 2 * 8 * 8 and LLAVA_NDINO.stage("long").batch == 4 * 4 * 8  # rows, accumulation, GPUs
    assert LLAVA_NDINO.stage("long").max_steps == 500 and LLAVA_NDINO.stage("short").rows == 260_302
    status = {row["field"]: row["status"] for row in provenance(LLAVA_NDINO)}
    assert [status[f"stages.{s}.tune.projector.lr"] for s in ("align", "adapt", "short", "long")] == ["assumed", "reported", "assumed", "reported"]


def test_mblips_numbers_are_its_readmes():
    for one, rows, accumulation in ((MBLIP, 8, 4), (MBLIP_BLOOMZ, 4, 8)):
        stage = one.stage("instruct")
        assert rates(one, "instruct") == {"resampler": 1e-5, "projector": 1e-5, "llm": 2e-4}
        assert stage.tune["llm"] == Tune("lora", 2e-4, 8, 16, 0.05) and (stage.epochs, stage.weight_decay, stage.warmup_steps) == (2, 0.1, 1000)
        assert stage.batch == rows * 4 * accumulation
    warmup = MBLIP.stage("warmup")
    assert (set(warmup.tune), warmup.max_steps, warmup.optional) == ({"projector"}, 8000, True)
    assert [s.name for s in MBLIP.stages] == ["warmup", "instruct"] and [s.name for s in MBLIP_BLOOMZ.stages] == ["instruct"]
    assert {row["status"] for row in provenance(MBLIP) if row["field"] == "stages.warmup.tune.projector.lr"} == {"assumed"}
    assert {stage.prompt for one in (MBLIP, MBLIP_BLOOMZ) for stage in one.stages} == {"mblip"}


def test_amalias_rates_are_unknown_and_not_invented():
    assert [s.name for s in AMALIA_VL.stages] == ["align", "instruct", "prefer"]
    assert set(rates(AMALIA_VL, "align").values()) | set(rates(AMALIA_VL, "instruct").values()) == {None}
    prefer = AMALIA_VL.stage("prefer")
    assert prefer.tune is None and prefer.beta is None and prefer.objective == "preference"
    assert [s.max_steps for s in AMALIA_VL.stages] == [2000, 49_000, None]


@pytest.mark.parametrize("one", [*DESCRIBED, ENGLISH_BASE], ids=names)
def test_stages_speak_the_words_that_training_knows(one):
    assert len({s.name for s in one.stages}) == len(one.stages) and one.stages[0].objective != "preference"
    for stage in one.stages:
        assert set(stage.tune or ()) <= set(PARTS) and {t.how for t in (stage.tune or {}).values()} <= {"full", "lora"}
        assert stage.prompt in (*PROMPTS, None) and stage.objective in ("lm", "words", "preference")


def test_the_seven_models_are_stages_of_one_recipe_in_its_order():
    models = seven()
    assert list(models) == list(SEVEN) == ["PT", "IT", "PT+IT", "LONG", "PT+LONG", "IT+LONG", "PT+IT+LONG"]
    words = {"adapt": "PT", "short": "IT", "long": "LONG"}
    for name, model in models.items():
        assert model.stages[0] == LLAVA_NDINO.stage("align")
        assert "+".join(words[s.name] for s in model.stages[1:]) == name
        assert all(s == LLAVA_NDINO.stage(s.name) for s in model.stages)
    assert len({m.name for m in models.values()} | {LLAVA_NDINO.name}) == 8  # a folder each
    assert [s.name for s in LLAVA_NDINO.only("long", "align").stages] == ["align", "long"]


def cells(*recipes: Recipe) -> dict[str, dict]:
    return {row.pop("what"): row for row in side_by_side(recipes)}


def test_the_table_says_what_is_assumed_and_what_is_unknown():
    table = cells(*SYSTEMS.values())
    asked = {"start", "vision", "connector", "llm", "stages", "what learns", "rates", "data", "sizes", "machine"}
    assert asked <= set(table) and all(list(row) == list(SYSTEMS) for row in table.values())
    assert table["rates"]["llava-pt"] == "instruct: llm 2e-4, projector 2e-5 (assumed), embeddings 4e-4 (assumed)"
    assert table["rates"]["amalia-vl"] == "align: (unknown) · instruct: (unknown) · prefer: (unknown)"
    assert table["rates"]["mblip-bloomz"] == "instruct: resampler 1e-5, projector 1e-5, llm 2e-4"
    assert table["what learns"]["llava-pt"] == "instruct: llm by LoRA r 128 (assumed), projector (assumed), embeddings (assumed)"
    assert table["what learns"]["amalia-vl"] == "align: projector · instruct: vision, projector, llm, embeddings · prefer: (unknown)"
    assert table["stages"]["mblip"] == "warmup (optional), instruct"
    assert table["sizes"]["amalia-vl"] == "align: 500,000 rows · instruct: (unknown) · prefer: (unknown)"
    assert table["run"]["llava-ndino"] == "align: 1 epoch (assumed) · adapt: 1 epoch · short: 1 epoch (assumed) · long: 500 steps"
    assert table["machine"]["llava-pt"] == "one A100 80GB" and table["vision"]["amalia-vl"].endswith("(assumed)")


def test_a_doubt_put_into_the_facts_shows_in_the_table():
    assert cells(small())["machine"]["small"] == "x" and cells(small())["cost"]["small"] == "a: 1 h"
    fact = Fact("reported", "a paper", ("start|vision|connector|llm|image", "stages.*.*", "stages.*.tune.*.*"))
    assert cells(small(facts=(fact, Fact("assumed", "why", ("machine",)))))["machine"]["small"] == "x (assumed)"
    assert cells(small(machine=None, facts=(fact, Fact("unknown", "where", ("machine",)))))["machine"]["small"] == "(unknown)"
    fields = [row["field"] for row in provenance(small())]
    doubted = Fact("assumed", "which parts", ("stages.a.tune",)), Fact("reported", "a paper", tuple(f for f in fields if f != "stages.a.tune"))
    assert cells(small(facts=doubted))["what learns"]["small"] == "a: llm (assumed)" and cells(small())["what learns"]["small"] == "a: llm"


@pytest.mark.parametrize("one", DESCRIBED, ids=names)
def test_what_a_run_needs_is_borrowed_and_said_so(one):
    filled, before = runnable(one), {row["field"]: row for row in provenance(one)}
    for row in provenance(filled):
        old = before.get(row["field"])
        if old and old["value"] is not None:
            assert (row["value"], row["status"], row["source"]) == (old["value"], old["status"], old["source"])
        elif row["value"] is not None:
            assert row["status"] == "assumed" and row["note"]
    for stage in filled.stages:
        assert stage.tune and all(t.lr for t in stage.tune.values()) and stage.prompt and stage.max_length
        assert None not in (stage.warmup, stage.weight_decay, stage.schedule, stage.replay)
        assert stage.beta or stage.objective != "preference"
    assert (filled == one) == (one.name in ("llava-pt", "thesis-rate", "llava-ndino"))


def test_one_unknown_rate_does_not_hide_the_known_one():
    stage = Stage("a", "rows", {"llm": Tune("full", 1e-3), "vision": Tune("full", None)}, rows=1, batch=1, cost="1 h")
    fields = [f for f in fields_of(small(stages=(stage,))) if f != "stages.a.tune.vision.lr"]
    facts = Fact("reported", "a paper", tuple(fields)), Fact("unknown", "a paper", ("stages.a.tune.vision.lr",))
    assert cells(small(stages=(stage,), facts=facts))["rates"]["small"] == "a: llm 1e-3, vision (unknown)"


def test_a_guess_never_replaces_what_a_source_says():
    known = Stage("align", "rows", {"projector": Tune("full", 7e-4)}, prompt="llama_3", warmup=None, rows=1, batch=1, cost="1 h")
    fields = [f for f in fields_of(small(stages=(known,))) if f != "stages.align.warmup"]
    facts = Fact("reported", "a paper", tuple(fields)), Fact("unknown", "a paper", ("stages.align.warmup",))
    filled = runnable(small(name="amalia-vl", stages=(known,), facts=facts))
    assert filled.stages[0] == dataclasses.replace(known, warmup=0.03)
    assert [row["field"] for row in provenance(filled) if row["status"] == "assumed"] == ["stages.align.warmup"]


def test_a_stage_that_nobody_guessed_is_one_sentence():
    assert all(stage in [s.name for s in SYSTEMS[name].stages] for name, stage in GUESSES)
    with pytest.raises(
        UserError, match=r"stage align of other has no prompt, .*, tune.projector.lr; add them to GUESSES in utils/training/guesses.py"
    ):
        runnable(dataclasses.replace(AMALIA_VL, name="other"))
    assert [s.name for s in runnable(AMALIA_VL.only("prefer")).stages] == ["prefer"]


def test_a_recipe_is_found_by_name_and_ready_to_train():
    for name, described in SYSTEMS.items():
        assert recipe(name) == runnable(described) and system(name) is described
    assert recipe("mblip").stage("warmup").warmup == 0.125 and recipe("amalia-vl").stage("prefer").tune
    with pytest.raises(UserError, match="the system 'x' is unknown; use one of: llava-pt, llava-ndino, amalia-vl, mblip, mblip-bloomz"):
        system("x")


@pytest.mark.parametrize("one", [LLAVA_NDINO, runnable(AMALIA_VL)], ids=names)
def test_every_stage_of_a_llava_finds_weights_and_its_rate_per_part(one, model):
    from utils.training.adapter import adapt
    from utils.training.loop import parameter_groups

    for stage in one.stages:
        groups = parameter_groups(adapt(model, stage), stage, rate=1.0)
        assert [g["lr"] for g in groups] == [t.lr for t in stage.tune.values()]
        learns = sum(p.numel() for g in groups for p in g["params"])
        assert (learns == sum(p.numel() for p in model.parameters())) == (len(stage.tune) == 4)
