"""One drawn picture, one question to the shipped English base: `python -m utils.journey.first_answer` prints the answer and the seconds."""

import json
import sys
import time

KIND, QUESTION = "dog", "What do you see?"


def first_answer() -> dict[str, object]:
    """{"question", "answer", "right", "seconds"}: what the base says of a drawn dog; the seconds are those of the answer alone."""
    from utils.corpus.scenes.render import render
    from utils.corpus.scenes.world import single
    from utils.evaluation.generate import answer_all
    from utils.models.load import SHIPPED, load_folder

    model, tokenizer = load_folder(SHIPPED)
    started = time.monotonic()
    answer = answer_all(model, tokenizer, [render(single(KIND))], [QUESTION])[0]
    return {"question": QUESTION, "answer": answer, "right": KIND in answer.lower(), "seconds": round(time.monotonic() - started, 1)}


if __name__ == "__main__":
    print(json.dumps(first_answer()))
    sys.exit(0)
