"""What the gates check of the later periods: memory, fine-tuning, review and sharing. Each check measures and returns a `Found`."""

import math
from pathlib import Path

from utils import runs
from utils.journey.gate_files import Asked, Found, evaluation, fell, finished, interval, percent, read, shown, thousands
from utils.runs import UserError

THESIS_GPU, BIG = "a100-80", "a100"  # the thesis trained on one A100 of 80 GB
IN_LANGUAGE = 0.95  # ours: of the tuned model's answers
MOVED = 0.5  # ours: of the right answers, how many must change when the picture does
NEW = {"pairs": "pares", "counts": "números", "colours": "cores"}  # what the held-out splits have not seen together
CHANGES = {
    "checkpointing": "recalcular as ativações", "batch": "lotes menores, acumulados", "lora": "LoRA em vez de ajuste completo",
    "optimiser": "AdamW de 8 bits", "base": "base em 4 bits", "length": "linhas mais curtas",
}  # fmt: skip
TYPES = {
    "naming": "nomear", "yes_no": "sim ou não", "counting": "contar", "total": "total", "position": "posição", "background": "fundo",
    "card": "cartão", "category": "categoria", "listing": "listar", "description": "descrever", "comparison": "comparar",
    "relation": "relação", "arithmetic": "aritmética", "group": "grupo",
}  # fmt: skip


def sourced(asked: Asked) -> Found:
    """Every field of the recipe says where its value comes from."""
    from collections import Counter

    from utils.training.recipes import provenance

    try:
        counted = Counter(fact["status"] for fact in provenance(asked.recipe))
    except ValueError as error:
        raise UserError(f"um campo da receita não diz de onde vem ({error}); corrija a receita em utils/training/recipes.py") from error
    words = (("reported", "relatados pela fonte"), ("assumed", "supostos"), ("unknown", "desconhecidos"))
    return Found(f"{asked.recipe.name}: " + ", ".join(f"{counted[key]} campos {word}" for key, word in words))


def planned(asked: Asked) -> Found:
    """Each stage of the recipe fits the thesis's GPU, or a named change or another GPU makes it fit."""
    from utils.scales import SCALES
    from utils.training.gpus import gpu
    from utils.training.plan_page import report

    told, remarks = [], []
    for stage in asked.recipe.stages:
        plan = report(asked.recipe, stage, SCALES[BIG], gpu(THESIS_GPU))
        size = f"{plan['total'] / 1e9:.0f} GB"
        if plan["fits"]:
            told.append(f"{stage.name}: {size}, cabe")
        elif plan["change"]:
            names = ", ".join(CHANGES[name] for name in plan["change"]["names"])
            told.append(f"{stage.name}: {size}, cabe com a mudança: {names}")
        elif plan["fits"] is None:
            told.append(f"{stage.name}: ao menos {size}")
            remarks.append(f"O planejador não tem fórmula para toda a memória da etapa {stage.name}.")
        elif plan["gpu_that_fits"]:
            told.append(f"{stage.name}: {size}, cabe em {plan['gpu_that_fits']}")
        else:
            raise UserError(f"a etapa {stage.name} não cabe em GPU alguma ({size}); veja: python -m utils plan --recipe {asked.recipe.name}")
    return Found(f"{BIG} em {THESIS_GPU} (plano, nada foi treinado): " + "; ".join(told), (), (*remarks, *_rehearsed(asked)))


def _rehearsed(asked: Asked) -> tuple[str, ...]:
    """A remark where no rehearsal has measured the plan: the gate reads plans, and a plan is no measurement."""
    folder = runs.outputs() / asked.scale.name / "rehearsal"
    if all((folder / f"{asked.recipe.name}-{stage.name}.json").exists() for stage in asked.recipe.stages):
        return ()
    return (f"O plano de memória ainda não foi medido nesta escala; para medir: python -m utils rehearse --scale {asked.named}",)


def _last_model(asked: Asked) -> Path:
    return asked.folder / asked.recipe.name / asked.recipe.stages[-1].name / "model"


