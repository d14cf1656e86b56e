"""The report of a translation run: `report.json` for programs, `report.html` for people, one file, no network."""

import html
from collections import Counter
from dataclasses import asdict

from utils import figures
from utils.translation.block import Job
from utils.translation.tally import Tally
from utils.translation.variety import verdict

BLIND = (
    "No gate catches a changed meaning: a wrong noun or a lost \u201cnot\u201d, fluent and of the right length, passes them all. Read samples by eye."
)


def facts(tally: Tally, job: Job, seconds: float) -> dict:
    """Everything that the run counted and sampled, as JSON values."""
    files = {name: {**asdict(count), "reasons": dict(count.reasons)} for name, count in tally.files.items()}
    tasks: dict[str, list[int]] = {}
    for count in tally.files.values():
        for task, (rows, lost) in count.tasks.items():
            before = tasks.setdefault(task, [0, 0])
            tasks[task] = [before[0] + rows, before[1] + lost]
    total = lambda name: sum(getattr(count, name) for count in tally.files.values())  # noqa: E731
    return {
        "language": job.language.code, "engine": job.ids[0], "second_engine": job.ids[1] if len(job.ids) > 1 else None,
        "back_translated": job.back, "files": files, "tasks": {task: {"rows": a, "quarantined": b} for task, (a, b) in tasks.items()},
        "reasons": dict(sum((count.reasons for count in tally.files.values()), Counter())),
        "sentences": total("sentences"), "unique_sentences": tally.unique, "from_memory": tally.from_memory, "sentences_sent": tally.sent,
        "characters": total("characters"), "characters_alone": total("characters_alone"), "characters_unique": total("characters_new"),
        "characters_sent": tally.characters_sent, "band": asdict(job.band), "option_lists": dict(tally.joined),
        "languages": dict(tally.languages), "marks": dict(tally.marks), "variety": verdict(tally.marks) if tally.marks else "undecided",
        "samples": tally.samples.items(), "worst": tally.worst.items(), "lengths": tally.lengths.items(), "seconds": seconds, "note": BLIND,
    }  # fmt: skip


_STYLE = """
:root{color-scheme:light}body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem}table{border-collapse:collapse;width:100%;margin:.6rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #ddd}th{font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
td.t{white-space:pre-wrap;overflow-wrap:anywhere;width:44%}.big{display:flex;flex-wrap:wrap;gap:1rem 2.5rem;margin:1rem 0}.big b{display:block;font-size:1.5rem}
.warn{border-left:4px solid #b35900;padding:.5rem 1rem;background:#fff6ec}.wide{overflow-x:auto}img{max-width:100%}caption{text-align:left;color:#555}
"""


def _cell(value: object, kind: str = "") -> str:
    number = isinstance(value, (int, float))
    shown = f"{value:,}" if isinstance(value, int) else str(value)
    return f'<td class="{kind or ("n" if number else "")}">{html.escape(shown)}</td>'


def _table(rows: list[dict], caption: str = "", kinds: dict[str, str] | None = None, language: str = "") -> str:
    """Rows as an HTML table, all text escaped; `kinds` gives a column its class."""
    kinds = kinds or {}
    if not rows:
        return "<p>None.</p>"
    numeric = lambda name: "n" if isinstance(rows[0][name], (int, float)) else ""  # noqa: E731
    head = "".join(f'<th scope="col" class="{numeric(name)}">{html.escape(name)}</th>' for name in rows[0])
    body = "".join(f"<tr>{''.join(_cell(value, kinds.get(name, '')) for name, value in row.items())}</tr>" for row in rows)
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    tongue = f' lang="{html.escape(language)}"' if language else ""
    return f'<div class="wide" tabindex="0"><table{tongue}>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _counts(report: dict) -> str:
    files, gates = report["files"], sorted(report["reasons"], key=lambda name: -report["reasons"][name])
    rows = [
        {"file": name, "rows": f["rows"], "translated": f["translated"], "by the second engine": f["second"], "in quarantine": f["quarantined"],
         "share": _share(f["quarantined"], f["rows"]), "source rows with problems": f["source_problems"]}
        for name, f in files.items()
    ]  # fmt: skip
    held = [{"gate": gate, **{name: f["reasons"].get(gate, 0) for name, f in files.items()}} for gate in gates]
    tasks = [
        {"task": task, "rows": t["rows"], "dropped": t["quarantined"], "drop rate": _share(t["quarantined"], t["rows"])}
        for task, t in report["tasks"].items()
    ]
    lists = report["option_lists"]
    options = ""
    if lists:
        options = (
            f"<p>Option lists sent as one string with their question (LLaVA-NDiNO's way): {lists.get('whole', 0):,} came back whole, "
            f"{lists.get('broken', 0):,} broken and were translated part by part; NDiNO drops such samples.</p>"
        )
    return (
        "<h2>Rows</h2>" + _table(rows, "Rows in = rows out + rows in quarantine; nothing is dropped silently.")
        + "<h2>Gates</h2>" + _table(held, "Rows in quarantine that each gate held, by file; a row can have several reasons.")
        + "<h2>Drop rate by task</h2>" + _table(tasks) + options
    )  # fmt: skip


