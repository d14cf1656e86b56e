"""What the gates check of the first periods: taxonomy, probes, translation. Each check measures and returns a `Found`."""

import math
from collections import Counter
from pathlib import Path

from utils import runs
from utils.journey.gate_files import Asked, Found, fell, finished, interval, percent, read, shown, thousands
from utils.runs import UserError

SEEDS = 3  # of each fusion, as the study trains them
QUARANTINE = 0.05  # ours: of each file's rows; more, and the corpus is no longer the sample it was
IN_LANGUAGE = 0.98  # ours: of the sentences long enough to tell
PROBED = (  # name on the form, headline that notebook 02 keeps
    ("VL-T5 sem ajuste", "probe: VL-T5 as published, right"), ("VL-T5 ajustado", "probe: VL-T5 tuned, right"), ("LLaVA", "probe: LLaVA tuned, right"),
)  # fmt: skip
FEW = 0.9  # ours: under this share of its variety's words, the form says so


def _pooled(rows: list[dict]) -> dict:
    """The mean row of several seeds with the Wilson interval of one seed's questions: the seeds answer the same ones."""
    from utils.evaluation.intervals import wilson

    right, total = sum(row["right"] for row in rows) / len(rows), rows[0]["total"]
    low, high = wilson(round(right), total)
    return {"share": right / total, "low": low, "high": high, "baseline": max(row["baseline"] for row in rows)}


def _study(asked: Asked) -> tuple[dict, Path]:
    from utils.journey.study import shipped_or_own

    try:
        return shipped_or_own(asked.language)
    except UserError:
        raise UserError("o estudo das cinco fusões falta ou não pode ser lido; rode: python -m utils study") from None


def study(asked: Asked) -> Found:
    """Five fusions, three seeds each, all above the majority baseline."""
    found, folder = _study(asked)
    again, name = "rode: python -m utils study", shown(folder / "study.json")
    full: dict[str, list[dict]] = {}
    for run in found["runs"]:
        if run["share"] == 1.0:
            full.setdefault(run["letter"], []).append(run)
    missing = [letter for letter in "ABCDS" if len({run["seed"] for run in full.get(letter, ())}) < SEEDS]
    if missing:
        raise UserError(f"em {name} faltam sementes ({SEEDS} de cada) dos tipos {', '.join(missing)}; {again}")
    rows = {letter: _pooled([run["types"]["all"] for run in some]) for letter, some in sorted(full.items())}
    weak = [letter for letter, row in rows.items() if not row["low"] > row["baseline"]]
    if weak:
        raise UserError(f"em {name} os tipos {', '.join(weak)} não passam da linha de base da maioria; {again}")
    base = percent(next(iter(rows.values()))["baseline"])
    other = found["language"] != asked.language
    remarks = (f"O estudo das cinco fusões é em {found['language']}, não em {asked.language}.",) if other else ()
    said = "; ".join(f"tipo {letter} {interval(row)}" for letter, row in rows.items())
    return Found(f"acertos em imagens novas, média de {SEEDS} sementes: {said}; linha de base {base}", (name,), remarks)


def one_point(asked: Asked) -> Found:
    """The point of the study that notebook 01 makes again on this machine: learnt, and the same within the intervals."""
    found, _ = _study(asked)
    fewest = min(run["share"] for run in found["runs"])
    folder = runs.outputs() / "tiny" / asked.language / "taxonomy" / f"projector-0-{fewest * asked.scale.fusion_share:g}"
    manifest = finished(folder, asked.again, fusion="projector", language=asked.language)
    lower = fell(manifest["history"], shown(folder), asked.again)
    finished(folder / "scores" / "known", asked.again, fusion="projector", language=asked.language)
    here = next(row for row in read(folder / "scores" / "known" / "result.json", asked.again)["table"] if row["type"] == "all")
    there = next(r for r in found["runs"] if (r["letter"], r["seed"], r["share"]) == ("C", 0, fewest))["types"]["all"]
    if found["language"] == asked.language and not (here["low"] <= there["high"] and there["low"] <= here["high"]):
        raise UserError(f"o ponto refeito aqui ({interval(here)}) não repete o do estudo ({interval(there)}); compare as versões e {asked.again}")
    return Found(f"tipo C com poucas imagens: {interval(here)} aqui, {interval(there)} no estudo; {lower}", (shown(folder / runs.MANIFEST),))