def trained(asked: Asked) -> Found:
    """Every stage of the recipe is finished and its loss fell; an optional one may be left out."""
    train = f"python -m utils train --scale {asked.named} --language {asked.language} --recipe {asked.recipe.name}"
    said, files, left = [], [], []
    for stage in asked.recipe.stages:
        folder = asked.folder / asked.recipe.name / stage.name
        if stage.optional and not folder.exists():
            left.append(f"A etapa opcional {stage.name} não foi treinada.")
            continue
        again = f"rode: {train}"
        manifest = finished(folder, again, scale=asked.scale.name, language=asked.language, recipe=asked.recipe.name, stage=stage.name)
        lower = fell(manifest["history"], f"{asked.recipe.name}/{stage.name}", again)
        said.append(f"{stage.name}: {manifest['steps']} passos em {manifest['seconds']:.0f} s, {lower}")
        files.append(shown(folder / runs.MANIFEST))
    return Found("; ".join(said), tuple(files), tuple(left))


def better(asked: Asked) -> Found:
    """The tuned model, asked in the language, beats the base and the majority baseline, and the intervals do not overlap."""
    from utils.evaluation.scenes_task import table
    from utils.journey.steps import start_model

    code = asked.language
    answers, tuned, _, name = evaluation(asked, ("tuned", code), _last_model(asked), True, language=code)
    before, base, _, other = evaluation(asked, ("base", code), start_model(asked.scale), language=code)
    if [(a.question, a.gold) for a in answers] != [(a.question, a.gold) for a in before]:
        raise UserError(f"o modelo ajustado e a base responderam a perguntas diferentes; {asked.again}")
    if not tuned["low"] > base["high"]:
        raise UserError(
            f"o modelo ajustado, {interval(tuned)}, não supera a base, {interval(base)}: os intervalos se tocam; treine mais e {asked.again}"
        )
    if not tuned["low"] > tuned["baseline"]:
        raise UserError(
            f"o modelo ajustado, {interval(tuned)}, não passa da linha de base, {percent(tuned['baseline'])}; treine mais e {asked.again}"
        )
    weak = [TYPES.get(row["type"], row["type"]) for row in table(answers) if not row["low"] > row["baseline"]]
    remarks = (f"Tipos de pergunta que não passam da linha de base: {', '.join(weak)}.",) if weak else ()
    said = f"ajustado {interval(tuned)}, base {interval(base)}, linha de base {percent(tuned['baseline'])}, {tuned['total']} perguntas"
    return Found(said, (name, other), remarks)


def in_language(asked: Asked) -> Found:
    """The tuned model answers in the language that it is asked in."""
    _, row, _, name = evaluation(asked, ("tuned", asked.language), _last_model(asked), True, language=asked.language)
    share = row["in_language"]
    if not share >= IN_LANGUAGE:
        raise UserError(
            f"só {percent(share)} das respostas estão em {asked.language} (limite {percent(IN_LANGUAGE)}); reveja o corpus e {asked.again}"
        )
    return Found(f"{percent(share)} de {row['total']} respostas em {asked.language}; limite {percent(IN_LANGUAGE)}", (name,))


def looks(asked: Asked) -> Found:
    """Right answers change when the picture does: the model looks."""
    from utils.evaluation.intervals import wilson

    _, _, seen, name = evaluation(asked, ("tuned", asked.language), _last_model(asked), True, language=asked.language)
    if not seen:
        raise UserError(f"{name} não tem a prova da troca de imagens; {asked.again}")
    low, high = wilson(seen["changed"], seen["right"])
    told = f"{seen['changed']} de {seen['right']} respostas certas mudam com a imagem [{percent(low)} a {percent(high)}]"
    if not low > MOVED:
        raise UserError(f"só {told}, e o limite é {percent(MOVED)}: o modelo adivinha sem olhar; treine mais e {asked.again}")
    return Found(told, (name,))


def kept_english(asked: Asked) -> Found:
    """English is not lost: the tuned model, asked in English, stays above the majority baseline."""
    from utils.journey.steps import start_model

    _, row, _, name = evaluation(asked, ("tuned", "en"), _last_model(asked), language="en")
    _, base, _, other = evaluation(asked, ("base", "en"), start_model(asked.scale), language="en")
    if not row["low"] > row["baseline"]:
        raise UserError(
            f"em inglês o modelo ajustado, {interval(row)}, não passa da linha de base; misture linhas em inglês (replay) e {asked.again}"
        )
    lost = row["high"] < base["low"]
    remarks = (f"O inglês caiu: {interval(base)} na base, {interval(row)} no modelo ajustado.",) if lost else ()
    return Found(f"em inglês: ajustado {interval(row)}, base {interval(base)}", (name, other), remarks)