def _savings(report: dict) -> str:
    rows = [
        {"file": name, "characters as they stand": f["characters"], "this file alone, equal text once": f["characters_alone"], "new to this run": f["characters_new"]}
        for name, f in report["files"].items()
    ]  # fmt: skip
    rows.append({"file": "all", "characters as they stand": report["characters"], "this file alone, equal text once": report["characters_alone"],
                 "new to this run": report["characters_unique"]})  # fmt: skip
    saved = report["characters_alone"] / max(1, report["characters_unique"])
    told = (
        f"<p>Together the files cost {saved:.1f} times fewer engine characters than each alone with its own memory, and "
        f"{report['characters'] / max(1, report['characters_unique']):.1f} times fewer than sentence by sentence. In this run the engine was asked for "
        f"{report['sentences_sent']:,} sentences ({report['characters_sent']:,} characters); {report['from_memory']:,} were known before it.</p>"
    )
    return "<h2>What the memory saves</h2>" + _table(rows) + told


def _languages(report: dict) -> str:
    turns = sum(report["languages"].values())
    rows = [{"reads as": code, "turns": n, "share": _share(n, turns)} for code, n in sorted(report["languages"].items(), key=lambda item: -item[1])]
    marks = ", ".join(f"{code}: {n:,}" for code, n in report["marks"].items()) or "none"
    return (
        "<h2>Language and variety</h2>" + _table(rows, "Turns of the kept rows. Short texts are not told: too many would be told wrong.")
        + f"<p>Words that only one variety uses: {html.escape(marks)}. Asked for: {report['language']}; <b>this corpus reads as: {report['variety']}</b>. "
        "Most rows hold no such word, so the variety is told for the corpus, never for a row.</p>"
    )  # fmt: skip


def _samples(report: dict) -> str:
    side = [
        {"file · id · turn": f"{s['file']} · {s['id']} · {s['turn']}", "English": s["source"], report["language"]: s["target"]}
        for s in report["samples"]
    ]
    worst = [
        {
            "limit": s["distance"],
            "file · id · turn": f"{s['file']} · {s['id']} · {s['turn']}",
            "English": s["source"],
            report["language"]: s["target"],
        }
        for s in report["worst"]
    ]
    kinds = {"English": "t", report["language"]: "t"}
    return (
        f"<h2>{len(side)} samples side by side</h2>" + _table(side, "Drawn by a hash of the text, not chosen.", kinds, report["language"])
        + f"<h2>The {len(worst)} worst that passed</h2>"
        + _table(worst, "Nearest to the length gate's limit (1.00 would be held back).", kinds, report["language"])
    )  # fmt: skip


def page(report: dict) -> str:
    """The report as one HTML page; every text from the data is escaped."""
    rows = sum(f["rows"] for f in report["files"].values())
    held = sum(f["quarantined"] for f in report["files"].values())
    title = f"Translation into {report['language']}"
    second = f", second engine {report['second_engine']}" if report["second_engine"] else ""
    big = {"rows in": f"{rows:,}", "rows out": f"{rows - held:,}", "in quarantine": f"{held:,} ({_share(held, rows)})",
           "different sentences": f"{report['unique_sentences']:,}", "seconds": f"{report['seconds']:,}", "variety": report["variety"]}  # fmt: skip
    plot = figures.picture_tag(figures.png(figures.lengths(report, title)), "Source and target length of sentences, with the length gate's band")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
        f"<p>Engine {html.escape(report['engine'] + second)}.</p>"
        + '<div class="big">' + "".join(f"<div><b>{html.escape(value)}</b>{html.escape(name)}</div>" for name, value in big.items()) + "</div>"
        + f'<p class="warn">{html.escape(report["note"])}</p>'
        + _counts(report) + "<h2>Length</h2>" + plot + _savings(report) + _languages(report) + _samples(report) + "</body></html>\n"
    )  # fmt: skip
