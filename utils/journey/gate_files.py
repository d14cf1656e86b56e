"""What the gates read: manifests, losses, notebooks and evaluations on disk, each proven whole and this course's own.

Every problem is a `UserError` in Portuguese, because the student's form shows it: what, where, and what to run.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils import runs
from utils.runs import UserError
from utils.scales import Scale, scale
from utils.training.recipes import Recipe

USUAL = {"SCALE": "tiny", "LANGUAGE": "pt-BR", "RECIPE": "llava-pt"}
KNOWN = {"split": "known", "style": "openmoji"}


@dataclass(frozen=True)
class Asked:
    """Whose results a gate looks at. `named` is the scale as the user names it: a test's share has another folder."""

    scale: Scale
    named: str
    language: str
    recipe: Recipe

    @property
    def folder(self) -> Path:
        return runs.outputs() / self.scale.name / self.language

    @property
    def again(self) -> str:
        """What makes everything that is missing: the journey, with the parameters that are not its usual ones."""
        given = {"SCALE": self.named, "LANGUAGE": self.language, "RECIPE": self.recipe.name}
        return " ".join(["rode: make journey", *(f"{name}={value}" for name, value in given.items() if value != USUAL[name])])


@dataclass(frozen=True)
class Found:
    """What a check that passed has measured: a sentence, the files it stands on, and remarks for the form."""

    said: str
    files: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def shown(path: Path) -> str:
    """A path without this machine's part: from the results' folder or from the repository."""
    for root in (runs.outputs(), runs.ROOT):
        if Path(path).is_relative_to(root):
            return Path(path).relative_to(root).as_posix()
    return Path(path).name


