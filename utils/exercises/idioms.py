"""The exercises of notebook 08: a memory that beats the test, how far two models must lie apart on thirteen items, and an idiom of one's own."""

ITEMS = 13
LEVEL = 0.05
SENSES = ("literal", "idiomatic")


def held_out():
    """The course's held-out items in the first sense and in the other, as section 1 writes them."""
    from utils.corpus.idiom_pictures import file_names, split
    from utils.evaluation.admire_own import own_items

    names = file_names()
    return own_items(split()[1], names), own_items(split()[1], names, flipped=True)


def memory(answer: dict) -> str:
    """a dict with "rankings" (compound -> five file names), "first" and "other" (top-1 from 0 to 1 on either held-out set)

    Copy: one order a compound, whatever the sentence says, that has all of the first set right. Both sets are scored again.
    """
    from utils.evaluation.admire import Prediction, score_a

    orders = {name: tuple(order) for name, order in answer["rankings"].items()}
    said = [Prediction(name, order) for name, order in orders.items()]
    found = [score_a(items, said) for items in held_out()]
    if found[0]["unusable"]:
        return f"the rankings: {found[0]['unusable'][0]}"
    first, other = (one["splits"]["all"]["top1"] for one in found)
    if (first, other) == (0.0, 1.0):
        return "which set is which: these orders know the other sense; the first set is `held out, first sense`"
    if first < 1:
        literal = found[0]["splits"]["literal"]["top1"], found[0]["splits"]["idiomatic"]["top1"]
        one = " (one sense for all, as a baseline has it)" if sorted(literal) == [0.0, 1.0] else ""
        return f"top-1 on the first set: {first:.2f}{one}; a memory of each compound's own sense gets all of it"
    for name, right in (("first", first), ("other", other)):
        if abs(float(answer[name]) - right) > 0.006:
            return f"`{name}`: the same orders, scored on that set with `score_a`; a share from 0 to 1"
    return ""


def thirteen(answer: list) -> str:
    """two lists of 13 ones and zeros (1: right), the better model's first

    Adapt: the smallest lead on thirteen items that McNemar's exact test tells from chance. The test is made again.
    """
    from utils.evaluation.significance import mcnemar

    better, worse = ([int(bit) for bit in bits] for bits in answer)
    if {len(better), len(worse)} != {ITEMS} or {*better, *worse} - {0, 1}:
        return f"the lists: {ITEMS} items each, 1 for right and 0 for wrong, in one order"
    test, lead = mcnemar(better, worse), sum(better) - sum(worse)
    if lead < 0:
        return "the order: the better model's list stands first"
    if test["exact_p"] >= LEVEL:
        return f"p: with a lead of {lead} items it is {test['exact_p']:.3f}, so this can be chance; every item that the worse model alone has right costs"
    # With n items for the better model alone and none against it, p is 2 / 2^n: the least lead is the first n that brings it below the level.
    least = next(n for n in range(1, ITEMS + 1) if mcnemar([1] * n, [0] * n)["exact_p"] < LEVEL)
    if lead > least:
        return f"how small a lead can be: yours of {lead} items is sure (p = {test['exact_p']:.3f}), and a smaller one is, too"
    return ""


def own_idiom(answer: dict) -> str:
    """a dict with "compound", "literal" and "idiomatic" (two sentences), "emoji" (role -> emoji) and "orders" (sense -> the five roles)

    Own data: a contrast pair in any language, kept apart from every test item, with four pictures and the gold order of both senses.
    """
    from utils.corpus.idiom_pictures import ROLES, gold_order
    from utils.corpus.idioms import ADMIRE_PORTUGUESE, compounds, overlap
    from utils.corpus.scenes.render import glyphs

    compound, told = answer["compound"].strip(), {sense: answer[sense].strip() for sense in SENSES}
    row = lambda text: [{"id": "own", "conversations": [{"from": "human", "value": text}]}]  # noqa: E731
    for sense, text in told.items():
        if not overlap(row(text), [compound]):
            return f"the {sense} sentence: {compound!r} does not stand in it; an item names its compound word for word"
    if told["literal"] == told["idiomatic"]:
        return "the two sentences: they are one; the sentence alone must tell the sense"
    if taken := overlap(row(" . ".join((compound, *told.values()))), [*ADMIRE_PORTUGUESE, *compounds()]):
        return f"the compound: {taken[0]['compound']!r} stands in a test set or in the course's own, and a test item must never be learnt"
    emoji = answer["emoji"]
    if set(emoji) != set(ROLES) - {"distractor"} or len(set(emoji.values())) < len(emoji):
        return f"the emoji: four different ones, for {', '.join(ROLES[:-1])}; the distractor comes with the set"
    nothing = glyphs("\U0010ffff", 32).tobytes()  # the box that stands for a sign which the font lacks
    for role, sign in emoji.items():
        if len(plain := sign.replace("\ufe0f", "")) != 1 or plain.isalnum() or glyphs(plain, 32).tobytes() == nothing:
            return f"the emoji for {role}: {sign!r} is not one sign that the course's artwork draws"
    for sense in SENSES:
        if tuple(answer["orders"][sense]) != gold_order({role: role for role in ROLES}, sense):
            return f"the order for the {sense} sense: that sense's two pictures, strong first, then the other's two, then the distractor"
    return ""


EXERCISES = {"08.1": memory, "08.2": thirteen, "08.3": own_idiom}