def unseen(asked: Asked) -> Found:
    """Pairs, counts and colours that training never joined: still above the majority baseline."""
    said, files = [], []
    for split, word in NEW.items():
        where = ("splits", f"{split}-openmoji")
        _, row, _, name = evaluation(asked, where, _last_model(asked), language=asked.language, split=split)
        if not row["low"] > row["baseline"]:
            raise UserError(f"em combinações novas ({word}), {interval(row)}, o modelo não passa da linha de base; treine mais e {asked.again}")
        said.append(f"{word} {interval(row)}")
        files.append(name)
    return Found("combinações nunca vistas juntas: " + "; ".join(said), tuple(files))


def rated(asked: Asked) -> Found:
    """People have read the answers: every item of the blind review has at least one complete rating."""
    from utils.review.ratings import complete, merge
    from utils.review.sampling import ITEMS, KEY, RATINGS

    open_it = "abra o caderno 06 ou a página de avaliação e avalie todos os itens"
    folder = asked.folder / "review"
    places = [path.parent for path in sorted(folder.rglob(ITEMS))]
    if not places:
        raise UserError(f"ninguém avaliou as respostas: não há {ITEMS} em {shown(folder)}; {open_it}")
    told, files, remarks = [], [], []
    for place in places:
        review = _review(place, asked)
        beside = [path for path in place.glob("*.json") if path.name not in (ITEMS, KEY)]
        merged, skipped = merge([*sorted(beside), *sorted((place / RATINGS).glob("*.json"))], review)
        remarks += [f"O arquivo {shown(path)} não é uma avaliação válida desta amostra e ficou de fora." for path, _ in skipped]
        total, whole = len(review["items"]), [item for item in review["items"] if any(complete(item, own.get(item["id"])) for own in merged.values())]
        if len(whole) < total:
            raise UserError(f"{total - len(whole)} de {total} itens de {shown(place)} não têm avaliação completa; {open_it}")
        if len(merged) < 2:
            remarks.append(f"Só uma pessoa avaliou {shown(place)}: não há como medir a concordância.")
        told.append(f"{total} itens avaliados por {len(merged)} {'pessoa' if len(merged) == 1 else 'pessoas'}")
        files.append(shown(place / ITEMS))
    return Found("; ".join(told), tuple(files), tuple(remarks))


def _review(place: Path, asked: Asked) -> dict:
    """A review's items, of this language and scale; raises UserError otherwise."""
    from utils.review.sampling import ITEMS, read_review

    try:
        review = read_review(place)
    except UserError as error:
        raise UserError(f"{shown(place / ITEMS)} não é uma amostra para avaliar; {asked.again}") from error
    if (review.get("language"), review.get("scale")) != (asked.language, asked.scale.name):
        raise UserError(f"{shown(place / ITEMS)} é de outra língua ou escala ({review.get('language')}, {review.get('scale')}); {asked.again}")
    return review


def loads(asked: Asked) -> Found:
    """The model can be handed on: llava-hf's files, whole safetensors, no pickle."""
    from safetensors import SafetensorError, safe_open

    folder = _last_model(asked)
    config = read(folder / "config.json", asked.again)
    if not config.get("architectures") or not (folder / "tokenizer.json").exists():
        raise UserError(f"{shown(folder)} não tem arquitetura ou tokenizador; {asked.again}")
    weights, count = sorted(folder.glob("*.safetensors")), 0
    for path in weights:
        try:
            with safe_open(path, "np") as tensors:
                count += sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118  (no mapping)
        except (SafetensorError, OSError) as error:
            raise UserError(f"o arquivo {shown(path)} está cortado ou não é safetensors; {asked.again}") from error
    if not count:
        raise UserError(f"não há pesos em {shown(folder)}; {asked.again}")
    return Found(f"{config['architectures'][0]}, {thousands(count)} parâmetros em safetensors", tuple(map(shown, [folder / "config.json", *weights])))
