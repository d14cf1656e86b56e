"""Defects of the gates' course: what is spoilt, which checks must fail for it, and words of the reason."""

import shutil

import numpy as np
from safetensors.numpy import save_file

from tests.gate_course import CODE, PARAMETERS, edit, evaluated, executed, keep, said_of
from utils import runs
from utils.evaluation import runner
from utils.evaluation.scenes_task import questions
from utils.models.load import SHIPPED


def tuned(course):
    return course / "evaluation" / "tuned" / CODE, course / "llava-pt" / "instruct" / "model"


def worse_than_base(course):
    evaluated(course / "evaluation" / "base" / CODE, SHIPPED, CODE, 8)


def half_right(course):
    """Better than the base with no doubt, and no better than always giving the commonest answer."""
    answers = [said_of(ask, CODE, number % 6 == 0) for number, ask in enumerate(questions("known", 8))]
    keep(tuned(course)[0], answers, {"right": 80, "changed": 76})


def in_english(course):
    answers = runner.load(tuned(course)[0])["answers"]
    answers = [a if number % 5 else type(a)(**{**a.__dict__, "said_in": "en"}) for number, a in enumerate(answers)]
    keep(tuned(course)[0], answers, {"right": 80, "changed": 76})


def other_questions(course):
    path = course / "evaluation" / "base" / CODE
    keep(path, runner.load(path)["answers"][1:], None)


def other_model(course):
    save_file({"w": np.zeros(3, np.float32)}, tuned(course)[1] / "model.safetensors")


def history(losses):
    def spoil(course):
        steps = [{"step": n, "loss": loss} for n, loss in enumerate(losses)]
        edit(course / "llava-pt" / "instruct" / runs.MANIFEST, lambda m: m.update(history=steps))

    return spoil


def fact(path: str, **facts):
    return lambda course: edit(course / path, lambda data: data.update(facts))


def gone(path: str):
    def spoil(course):
        target = course / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return spoil


