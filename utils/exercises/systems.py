"""The exercises of notebook 09: one seed's verdict, preference pairs that teach one thing each, and the first words of a language of one's own."""

from utils.runs import ROOT, read_json

LEVEL = 0.05
PAIR = ("LONG", "PT+LONG")
VERDICTS = ("helps", "hurts", "nothing shown")
FEWEST = 5  # kinds of things
NUMBERS = 7  # zero to six


def shipped() -> dict:
    """The answers of NDiNO's seven models that travel with the repository."""
    return read_json(ROOT / "data" / "ndino" / "seven.json")


def seed_verdicts(found: dict) -> dict[tuple[str, int], tuple[str, int]]:
    """(language, seed) -> (what McNemar's exact test of PAIR says for that seed alone, how many questions more are right)."""
    from utils.evaluation.significance import mcnemar

    told = {}
    for language in found["languages"]:
        for seed in found["seeds"]:
            runs = {run["model"]: run["right"] for run in found["models"] if (run["language"], run["seed"]) == (language, seed)}
            first, second = ([int(bit) for bits in runs[model].values() for bit in bits] for model in PAIR)
            gain = sum(second) - sum(first)
            sure = mcnemar(first, second)["exact_p"] < LEVEL
            told[language, seed] = (VERDICTS[gain < 0] if sure else VERDICTS[2]), gain
    return told


def one_seed(answer: dict) -> str:
    """a dict (language, seed) -> "helps", "hurts" or "nothing shown", for every language and seed of the shipped results

    Copy: what a paper with that one seed would have said of adapting to the language before the long stage. Each test is made again.
    """
    right = seed_verdicts(shipped())
    given = {(language, int(seed)): said for (language, seed), said in answer.items()}
    if odd := set(given.values()) - set(VERDICTS):
        return f"the words: {', '.join(VERDICTS)}, and not {sorted(map(str, odd))[0]!r}"
    if given.keys() != right.keys():
        return f"what is there: {len(right)} pairs of a language and a seed, such as {next(iter(right))}"
    wrong = [spot for spot, (verdict, _) in right.items() if given[spot] != verdict]
    if not wrong:
        return ""
    verdict, gain = right[wrong[0]]
    where = f"{wrong[0][0]}, seed {wrong[0][1]}"
    if verdict == VERDICTS[2]:
        return f"{where}: {gain:+d} questions, and McNemar's exact p over the same questions is not below {LEVEL}"
    return f"{where}: {PAIR[1]} minus {PAIR[0]} is {gain:+d} questions, beyond chance for this seed; which of the two has more right?"


def trains():
    """The question of 09.2: how many trains, in a picture of two."""
    from utils.corpus.scenes.asks import Ask
    from utils.corpus.scenes.world import Item, Scene

    return Ask("counting", Scene("white", (Item("train", 0), Item("train", 3)), 0), kind="train")


def pairs(answer: dict) -> str:
    """a dict with "variety" and "seeing" (two pairs: chosen, rejected) and "twin" (a Scene)

    Adapt: one pair that teaches wording alone, one that teaches sight alone, and the picture on which the second is turned round.
    Meaning and variety of all four answers are read again, and the rejected one is judged on the twin.
    """
    from utils.corpus.scenes.asks import truth
    from utils.evaluation.scoring import judge
    from utils.evaluation.variety import variety_of

    ask, (variety, seeing) = trains(), (answer["variety"], answer["seeing"])
    right = lambda text, number=2: judge(text, ask.type, truth(ask) | {"number": number}, "pt-BR").right  # noqa: E731
    for name, (chosen, _) in (("variety", variety), ("seeing", seeing)):
        if not right(chosen) or variety_of(chosen, "pt-BR") != "pt-BR":
            return f"`{name}`: what is chosen must be right for the picture, and in Brazil's word for a train"
    if not right(variety[1]):
        return "`variety`: what is rejected there must be just as right; only Portugal's word makes it the worse one"
    if variety_of(variety[1], "pt-BR") != "pt-PT":
        return "`variety`: nothing in what is rejected tells Portugal's wording; which word has Portugal for a train?"
    if right(seeing[1]):
        return "`seeing`: what is rejected there is right too; it must say another number"
    if variety_of(seeing[1], "pt-BR") != "pt-BR":
        return "`seeing`: both answers in Brazil's words, or the model may learn the wording and not look"
    words = [text.lower().rstrip(".").split() for text in seeing]
    if len(words[0]) != len(words[1]) or sum(a != b for a, b in zip(*words, strict=True)) > 1:
        return "`seeing`: the same words but for one fact, so that nothing else can be learnt from the pair"
    number = answer["twin"].counts.get("train", 0)
    if not number or not right(seeing[1], number) or right(seeing[0], number):
        return f"`twin`: on a picture with {number} trains the rejected answer is not the right one; without a twin a number is learnt, not sight"
    return ""


def own_words(answer: dict) -> str:
    """a dict with "words" (a WordList) and "said" (key -> three phrases: one thing, two things, the thing)

    Own data: the first words of a language that the course does not speak. The list's grammar makes the phrases again.
    """
    from utils.corpus.scenes.frames import articled, exactly
    from utils.corpus.scenes.lists import LISTS
    from utils.corpus.scenes.word_list import lines_of, numbers_of
    from utils.corpus.scenes.words import KIND, parse
    from utils.languages import LANGUAGES

    words, said = answer["words"], answer["said"]
    if words.code in LANGUAGES:
        return f"`code`: {words.code} is spoken here already; take a language that is not, or a variety under a code of its own"
    lines = lines_of(words.kinds)
    if len(said) < FEWEST or not set(said) <= set(KIND) & set(lines):
        return f"`said`: {FEWEST} kinds of the picture world or more, each with a line in your list (the keys are those of spanish.py)"
    if len(numbers_of(words)) != NUMBERS:
        return f"`numbers`: {NUMBERS} words from 0 to 6, other forms behind “|”; yours has {len(numbers_of(words))}"
    nouns = {key: parse(lines[key]) for key in said}
    unused = {gender for gender in words.articles["a"] if "'" not in gender} - {noun.gender for noun in nouns.values()}
    if unused:
        return f"the kinds: none has the gender {min(unused)!r}, and agreement shows only where genders differ"
    phrases_of = lambda listed, noun: (exactly(listed, noun, 1), exactly(listed, noun, 2), articled(listed, noun)["the"])  # noqa: E731
    if all(tuple(phrases) == phrases_of(LISTS["es"], KIND[key].words["es"]) for key, phrases in said.items()):
        return "the phrases: they are Spanish; put your language's words into the copied list"
    for key, phrases in said.items():
        for mine, own in zip(phrases_of(words, nouns[key]), phrases, strict=True):
            if mine != own:
                return f"{key}: the list makes {mine!r} where you say {own!r}; mend the list (gender, plural, articles, numbers), or the phrase"
    return ""


EXERCISES = {"09.1": one_seed, "09.2": pairs, "09.3": own_words}