def read(path: Path, again: str, kind: type = dict):
    """JSON of a file; raises UserError when it is missing, torn or of another shape than `kind`."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"falta o arquivo {shown(path)}; {again}") from None
    except (OSError, ValueError, RecursionError):
        raise UserError(f"o arquivo {shown(path)} está cortado ou não é JSON; {again}") from None
    if not isinstance(found, kind):
        raise UserError(f"o arquivo {shown(path)} não tem a forma esperada; {again}")
    return found


def finished(folder: Path, again: str, **facts: object) -> dict:
    """A folder's manifest, complete and with these facts; raises UserError for an unfinished run and for somebody else's."""
    folder = Path(folder)
    mark = folder / "inputs.json"
    if mark.exists() and not (folder / runs.MANIFEST).exists():
        raise UserError(f"a execução em {shown(folder)} começou e não terminou; {again} (continua do último ponto salvo)")
    manifest = read(folder / runs.MANIFEST, again)
    if manifest.get("complete") is not True:
        raise UserError(f"{shown(folder / runs.MANIFEST)} diz que a execução não terminou; {again}")
    for name, value in facts.items():
        if manifest.get(name) != value:
            told = "nada diz" if name not in manifest else f"diz {manifest[name]!r}"
            raise UserError(f"{shown(folder / runs.MANIFEST)} é de outra execução: sobre {name} {told}, e aqui é {value!r}; {again}")
    if mark.exists() and read(mark, again, str) != manifest.get("inputs"):
        raise UserError(f"{shown(folder)} guarda o manifesto de um treino anterior, e o novo não terminou; {again}")
    return manifest


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def number(value: float) -> str:
    """Two decimals, the Brazilian way."""
    return f"{value:.2f}".replace(".", ",")


def thousands(value: int) -> str:
    return f"{value:,}".replace(",", ".")


def interval(row: dict) -> str:
    return f"{percent(row['share'])} [{percent(row['low'])} a {percent(row['high'])}]"


def fell(history: object, where: str, again: str) -> str:
    """How far a loss fell, from the mean of its first fifth to that of its last; raises UserError when it did not."""
    losses = [step["loss"] for step in history] if isinstance(history, list) else []
    if len(losses) < 2:
        raise UserError(f"{where} não guarda a história da perda; {again}")
    if not all(isinstance(loss, (int, float)) and math.isfinite(loss) for loss in losses):
        raise UserError(f"a perda de {where} deixou de ser um número; baixe a taxa de aprendizado e {again}")
    part = max(1, len(losses) // 5)
    first, last = sum(losses[:part]) / part, sum(losses[-part:]) / part
    if not last < first:
        raise UserError(f"a perda de {where} não caiu: {number(first)} no começo, {number(last)} no fim; reveja a taxa e os dados e {again}")
    return f"perda de {number(first)} para {number(last)}"


def evaluation(asked: Asked, where: Sequence[str], model: Path | str, seen: bool = False, **facts: object) -> tuple[list, dict, dict | None, str]:
    """(answers, the row "all" counted anew, the swap test, the result's name) of a kept evaluation of this very model.

    Raises UserError when it is missing or torn, when it asked another model, and when its table is not that of its answers.
    """
    from utils.evaluation import runner
    from utils.evaluation.scenes_task import table

    folder = asked.folder.joinpath("evaluation", *where)
    manifest = finished(folder, asked.again, **{**KNOWN, **facts})
    asks = facts["language"], manifest["per_type"], manifest["split"], manifest["style"], seen
    if manifest["inputs"] != runner.inputs_of(model, *asks):
        raise UserError(f"a avaliação em {shown(folder)} é de outro modelo ou de outra versão das perguntas; {asked.again}")
    name = shown(folder / "result.json")
    read(folder / "result.json", asked.again)
    kept = runner.load(folder)
    if not kept["answers"] or table(kept["answers"]) != kept["table"]:
        raise UserError(f"a tabela em {name} não é a das suas respostas; {asked.again}")
    return kept["answers"], runner.overall(kept), kept["seeing"], name


def notebook(asked: Asked, prefix: str) -> Found:
    """The executed notebook whose name begins with `prefix`: finished, every cell run, no error, with this run's parameters."""
    from utils.journey.run import SOURCES

    sources = sorted(SOURCES.glob(f"{prefix}_*.ipynb"))
    if not sources:
        raise UserError(f"o caderno {prefix} não está na pasta notebooks/; traga-o de novo do repositório")
    name, folder = sources[0].stem, asked.folder / "notebooks"
    told = read(asked.folder / "journey.json", asked.again).get("notebooks", []) if (asked.folder / "journey.json").exists() else []
    for result in told:
        if result["name"] == name and result["status"] != "ok":
            raise UserError(f"o caderno {name} falhou na última jornada ({result.get('message', 'sem mensagem')}); corrija e {asked.again}")
    manifest = finished(folder / name, asked.again)
    made = read(folder / f"{name}.ipynb", asked.again)
    told = made["metadata"].get("papermill", {}).get("parameters", {})
    if (scale(told["SCALE"]).name, told["LANGUAGE"], told["RECIPE"]) != (asked.scale.name, asked.language, asked.recipe.name):
        raise UserError(f"o caderno {name} foi executado com outros parâmetros ({', '.join(map(str, told.values()))}); {asked.again}")
    cells = [cell for cell in made["cells"] if cell["cell_type"] == "code"]
    if any(output["output_type"] == "error" for cell in cells for output in cell["outputs"]):
        raise UserError(f"o caderno executado {name} mostra um erro; abra {shown(folder / name)}.html, corrija e {asked.again}")
    idle = sum(cell["execution_count"] is None and bool("".join(cell["source"]).strip()) for cell in cells)
    if idle or not cells:
        raise UserError(f"{idle} de {len(cells)} células do caderno {name} não foram executadas; {asked.again}")
    figures = [path.name for path in sorted((asked.folder / "figures").glob(f"{prefix}_*.png"))]
    drawn = f", {len(figures)} figura{'s' if len(figures) > 1 else ''}" if figures else ""
    return Found(
        f"{len(cells)} células de código executadas em {manifest['seconds']:.0f} s, sem erro{drawn}",
        (shown(folder / f"{name}.ipynb"),),
        _changed(sources[0], cells, name),
    )


def _changed(source: Path, executed: list[dict], name: str) -> tuple[str, ...]:
    """A remark where the course's notebook is no longer the one that was executed; papermill adds one cell of its own."""
    now = [cell["source"] for cell in read(source, "traga-o de novo do repositório")["cells"] if cell["cell_type"] == "code"]
    ran = [cell["source"] for cell in executed if "injected-parameters" not in cell.get("metadata", {}).get("tags", [])]
    same = ["".join(text) for text in now] == ["".join(text) for text in ran]
    return () if same else (f"O texto do caderno {name} mudou depois desta execução; make journey o executa de novo.",)
