"""The exercises of notebook 05: which tokens are learnt, who may look at whom, and what words cost in one's own language."""

from collections.abc import Callable

from utils.exercises.start import reads_english

# Two pictures with two and one questions: enough for every rule of the mask.
PACKED = (
    (("What do you see?", "A dog."), ("How many things are there in total?", "There is one thing.")),
    (("What is the color of the background?", "The background is red."),),
)
PICTURE_TOKENS = 4  # placeholders of a picture in the check's rows, fewer than a model has


def _tokenizer():
    from utils.models.fusions.parts import base_tokenizer

    return base_tokenizer()


def learnt_text(answer: dict) -> str:
    """a dict with "turns", a list of at least two (question, answer), and "learnt", the list of the tokens that carry loss

    Copy: section 2's mask, for a conversation of one's own; tokens as `convert_ids_to_tokens` writes them.
    """
    from utils.models.prompts import IGNORE, encode_turns

    tokenizer = _tokenizer()
    turns, got = [(question, told) for question, told in answer["turns"]], [str(token) for token in list(answer["learnt"])]
    if len(turns) < 2:
        return "the turns: take at least two, so that one end is not at the row's end"
    ids, labels = encode_turns(tokenizer, turns)
    wanted = tokenizer.convert_ids_to_tokens([label for label in labels if label != IGNORE])
    if got == wanted:
        return ""
    end = tokenizer.eos_token
    if got == [token for token in wanted if token != end]:
        return f"the ends: {end} is learnt behind each answer; a model that never learns it never stops"
    if got == tokenizer.convert_ids_to_tokens(ids):
        return f"the labels: these are all tokens; those with the label {IGNORE} are only read"
    if got == tokenizer.convert_ids_to_tokens([n for n, label in zip(ids, labels, strict=True) if label == IGNORE]):
        return "which side carries loss: these are the grey tokens"
    return f"the tokens: {len(got)} of yours, {len(wanted)} labels that are not {IGNORE}; keep their order, and repeats too"


def packed_row() -> tuple[list[int], list[int], list[list[bool]]]:
    """(picture, branch, mask) of a real row of two pictures: the columns of `lay_out`, and `block_mask` as nested lists."""
    from utils.models.prompts import encode_prefix, encode_turns, image_id
    from utils.training.packing import Pack, block_mask, lay_out

    tokenizer = _tokenizer()
    packs = [Pack(str(n), tuple(encode_turns(tokenizer, [turn]) for turn in turns)) for n, turns in enumerate(PACKED)]
    batch = lay_out(packs, encode_prefix(tokenizer, PICTURE_TOKENS), image_id(tokenizer))
    return batch["picture"][0].tolist(), batch["branch"][0].tolist(), block_mask(batch["picture"], batch["branch"])[0, 0].tolist()


def who_looks(answer: Callable) -> str:
    """a function of (query, key, picture, branch), two positions and two lists of numbers, that is True where the query may look at the key

    Adapt: from a plain causal mask to the mask of shared-image packing.
    """
    picture, branch, mask = packed_row()
    for query, row in enumerate(mask):
        for key, allowed in enumerate(row):
            said = bool(answer(query, key, picture, branch))
            if said and not allowed:
                return _too_much(query, key, picture)
            if allowed and not said:
                return _too_little(query, key, picture, branch)
    return ""


def _too_much(query: int, key: int, picture: list[int]) -> str:
    if key > query:
        return "what lies ahead: no token may look at a later one"
    if picture[query] != picture[key]:
        return "two pictures in one row: a token of the second sees the first one's"
    return "two questions about one picture: the second sees the first, and its answer"


def _too_little(query: int, key: int, picture: list[int], branch: list[int]) -> str:
    if query == key:
        return "a token and itself: it may look there"
    if picture[key] < 0:
        return "the shared system text, whose `picture` is −1: every later token sees it"
    if branch[key] == 0:
        return "the picture's own tokens, whose `branch` is 0: every question about it sees them"
    return "a question and its own answer: they are one branch, and its later tokens see its earlier ones"


def own_words(answer: dict) -> str:
    """a dict with "sentences", at least five of your language (not English), "tokens_per_word" and "untrained", a share of the tokens from 0 to 1

    Own data: how finely the base's tokenizer cuts a language, and how much of it no weight has met (section 4).
    """
    from utils.models.load import SHIPPED
    from utils.training.vocabulary import untrained_pieces

    sentences = [text.strip() for text in answer["sentences"]]
    each, share = float(answer["tokens_per_word"]), float(answer["untrained"])
    if len(set(sentences)) < 5 or min(len(text.split()) for text in sentences) < 3:
        return "the sentences: at least five different ones, of three words or more"
    if reads_english(" ".join(sentences)):
        return "the language: this reads as English, which the base has met"
    tokenizer, fresh = _tokenizer(), set(untrained_pieces(SHIPPED))
    cut = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in sentences]
    ids, words = [n for some in cut for n in some], [len(text.split()) for text in sentences]
    wanted, new = len(ids) / sum(words), sum(n in fresh for n in ids) / len(ids)
    if abs(each - wanted) > 0.01:
        special = sum(len(tokenizer(text)["input_ids"]) for text in sentences) / sum(words)
        if abs(each - sum(len(some) / n for some, n in zip(cut, words, strict=True)) / len(cut)) <= 0.01:
            return "the average: divide all tokens by all words, or a short sentence weighs as much as a long one"
        if abs(each - special) <= 0.01:
            return "the special tokens: leave them out with `add_special_tokens=False`"
        if abs(each - 1 / wanted) <= 0.01:
            return "which is divided by which: tokens over words"
        return "“tokens_per_word”: count the ids of each sentence and what `split()` parts"
    if abs(share - new) > 0.01:
        if abs(share - len({n for n in ids if n in fresh}) / len(set(ids))) <= 0.01:
            return "“untrained”: a token that comes twice counts twice"
        return "“untrained”: the share of your tokens, one by one, whose id stands in `untrained_pieces(SHIPPED)`"
    return ""


EXERCISES = {"05.1": learnt_text, "05.2": who_looks, "05.3": own_words}