def probed(asked: Asked) -> Found:
    """The probe's models: trained in this language, and their losses fell."""
    folder, said, files = asked.folder / "probes", [], []
    wanted = {"VL-T5, pré-treino": "vl_t5/pretrain", "VL-T5, ajuste": "vl_t5/tune"}
    for name, place in (wanted | ({"LLaVA": "llava"} if asked.scale.weights == "data" else {})).items():
        manifest = finished(folder / place, asked.again, language=asked.language)
        said.append(f"{name}: {fell(manifest['history'], shown(folder / place), asked.again)}")
        files.append(shown(folder / place / runs.MANIFEST))
    return Found("; ".join(said), tuple(files))


def compared(asked: Asked) -> Found:
    """The probe's result: the shares that notebook 02 keeps are there and are shares."""
    path = asked.folder / "headlines.json"
    kept = read(path, asked.again)
    shares = {name: kept.get(key) for name, key in PROBED}
    wrong = [name for name, share in shares.items() if not (isinstance(share, float | int) and math.isfinite(share) and 0 <= share <= 1)]
    if wrong:
        raise UserError(f"em {shown(path)} falta o resultado da sonda de {', '.join(wrong)}; {asked.again}")
    *others, llava = shares.values()
    remarks = () if llava > max(others) else ("Na sonda, LLaVA não acerta mais que VL-T5: a escolha por LLaVA precisa de outra razão.",)
    return Found("; ".join(f"{name} {percent(share)}" for name, share in shares.items()) + " das perguntas novas", (shown(path),), remarks)


def _counted(path: Path, again: str) -> tuple[int, int]:
    """(rows, problems) of a LLaVA file, read row by row; raises UserError when it cannot be read."""
    from utils.corpus.conversations import iter_rows, problems

    count = 0

    def rows():
        nonlocal count
        for count, row in enumerate(iter_rows(path), start=1):  # noqa: B007  (the last count is returned)
            yield row

    if not path.exists():
        raise UserError(f"falta o arquivo {shown(path)}; {again}")
    try:
        flaws = sum(1 for _ in problems(rows()))
    except UserError as error:
        raise UserError(f"o arquivo {shown(path)} não pode ser lido como JSON do LLaVA; {again}") from error
    return flaws, count


def _report(asked: Asked) -> tuple[dict, Path]:
    """The translation's report, of this language and with the files that the scale has."""
    from utils.corpus.scenes.instruct import FILES, PARTS

    path = asked.folder / "corpus" / "report.json"
    report = read(path, asked.again)
    if report.get("language") != asked.language:
        raise UserError(f"{shown(path)} é de outra língua: {report.get('language')!r}, e aqui é {asked.language!r}; {asked.again}")
    lacking = [name for name in (FILES if asked.scale.weights == "data" else PARTS) if name not in report["files"]]
    if lacking:
        raise UserError(f"a tradução não tem {', '.join(lacking)}; {asked.again}")
    return report, path


