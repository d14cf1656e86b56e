"""The exercises of notebook 03: what a translator breaks, what a gate sees, and a file of one's own."""


def raw_row(answer: dict) -> str:
    """a dict with "sent" and "returned", two texts

    Copy: send another raw row to the engine and hand in what came back.
    """
    sent, returned = answer["sent"], answer["returned"]
    if "<image>" not in sent:
        return "the start of what you send: without `<image>` in it there is nothing to break"
    if "<image>" in returned:
        return "what you hand in as returned: the engine's own words, before anything is repaired"
    return ""


EXERCISES = {"03.1": raw_row}
