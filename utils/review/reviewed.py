"""What a page shows of a review: the answers that people rated worst as HTML cards, and agreement as rows of text."""

import base64
import html
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from utils.review.analysis import TOP, Vote
from utils.review.rubric import CRITERIA, ERRORS

GREY, RED = "color:#555", "color:#b00020"


def worst(found: Sequence[Vote], review: dict, key: dict, count: int = 12) -> list[dict]:
    """The `count` answers with the lowest mean of all scores and raters, each once; among equals the more errors, then by id."""
    by_answer: dict[str, list[Vote]] = defaultdict(list)
    for vote in found:
        if vote.scores and vote.system == key["answers"][vote.answer][0]:  # an answer of two systems is a vote for each
            by_answer[vote.answer].append(vote)
    texts = {answer["id"]: (item, answer["text"]) for item in review["items"] for answer in item["answers"]}
    rows = []
    for answer, said in by_answer.items():
        item, text = texts[answer]
        means = {}
        for criterion in CRITERIA:
            given = [vote.scores[criterion.key] for vote in said if criterion.key in vote.scores]
            if given:
                means[criterion.key] = sum(given) / len(given)
        rows.append({
            "answer_id": answer, "item": item["id"], "picture": item["picture"], "alt": key.get("alts", {}).get(item["id"]) or item["alt"],
            "question": item["question"], "answer": text, "gold": key.get("gold", {}).get(item["id"], ""), "systems": key["answers"][answer],
            "score": sum(means.values()) / len(means), "scores": means, "raters": len(said),
            "errors": Counter(error for vote in said for error in vote.errors), "remarks": [vote.remark for vote in said if vote.remark],
        })  # fmt: skip
    return sorted(rows, key=lambda row: (row["score"], -row["errors"].total(), row["answer_id"]))[:count]


def agreement_table(rows: Sequence[dict]) -> list[dict]:
    """`analysis.agreement_rows` as text for a table: a dash and the reason where there is no number."""
    number = lambda value: "–" if value is None else f"{value:.2f}"  # noqa: E731
    return [
        {
            "criterion": row["what"],
            "Krippendorff's alpha": number(row["alpha"]),
            "95 % interval": "–" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}",
            "kappa": "–" if row["kappa"] is None else f"{row['kappa']:.2f} ({row['kappa of']})",
            "equal pairs": "–" if row["same"] is None else f"{100 * row['same']:.0f} %",
            "compared": row["compared"],
            "remark": row["reason"],
        }  # fmt: skip
        for row in rows
    ]


def cards(rows: Sequence[dict], folder: Path, review: dict) -> str:
    """HTML cards for `worst`, self-contained; pictures come from the review's folder, a missing one is named as such."""
    language = html.escape(review["language"], quote=True)
    body = "".join(_card(row, Path(folder), language) for row in rows) or "<p>No answer has been rated yet.</p>"
    head = f"{html.escape(review['title'])} · {html.escape(review['scale'])} · {language}"
    return f'<div style="color:#111;background:#fff"><p style="{GREY}">{head}</p><div style="display:flex;flex-wrap:wrap;gap:10px">{body}</div></div>'


def _card(row: dict, folder: Path, language: str) -> str:
    names = {one.key: one.names["en"] for one in (*CRITERIA, *ERRORS)}
    say = lambda text, style="": f'<div lang="{language}" style="margin-top:4px;{style}">{html.escape(text)}</div>'  # noqa: E731
    raters = f"{row['raters']} rater{'s' * (row['raters'] > 1)}"
    low = ", ".join(f"{names[key]} {value:.1f}" for key, value in row["scores"].items() if value < TOP)
    errors = ", ".join(names.get(error, error) + (f" ×{times}" if times > 1 else "") for error, times in row["errors"].most_common())
    lines = [
        say(row["question"], "font-style:italic"),
        say(row["answer"] or "(empty)", "font-weight:bold"),
        f'<div style="margin-top:4px;{GREY}">right answer: <span lang="{language}">{html.escape(row["gold"])}</span></div>' if row["gold"] else "",
        f'<div style="margin-top:4px">{html.escape(", ".join(row["systems"]))}: <b style="{RED}">{row["score"]:.1f} of {TOP}</b>, {raters}</div>',
        f'<div style="{GREY}">{html.escape(low)}</div>' if low else "",
        f'<div style="{RED}">{html.escape(errors)}</div>' if errors else "",
        *(say(f"“{remark}”", GREY) for remark in row["remarks"]),
    ]
    return (
        '<div style="width:240px;max-width:100%;box-sizing:border-box;border:1px solid #ccc;border-radius:6px;padding:8px;font-size:13px;'
        f'overflow-wrap:anywhere">{_picture(row, folder)}{"".join(lines)}</div>'
    )


def _picture(row: dict, folder: Path) -> str:
    alt = html.escape(row["alt"], quote=True)
    try:
        data = base64.b64encode((folder / row["picture"]).read_bytes()).decode()
    except OSError:
        return f'<div style="{GREY}">picture missing: {alt}</div>'
    return f'<img alt="{alt}" style="width:100%;max-height:240px;object-fit:contain;border-radius:4px" src="data:image/webp;base64,{data}">'
