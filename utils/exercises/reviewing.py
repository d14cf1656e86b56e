"""The exercises of notebook 06: galleries that flatter, answers that fool the metric, and two people who rate the same items."""

from pathlib import Path

from utils.runs import UserError

SEEDS, SHOWN = range(100), 12  # galleries to choose from, and answers in each
LONG = 4  # times the words of the right answer
IN_COMMON = 10  # items that both people rated


def galleries(answer: dict) -> str:
    """a dict with "answers" (a model's answers, as section 2 has them), "flatters" and "harsh", two seeds from 0 to 99

    Copy: whoever may choose the seed may choose the gallery. The verdicts are made again, and every gallery is drawn again.
    """
    from utils.evaluation.scoring import judge
    from utils.review.gallery import unselected

    given = answer["answers"]
    if any(judge(one.said, one.type, one.truth, one.asked_in).right != one.right for one in given):
        return "`answers`: judged again, some have another verdict; hand in the records as the notebook holds them"
    shares = [sum(one.right for one in unselected(given, SHOWN, seed)) for seed in SEEDS]
    best, least = max(shares), min(shares)
    if best == least:
        return "`answers`: every gallery shows as many right ones, so none flatters; take answers of which some are wrong and some right"
    if not {answer["flatters"], answer["harsh"]} <= set(SEEDS):
        return f"the seeds: they go from 0 to {SEEDS[-1]}"
    flatters, harsh = shares[answer["flatters"]], shares[answer["harsh"]]
    if (flatters, harsh) == (least, best):
        return "which seed is which: the gallery that flatters shows the most right answers"
    for name, found, wanted in (("flatters", flatters, best), ("harsh", harsh, least)):
        if found != wanted:
            return f"`{name}`: that gallery shows {found} right of {SHOWN}, and another shows {wanted}; a gallery has {SHOWN} answers here, not 24"
    return ""


def buses():
    """The question of 06.2: how many buses, in a picture of two."""
    from utils.corpus.scenes.asks import Ask
    from utils.corpus.scenes.world import Item, Scene

    return Ask("counting", Scene("white", (Item("bus", 0), Item("bus", 3)), 0), kind="bus")


def fools(answer: dict) -> str:
    """a dict with "fluency", "language" and "length", three answers in Portuguese

    Adapt: each is right for the metric and wrong for a person, by one criterion of the rubric alone. The metric is asked again, and
    articles, numbers and words of the other variety are looked up in the word list.
    """
    from utils.corpus.scenes.asks import truth
    from utils.corpus.scenes.grammar import say
    from utils.evaluation.scoring import judge
    from utils.evaluation.translator_errors import disagreements
    from utils.evaluation.variety import variety_of

    ask = buses()
    gold = say(ask, "pt-BR")[1]
    for name in ("fluency", "language", "length"):
        text = answer[name]
        if not judge(text, ask.type, truth(ask), "pt-BR").right:
            return f"`{name}`: the metric says wrong here; keep the number, and name no other thing of the picture world"
        flaws = {
            "fluency": bool(disagreements(text, "pt-BR")), "language": variety_of(text, "pt-BR") == "pt-PT",
            "length": len(text.split()) >= LONG * len(gold.split()),
        }  # fmt: skip
        if not flaws[name]:
            wanted = {
                "fluency": "an article or a number that does not agree with its noun", "language": "the word that Portugal has for a bus",
                "length": f"{LONG} times as many words as “{gold}” has",
            }[name]  # fmt: skip
            return f"`{name}`: nothing here that a person would mark down under that criterion and that this check can see; it looks for {wanted}"
        if sum(flaws.values()) > 1:
            more = ", ".join(other for other, is_there in flaws.items() if is_there and other != name)
            return f"`{name}`: one flaw an answer, and this one has another too ({more})"
    return ""


def two_raters(answer: dict) -> str:
    """a dict with "folder" (a review with two people's rating files), "criterion" (its name in the table) and "alpha" (a number)

    Own data: the criterion on which two people agree least, and their alpha on it. The files are read and compared again.
    """
    from utils.review.analysis import agreement_rows, read_key, votes
    from utils.review.ratings import complete, merge
    from utils.review.rubric import CRITERIA
    from utils.review.sampling import RATINGS, read_review

    folder, criterion, alpha = Path(answer["folder"]), answer["criterion"], float(answer["alpha"])
    try:
        review = read_review(folder)
        merged, skipped = merge(sorted((folder / RATINGS).glob("*.json")), review)
        key = read_key(folder, review)
    except UserError as error:
        return f"the folder: {error}"
    if len(merged) < 2:
        why = f"; {skipped[0][0].name} was left out: {skipped[0][1]}" if skipped else ""
        return f"the folder `{RATINGS}`: {len(merged)} person has rated here, and two are needed, each under a name{why}"
    both = [item for item in review["items"] if sum(complete(item, rated.get(item["id"])) for rated in merged.values()) > 1]
    if len(both) < IN_COMMON:
        return f"what both rated in full: {len(both)} items so far, and {IN_COMMON} are needed; every question of every answer counts"
    names = {one.names["en"] for one in CRITERIA}
    told = {row["what"]: row["alpha"] for row in agreement_rows(votes(review, key, merged)) if row["what"] in names and row["alpha"] is not None}
    if not told:
        return "the ratings: both gave one and the same value throughout, which tells nothing; rate items that differ"
    if criterion not in told:
        return f"the name of the criterion: it is one of {', '.join(told)}"
    if told[criterion] > min(told.values()):
        return f"the criterion: on {criterion} alpha is {told[criterion]:.2f}, and on another one these two agree less"
    if abs(alpha - told[criterion]) > 0.006:
        return "alpha: scores are ranks, so it is the ordinal one over all answers, as in section 8's table; two decimals do"
    return ""


EXERCISES = {"06.1": galleries, "06.2": fools, "06.3": two_raters}