def torn(path: str):
    def spoil(course):
        text = (course / path).read_bytes()
        (course / path).write_bytes(text[: len(text) // 2])

    return spoil


def lost_row(course):
    edit(course / "corpus" / "detail_23k.json", lambda rows: rows.pop())


def lost_in_silence(course):
    """A row that came in is gone, and the report tells as many as there are: only the English file knows."""
    lost_row(course)

    def tell(report):
        counts = report["files"]["detail_23k.json"]
        counts.update(rows=counts["rows"] - 1, translated=counts["translated"] - 1)
        report["outputs"]["detail_23k.json"] = runs.file_hash(course / "corpus" / "detail_23k.json")

    edit(course / "corpus" / "report.json", tell)


def broken_row(course):
    edit(course / "corpus" / "detail_23k.json", lambda rows: rows[0]["conversations"][0].update(value="sem imagem"))


def quarantined(course):
    """Three of four rows of a file held by the gates of the translation, and told so everywhere."""
    rows = []
    edit(course / "corpus" / "detail_23k.json", lambda all_rows: rows.extend(all_rows.pop() for _ in range(len(all_rows) - 1)))
    held = [{"file": "detail_23k.json", "row": n, "id": row["id"], "reasons": ["end mark differs"]} for n, row in enumerate(rows)]
    with open(course / "corpus" / "quarantine.jsonl", "a", encoding="utf-8") as file:
        file.writelines(runs.json.dumps(entry) + "\n" for entry in held)

    def tell(report):
        counts = report["files"]["detail_23k.json"]
        counts.update(translated=1, quarantined=len(rows), reasons={"end mark differs": len(rows)})
        for name in ("detail_23k.json", "quarantine.jsonl"):
            report["outputs"][name] = runs.file_hash(course / "corpus" / name)

    edit(course / "corpus" / "report.json", tell)


def not_run(number: str):
    def spoil(course):
        path = next((course / "notebooks").glob(f"{number}_*.ipynb"))
        edit(path, lambda made: next(cell for cell in made["cells"] if cell["cell_type"] == "code").update(execution_count=None))

    return spoil


def with_error(course):
    output = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
    path = next((course / "notebooks").glob("02_*.ipynb"))
    edit(path, lambda made: next(cell for cell in made["cells"] if cell["cell_type"] == "code")["outputs"].append(output))


def own_study(change):
    def spoil(course):
        study = runs.read_json(runs.ROOT / "data" / "taxonomy" / "study.json")
        change(study["runs"])
        runs.write_json(course / "taxonomy" / "study.json", study)

    return spoil


def blind_type(rows):
    for row in rows:
        if row["letter"] == "A":
            row["types"]["all"].update(right=60)


def review_part(course):
    for path in (course / "review" / "first" / "ratings").glob("*.json"):
        edit(path, lambda kept: kept["ratings"].pop(next(iter(kept["ratings"]))))


STAGE = f"llava-pt/instruct/{runs.MANIFEST}"
POINT = "taxonomy/projector-0-0.25"
SAME = [{"step": n, "loss": 2.0} for n in range(10)]
EVALUATED = {"Supera a base e a maioria", "Responde na língua", "Olha a imagem"}
MODEL = EVALUATED | {"Não perdeu o inglês"}
REPORTED = {"Nenhuma linha perdida", "Quarentena pequena", "Frases na língua", "Arquivos intactos"}
DEFECTS = [  # week, what is spoilt, the checks that must fail, words of the reason
    (1, gone("notebooks/01_architecture_taxonomy"), {"Caderno 01 executado"}, "falta o arquivo"),
    (1, torn("notebooks/01_architecture_taxonomy.ipynb"), {"Caderno 01 executado"}, "cortado ou não é JSON"),
    (1, not_run("01"), {"Caderno 01 executado"}, "não foram executadas"),
    (1, fact("notebooks/01_architecture_taxonomy/manifest.json", complete=False), {"Caderno 01 executado"}, "não terminou"),
    (1, lambda c: executed("01_architecture_taxonomy", c, {**PARAMETERS, "LANGUAGE": "it"}), {"Caderno 01 executado"}, "outros parâmetros"),
    (1, lambda c: executed("01_architecture_taxonomy", c, {}), {"Caderno 01 executado"}, "forma esperada"),
    (1, own_study(lambda rows: rows.pop()), {"Cinco fusões acima da linha de base"}, "faltam sementes"),
    (1, own_study(blind_type), {"Cinco fusões acima da linha de base"}, "os tipos A não passam"),
    (1, own_study(lambda rows: rows.clear()), {"Cinco fusões acima da linha de base", "Um ponto do estudo refeito nesta máquina"}, "rode: "),
    (1, gone(POINT), {"Um ponto do estudo refeito nesta máquina"}, "falta o arquivo"),
    (1, fact(f"{POINT}/{runs.MANIFEST}", history=SAME), {"Um ponto do estudo refeito nesta máquina"}, "não caiu"),
    (1, lambda c: edit(c / POINT / "scores/known/result.json", lambda r: r["table"][0].update(low=0.1, high=0.2)),
     {"Um ponto do estudo refeito nesta máquina"}, "não repete"),
    (1, fact(f"{POINT}/scores/known/result.json", table=[]), {"Um ponto do estudo refeito nesta máquina"}, "forma esperada"),
    (4, with_error, {"Caderno 02 executado"}, "mostra um erro"),
    (4, fact("journey.json", notebooks=[{"name": "02_vlt5_and_llava", "status": "failed", "message": "ValueError: x"}]),
     {"Caderno 02 executado"}, "ValueError: x"),
    (4, fact(f"probes/vl_t5/tune/{runs.MANIFEST}", history=SAME), {"Modelos da sonda aprenderam"}, "não caiu"),
    (4, fact(f"probes/llava/{runs.MANIFEST}", language="it"), {"Modelos da sonda aprenderam"}, "de outra execução"),
    (4, fact("headlines.json", **{"probe: LLaVA tuned, right": float("nan")}), {"Sonda medida"}, "da sonda de LLaVA"),
    (4, fact("headlines.json", **{"probe: VL-T5 as published, right": 7}), {"Sonda medida"}, "VL-T5 sem ajuste"),
    (6, lost_row, {"Nenhuma linha perdida", "Arquivos intactos"}, "detail_23k.json"),
    (6, lost_in_silence, {"Nenhuma linha perdida"}, "a conta não fecha"),
    (6, broken_row, {"Nenhuma linha perdida", "Arquivos intactos"}, "detail_23k.json"),
    (6, torn("corpus/detail_23k.json"), {"Nenhuma linha perdida", "Arquivos intactos"}, "detail_23k.json"),
    (6, gone("corpus/quarantine.jsonl"), {"Nenhuma linha perdida", "Arquivos intactos"}, "quarantine.jsonl"),
    (6, quarantined, {"Quarentena pequena"}, "end mark differs"),
    (6, fact("corpus/report.json", language="it"), REPORTED, "outra língua"),
    (6, torn("corpus/report.json"), REPORTED, "cortado"),
    (6, lambda c: edit(c / "corpus/report.json", lambda r: r["files"].pop("detail_23k.json")), REPORTED, "não tem detail_23k.json"),
    (6, fact("corpus/report.json", languages={"pt": 90, "en": 10, "too short to tell": 900}), {"Frases na língua"}, "90 %"),
    (6, fact("corpus/report.json", outputs={}), {"Arquivos intactos"}, "nenhum arquivo"),
    (6, lambda c: edit(c / "corpus/report.json", lambda r: r["files"]["detail_23k.json"].update(rows=9, translated=9)),
     {"Nenhuma linha perdida"}, "não conta"),
    (9, history([5.0, 4.0, 5.0, 6.0, 6.0]), {"Treino completo e perda em queda"}, "não caiu"),
    (9, history([5.0, 4.0, float("nan"), 3.0]), {"Treino completo e perda em queda"}, "deixou de ser um número"),
    (9, history([5.0]), {"Treino completo e perda em queda"}, "não guarda a história"),
    (9, fact(STAGE, complete=False), {"Treino completo e perda em queda"}, "não terminou"),
    (9, fact(STAGE, scale="a100"), {"Treino completo e perda em queda"}, "de outra execução: sobre scale diz 'a100'"),
    (9, lambda c: runs.write_json(c / "llava-pt/instruct/inputs.json", "of newer data"), {"Treino completo e perda em queda"}, "treino anterior"),
    (9, gone(STAGE), {"Treino completo e perda em queda"}, "continua do último ponto salvo"),
    (9, worse_than_base, {"Supera a base e a maioria"}, "os intervalos se tocam"),
    (9, half_right, {"Supera a base e a maioria"}, "não passa da linha de base"),
    (9, other_questions, {"Supera a base e a maioria"}, "perguntas diferentes"),
    (9, in_english, {"Responde na língua"}, "só 79 %"),
    (9, other_model, MODEL, "outro modelo"),
    (9, fact("evaluation/tuned/pt-BR/result.json", table=[]), EVALUATED, "não é a das suas respostas"),
    (9, torn("evaluation/tuned/pt-BR/result.json"), EVALUATED, "cortado"),
    (9, fact("evaluation/tuned/pt-BR/result.json", answers=[{}]), EVALUATED, "forma esperada"),
    (9, fact("evaluation/tuned/pt-BR/manifest.json", split="pairs"), EVALUATED, "de outra execução"),
    (9, fact("evaluation/tuned/pt-BR/result.json", seeing={"right": 80, "changed": 42}), {"Olha a imagem"}, "adivinha sem olhar"),
    (9, fact("evaluation/tuned/pt-BR/result.json", seeing=None), {"Olha a imagem"}, "troca de imagens"),
    (9, lambda c: evaluated(c / "evaluation/tuned/en", tuned(c)[1], "en", 1), {"Não perdeu o inglês"}, "em inglês o modelo ajustado"),
    (10, lambda c: evaluated(c / "evaluation/splits/counts-openmoji", tuned(c)[1], CODE, 1, "counts"),
     {"Acima da linha de base no que nunca viu"}, "(números)"),
    (10, gone("evaluation/splits/pairs-openmoji"), {"Acima da linha de base no que nunca viu"}, "falta o arquivo"),
    (10, gone("review"), {"Avaliação por pessoas"}, "ninguém avaliou"),
    (10, gone("review/first/ratings"), {"Avaliação por pessoas"}, "14 de 14 itens"),
    (10, review_part, {"Avaliação por pessoas"}, "1 de 14 itens"),
    (10, torn("review/first/items.json"), {"Avaliação por pessoas"}, "não é uma amostra"),
    (10, fact("review/first/items.json", language="it"), {"Avaliação por pessoas"}, "outra língua"),
    (10, gone("llava-pt/instruct/model/tokenizer.json"), {"Modelo inteiro, em formato aberto"}, "tokenizador"),
    (10, torn("llava-pt/instruct/model/model.safetensors"),
     {"Acima da linha de base no que nunca viu", "Modelo inteiro, em formato aberto"} | MODEL, ""),
]  # fmt: skip