def nothing_lost(asked: Asked) -> Found:
    """Rows in = rows out + quarantine, counted in the files themselves, and every row out is sound."""
    report, path = _report(asked)
    folder, english = (
        path.parent,
        runs.outputs() / asked.scale.name / "english" if asked.scale.weights == "data" else runs.ROOT / "data" / "llava_instruct",
    )
    held = _held(folder / "quarantine.jsonl", asked.again) if report["engine"] != "gold" else Counter()
    total = out = 0
    for name, told in report["files"].items():
        flaws, rows = _counted(folder / name, asked.again)
        old, came = _counted(english / name, asked.again) if (english / name).exists() else (0, told["rows"])
        if came != rows + held[name] or rows == 0:
            raise UserError(f"{name}: entraram {came} linhas, saíram {rows} e {held[name]} estão em quarentena; a conta não fecha, {asked.again}")
        if flaws > old:
            raise UserError(
                f"{shown(folder / name)} tem {flaws} problemas, e o original {old}; veja com: python -m utils check {shown(folder / name)}"
            )
        if (told["rows"], told["translated"], told["quarantined"]) != (came, rows, held[name]):
            raise UserError(f"{shown(path)} não conta o que está em {name}; {asked.again}")
        total, out = total + came, out + rows
    gold = ("O corpus é o texto-ouro do mundo de imagens: nenhum motor traduziu.",) if report["engine"] == "gold" else ()
    said = f"{thousands(total)} linhas entraram = {thousands(out)} saíram + {thousands(total - out)} em quarentena"
    return Found(f"{said}, contadas em {len(report['files'])} arquivos", tuple(shown(folder / name) for name in report["files"]), gold)


def _held(path: Path, again: str) -> Counter:
    """How many rows of each file the gates of the translation held."""
    from utils.corpus.conversations import iter_json_lines

    if not path.exists():
        raise UserError(f"falta o arquivo {shown(path)}; {again}")
    try:
        return Counter(row["file"] for row in iter_json_lines(path))
    except UserError as error:
        raise UserError(f"o arquivo {shown(path)} está cortado ou não é JSON; {again}") from error


def little_held(asked: Asked) -> Found:
    """No file has lost more than the stated share of its rows to the quarantine."""
    report, path = _report(asked)
    shares = {name: told["quarantined"] / told["rows"] for name, told in report["files"].items()}
    worst = max(shares, key=shares.get)
    if not shares[worst] <= QUARANTINE:
        reasons = ", ".join(sorted(report["files"][worst].get("reasons", {}), key=report["files"][worst]["reasons"].get, reverse=True)[:3])
        raise UserError(
            f"{percent(shares[worst])} das linhas de {worst} estão em quarentena (limite {percent(QUARANTINE)}; razões: {reasons or 'sem razão'}); "
            "veja quarantine.jsonl e traduza com um segundo motor: python -m utils translate … --second …"
        )
    return Found(f"no máximo {100 * shares[worst]:.1f} % ({worst})".replace(".", ",", 1) + f"; limite {percent(QUARANTINE)}", (shown(path),))


def spoken(asked: Asked) -> Found:
    """The translated sentences are in the language; of which variety, the form says."""
    report, path = _report(asked)
    if report["engine"] == "gold":
        return Found("texto-ouro, escrito na língua", (shown(path),))
    told = {name: count for name, count in report["languages"].items() if name != "too short to tell"}
    own = told.get(asked.language.split("-")[0], 0) / max(1, sum(told.values()))
    if not own >= IN_LANGUAGE:
        raise UserError(
            f"só {percent(own)} das frases traduzidas estão na língua (limite {percent(IN_LANGUAGE)}); troque o motor com ENGINE= e {asked.again}"
        )
    marks = report.get("marks", {})
    variety = marks.get(asked.language, 0) / max(1, sum(marks.values()))
    remarks = () if variety >= FEW or not marks else (f"Das palavras próprias de uma variedade, só {percent(variety)} são de {asked.language}.",)
    return Found(f"{percent(own)} de {thousands(sum(told.values()))} frases com tamanho para decidir", (shown(path),), remarks)


def untouched(asked: Asked) -> Found:
    """The files are still those that the report describes."""
    report, path = _report(asked)
    if report["engine"] == "gold":
        return Found("texto-ouro: o relatório não guarda somas", (shown(path),))
    other = [name for name, known in report["outputs"].items() if not (path.parent / name).exists() or runs.file_hash(path.parent / name) != known]
    if other or not report["outputs"]:
        raise UserError(f"{', '.join(other) or 'nenhum arquivo'} não é mais o que o relatório descreve; {asked.again}")
    return Found(f"{len(report['outputs'])} somas SHA-256 conferem; motor {report['engine']}", (shown(path),))
