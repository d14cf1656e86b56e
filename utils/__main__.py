"""The command line: `python -m utils COMMAND`. `--help` lists the commands."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  (said before anything newer is parsed)
    sys.exit("Python %d.%d is too old: this course needs Python 3.11 or newer; install it and make the environment again" % sys.version_info[:2])

import argparse
from pathlib import Path

TASKS = (
    "scenes", "pope", "xgqa", "gqa-it", "ok-vqa", "seed", "exams-v", "captions", "llava-bench", "mtvqa", "admire-a", "admire-b",
)  # fmt: skip


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scale", default="tiny", help="tiny, workshop or a100")
    parser.add_argument("--language", default="pt-BR", help="pt-BR, pt-PT, it or es")
    parser.add_argument("--recipe", default="llava-pt")


def _rehearse(commands) -> None:
    add = commands.add_parser("rehearse", help="a few real steps at the true shape with random weights: speed, MFU, memory by part beside the plan")
    add.add_argument("--recipe", default="llava-pt")
    add.add_argument("--scale", default="tiny", help="tiny (on a CPU), workshop or a100")
    add.add_argument("--stage", help="one stage; all without it")
    add.add_argument("--gpu", help="whose peak and memory to compare with; the one found without it")
    add.add_argument("--steps", type=int, default=8, help="steps measured, after four that are not")
    add.add_argument("--batch", type=int, help="rows a step; the scale's without it")
    add.add_argument("--cap", type=float, help="GB of the GPU's memory that may be used")
    add.add_argument("--baseline", action="store_true", help="then the same conversations with a plain padded Trainer")
    add.add_argument("--anyway", action="store_true", help="try it though the plan does not fit")
    add.add_argument("--json", action="store_true")


def _studies(commands) -> None:
    add = commands.add_parser("study", help="train, score and compare the taxonomy's five fusions (hours of one core; goes on where it stopped)")
    add.add_argument("--language", default="pt-BR", help="pt-BR, pt-PT, it or es")
    add.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    add.add_argument("--install", action="store_true", help="copy the result to data/taxonomy")
    add = commands.add_parser(
        "harm", help="train on machine, gold and both texts, three seeds, and compare (an hour of two cores; goes on where it stopped)"
    )
    add.add_argument("--language", default="pt-BR", help="pt-BR or pt-PT")
    add.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    add.add_argument("--install", action="store_true", help="copy the result to data/translation_harm")
    add = commands.add_parser("seven", help="train LLaVA-NDiNO's seven models and compare (an hour of one core; goes on where it stopped)")
    add.add_argument("--language", help="one language; Italian and Brazilian Portuguese without it")
    add.add_argument("--seeds", type=int, default=3, help="how many seeds")
    add.add_argument("--install", action="store_true", help="copy the result to data/ndino")


def _evaluate(commands) -> None:
    add = commands.add_parser("evaluate", help="score a model on a task")
    add.add_argument("--model", type=Path, required=True)
    add.add_argument("--task", default="scenes", choices=TASKS, metavar="TASK", help="%(choices)s")
    add.add_argument("--language", default="pt-BR", help="that of the questions: pt-BR, pt-PT, it, es or en")
    add.add_argument("--scale", default="tiny", help="the machine and number format: tiny (CPU), workshop or a100")
    add.add_argument("--questions", type=int, default=40, help="scenes: questions of each type")
    add.add_argument("--data", help="the published set: a file, a folder, or hub")
    add.add_argument("--part", default="", help="one of several files or splits, such as POPE's random, popular or adversarial")
    add.add_argument("--images", type=Path, help="the published set's pictures; a row without one is counted and left out")
    add.add_argument("--limit", type=int, help="the first rows only; a greater number goes on")
    add.add_argument("--out", type=Path, required=True, help="the result, a JSON file; answers are kept in a folder beside it, a stopped run goes on")
    add = commands.add_parser("score", help="score prediction files made elsewhere; a second file adds McNemar and the paired bootstrap")
    add.add_argument("task", metavar="TASK", choices=("exact-match", "pope", "admire-a", "admire-b", "perplexity"), help="%(choices)s")
    add.add_argument("gold", type=Path, help=".json, .jsonl, .tsv or a gzip of one: ours, GQA's, LXMERT's, POPE's, AdMIRe's")
    add.add_argument("predictions", metavar="PRED", type=Path, help="one prediction for every id of the gold")
    add.add_argument("second", metavar="PRED2", type=Path, nargs="?", help="another model's, on the same items")
    add.add_argument("--language", default="pt-BR", help="that of the gold answers: pt-BR, pt-PT, it, es or en")
    add.add_argument("--strict", action="store_true", help="plain string equality as the headline; both are always told")
    add.add_argument("--json", action="store_true")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m utils", description="LLaVA em Português: a course that is also a working system.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _batch(commands)
    add = commands.add_parser("check", help="name every problem of a LLaVA file")
    add.add_argument("file", type=Path)
    add.add_argument("--images", type=Path, help="folder of the pictures: they are opened too")
    add.add_argument("--json", action="store_true", help="a JSON list of {row, id, turn, problem, fix}; rows and turns count from 0")
    add = commands.add_parser("convert", help="turn OpenAI messages or ShareGPT rows into a LLaVA file")
    add.add_argument("file", type=Path, help="a JSON list or JSON Lines")
    add.add_argument("--out", type=Path, required=True, help="the LLaVA file; rows that cannot be converted go to OUT.left.jsonl, with the reason")
    add = commands.add_parser("translate", help="translate LLaVA files")
    add.add_argument("files", type=Path, nargs="+")
    add.add_argument("--out", type=Path, required=True)
    add.add_argument("--language", default="pt-BR")
    add.add_argument("--engine", default="bergamot", help="bergamot, googletrans, huggingface:MODEL, ctranslate2:MODEL, apertium or llm:MODEL")
    add.add_argument("--second", default="", help="another engine, asked for the rows of the first one that fail the gates")
    add.add_argument("--server", default="", help="address of the engine's service (llm: http://HOST:PORT/v1; googletrans: a proxy)")
    add.add_argument("--rate", type=float, default=0.0, help="requests a second at most")
    add.add_argument("--workers", default="", help="processes or requests at once; ray or ray:N runs the engine as Ray actors")
    add.add_argument("--back-translate", action="store_true", help="translate back too and hold rows that became another text")
    add.add_argument("--memory", type=Path, help="the translation memory's file; outputs/memory/translations.sqlite without it")
    add = commands.add_parser("train", help="run a recipe's stages; resumable")
    _common(add)
    add.add_argument("--stages", nargs="*", help="names of stages; all without it")
    add.add_argument("--weights", choices=("hub", "random"), help="random: a rehearsal of the true shape without a hub")
    add.add_argument("--data", type=Path, help="folder with translated LLaVA files; the picture world without it")
    add.add_argument("--english", type=Path, help="folder with the English originals, for replay")
    add.add_argument("--images", type=Path, help="folder of the pictures")
    add = commands.add_parser("plan", help="memory by part, hours, and the smallest change that fits a GPU")
    add.add_argument("--recipe", default="llava-pt")
    add.add_argument("--scale", default="a100", help="tiny, workshop or a100")
    add.add_argument("--gpu", default="a100-80", help="t4, 4090, a100-40, a100-80, h100 or h200")
    add.add_argument("--stage", help="one stage; all without it")
    add.add_argument("--model", help="another shape than the recipe's or the scale's")
    add.add_argument("--batch", type=int, help="rows that go through the model at once")
    add.add_argument("--length", type=int, help="tokens of a row")
    add.add_argument("--checkpointing", choices=("on", "off"), help="compute each layer again in the backward pass; as train does without it")
    add.add_argument("--json", action="store_true")
    add.add_argument("--explain", action="store_true", help="the page of docs/planner.md, computed anew")
    _rehearse(commands)
    _studies(commands)
    _pages(commands)
    add = commands.add_parser("base", help="rebuild the English base from nothing (about 50 minutes)")
    add.add_argument("--blip2", action="store_true", help="mBLIP's start instead, which needs the base (about an hour and a half)")
    add.add_argument("--install", action="store_true", help="copy the result to data/base, or data/blip2")
    add = commands.add_parser("ask", help="one answer about one picture")
    add.add_argument("picture", type=Path)
    add.add_argument("question")
    add.add_argument("--model", type=Path, help="a model's folder; the journey's Portuguese model without it")
    _evaluate(commands)
    _share(commands)
    _workshop(commands)
    return parser


def _pages(commands) -> None:
    add = commands.add_parser("site", help="notebooks and pages as a site that needs no network: outputs/site/index.html")
    add.add_argument("--out", type=Path, help="the site's folder, replaced as a whole; outputs/site without it")
    add.add_argument("--journey", type=Path, help="the folder whose executed notebooks are shown; that of the last journey without it")
    commands.add_parser("readme", help="write the tree of files, and the last tiny pt-BR journey, into README.md")
    add = commands.add_parser("prose", help="build the Portuguese notebooks and README from the English ones and their Portuguese text")
    add.add_argument("--check", action="store_true", help="only name what is missing, out of date or wrong; exit 1 if anything is")
    add.add_argument("--update", action="store_true", help="add an untranslated block for each new piece to the files with the Portuguese text")
    add = commands.add_parser("launch", help="write how each notebook is opened under its header; with OWNER/NAME, links to a public host too")
    add.add_argument("repository", nargs="?", metavar="OWNER/NAME", help="kept in CITATION.cff")


def _workshop(commands) -> None:
    from utils.workshop.ready import DISK_GB, MEMORY_GB

    whats = commands.add_parser("workshop", help="ninety minutes for a room on bad Wi-Fi: pack, check, handout").add_subparsers(
        dest="what", required=True, metavar="pack|check|handout"
    )
    add = whats.add_parser("pack", help="one archive with the course and every package, to install without a network")
    add.add_argument("--out", type=Path, required=True, help="the folder of the archive; wheels are kept there, a stopped run goes on")
    add.add_argument("--platform", nargs="+", default=(), metavar="P", help="linux, macos (Apple's chips), windows; this machine's without it")
    add.add_argument("--python", nargs="+", default=(), metavar="V", help="versions such as 3.11 3.12; this machine's without it")
    add = whats.add_parser("check", help="is this laptop ready? exit 0: yes, 1: no; also: python utils/workshop/ready.py, with nothing installed")
    add.add_argument("--disk", type=float, default=DISK_GB, help="GB that must be free beside the packages")
    add.add_argument("--memory", type=float, default=MEMORY_GB, help="GB of memory that the machine must have")
    add = whats.add_parser("handout", help="a page to print, made from the notebooks of the route")
    add.add_argument("--out", type=Path, required=True)
    add.add_argument("--language", default="en", help="en or pt-BR")


def _batch(commands) -> None:
    add = commands.add_parser("journey", help="run every notebook in order and write the report (see docs/batch.md)")
    _common(add)
    _runs(add)
    add.add_argument("--preflight", action="store_true", help="only tell what is missing here for it; exit code 0 or 2, nothing is written")
    add = commands.add_parser("sweep", help="languages × recipes × seeds: the notebooks for each, one table of numbers; goes on where it stopped")
    add.add_argument("--scale", default="tiny", help="tiny, workshop or a100")
    add.add_argument("--languages", nargs="+", default=["pt-BR"], help="pt-BR, pt-PT, it or es")
    add.add_argument("--recipes", nargs="+", default=["llava-pt"])
    add.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="whole numbers: the variable SEED of each run")
    _runs(add, default=["05"])
    add = commands.add_parser("same", help="do two journeys show the same numbers, seconds and dates aside? exit 0: yes, 1: no")
    add.add_argument("one", type=Path, help="a journey's folder, such as outputs/tiny/pt-BR")
    add.add_argument("other", type=Path)


def _runs(add: argparse.ArgumentParser, default: list[str] | None = None) -> None:
    told = " ".join(default) if default else "all"
    add.add_argument("--notebooks", nargs="+", default=default, metavar="NOTEBOOK", help=f"numbers such as 05, or names; {told} without it")
    add.add_argument("--cell-timeout", type=_seconds, metavar="SECONDS", help="the longest a cell may run; the scale's own limit without it")
    add.add_argument("--anyway", action="store_true", help="start in spite of what the preflight says")


def _seconds(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds from 1 up")
    return int(text)


def _share(commands) -> None:
    add = commands.add_parser("gate", help="what a week's gate says of the work on disk, with the Termo de Aceite to hand in")
    add.add_argument("week", metavar="WEEK", type=int, nargs="?", help="1 to 10; every period without it")
    _common(add)
    add.add_argument("--student", default="", help="name for the form")
    add.add_argument("--supervisor", default="", help="name for the form")
    add = commands.add_parser("serve", help="a page on this machine: drop in a picture, ask, see two models' answers")
    add.add_argument("--model", type=Path, help="a model's folder; the journey's Portuguese model without it")
    add.add_argument("--base", type=Path, help="the model beside it; the shipped English base without it")
    add.add_argument("--host", default="127.0.0.1", help="an address of this machine; 0.0.0.0 lets others in")
    add.add_argument("--port", type=int, default=8000)
    add.add_argument("--language", default="pt-BR", help="that of the page: pt-BR or en")
    add = commands.add_parser("export", help="a model as plain transformers reads it, with its cards; online only with --push")
    add.add_argument("--model", type=Path, help="a model's folder; the journey's Portuguese model without it")
    add.add_argument("--out", type=Path, required=True)
    add.add_argument("--dtype", default="", choices=("", "float32", "float16", "bfloat16"), help="another precision than the model's own")
    add.add_argument("--container", action="store_true", help="a folder for Replicate's cog instead")
    add.add_argument("--push", metavar="OWNER/NAME", help="upload it to this repository, private")
    add.add_argument("--public", action="store_true", help="make a new repository public")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code (0 good, 1 problems found, 2 it could not be done)."""
    from utils import commands, course_commands
    from utils.runs import UserError

    options = _parser().parse_args(arguments)
    try:
        return getattr(commands if hasattr(commands, options.command) else course_commands, options.command)(options)
    except (UserError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    except OSError as error:
        reason = "the disk is full; free space and run again" if error.errno == 28 else str(error)
        print(f"error: {reason}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; run the same command again, it goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
