"""Galleries of pictures with answers, as plain HTML; every text from data is escaped."""

import html
import random
from collections.abc import Sequence

from utils.corpus.scenes.render import render
from utils.evaluation.scenes_task import Answer
from utils.figures import thumbnail


def unselected(answers: Sequence[Answer], count: int = 24, seed: int = 0) -> list[Answer]:
    """`count` answers drawn by seed, types in turn, right or wrong as they come."""
    rng = random.Random(f"gallery/{seed}")
    pools: dict[str, list[Answer]] = {}
    for answer in answers:
        pools.setdefault(answer.type, []).append(answer)
    for pool in pools.values():
        rng.shuffle(pool)
    drawn = [pool[turn] for turn in range(max(map(len, pools.values()), default=0)) for pool in pools.values() if turn < len(pool)]
    return drawn[:count]


def worst(answers: Sequence[Answer], count: int = 12) -> list[Answer]:
    """The wrong answers with the smallest share of right facts; among equals, short questions first, then by text."""
    wrong = [answer for answer in answers if not answer.right]
    return sorted(wrong, key=lambda a: (a.share, a.said_in == a.asked_in, len(a.question), a.question, a.said))[:count]


def cards(answers: Sequence[Answer], before: Sequence[Answer] | None = None) -> str:
    """HTML cards: picture, question, answer with a mark, the gold answer where it is wrong; `before` adds the base's answer."""
    drawn = []
    earlier = {(a.scene, a.question): a for a in before or ()}
    for answer in answers:
        alt = f"{len(answer.scene.items)} things on {answer.scene.background}: " + ", ".join(i.kind for i in answer.scene.items)
        mark = '<b style="color:#006b3c">✓ right</b>' if answer.right else '<b style="color:#b00020">✗ wrong</b>'
        lines = [f"<i>{html.escape(answer.question)}</i>", f"{mark} {html.escape(answer.said) or '(empty)'}"]
        if not answer.right:
            lines.append(f'<span style="color:#555">gold: {html.escape(answer.gold)}</span>')
        base = earlier.get((answer.scene, answer.question))
        if base:
            lines.append(f'<span style="color:#555">base: {html.escape(base.said) or "(empty)"}</span>')
        body = "<br>".join(lines)
        drawn.append(
            f'<div style="width:230px;border:1px solid #ccc;border-radius:6px;padding:8px;font-size:13px">'
            f'{thumbnail(render(answer.scene, size=192), alt)}<div style="margin-top:6px">{body}</div></div>'
        )
    return f'<div style="display:flex;flex-wrap:wrap;gap:10px;color:#111;background:#fff">{"".join(drawn)}</div>'
