"""What the rating form says, in Portuguese and English, and its fixed pieces of HTML; every text from data is escaped."""

import base64
import html

from utils.review.rubric import CRITERIA, ERRORS

WORDS = {
    "pt": {
        "answer": "Resposta", "empty": "(resposta vazia)", "best": "Melhor resposta", "tie": "Empate", "none": "Nenhuma serve",
        "errors": "Tipos de erro", "remark": "Observação", "remark_hint": "livre; o que mais chamou a atenção?",
        "previous": "← Anterior", "next": "Próxima →", "resume": "Primeira incompleta", "undo": "Desfazer",
        "keys": "Teclas", "keys_hint": "clique aqui e use o teclado",
        "rubric": "Critérios com exemplos", "help": "Ajuda e teclas", "good": "Exemplo", "shows": "A figura mostra",
        "picture": "Figura {here} de {all}", "question": "Pergunta",
        "progress": "{done} de {all} completas. Item {here} de {all}: {state}.",
        "complete": "completo", "incomplete": "incompleto; falta {missing}", "unsaved": "NÃO foi salvo", "saved": "salvo",
        "focus": "A próxima tecla avalia", "all_rated": "Tudo avaliado. Obrigado!", "nothing": "Não há nada a desfazer desde que a ficha foi aberta.",
        "finished": "Item completo: n vai para o próximo.", "choose": "Escolha a melhor resposta: {keys}, = empate, - nenhuma.",
        "rater": "Avaliador(a)",
        "help_text": (
            "Cada clique é salvo na hora; pode fechar e voltar quando quiser. "
            "No campo “Teclas”: 0, 1 ou 2 avaliam o critério indicado; j e k mudam de critério; "
            "a, b, c… escolhem a melhor resposta; = é empate; - é nenhuma; n e p mudam de item; r vai ao primeiro incompleto; u desfaz. "
            "Sem mouse: Tab percorre tudo, Espaço aperta um botão."
        ),
    },
    "en": {
        "answer": "Answer", "empty": "(empty answer)", "best": "Best answer", "tie": "Tie", "none": "None is good",
        "errors": "Types of error", "remark": "Remark", "remark_hint": "free; what struck you most?",
        "previous": "← Previous", "next": "Next →", "resume": "First incomplete", "undo": "Undo",
        "keys": "Keys", "keys_hint": "click here and use the keyboard",
        "rubric": "Criteria with examples", "help": "Help and keys", "good": "Example", "shows": "The picture shows",
        "picture": "Picture {here} of {all}", "question": "Question",
        "progress": "{done} of {all} complete. Item {here} of {all}: {state}.",
        "complete": "complete", "incomplete": "incomplete; missing: {missing}", "unsaved": "NOT saved", "saved": "saved",
        "focus": "The next key rates", "all_rated": "Everything is rated. Thank you!", "nothing": "There is nothing to undo since the form was opened.",
        "finished": "Item complete: n goes to the next one.", "choose": "Choose the best answer: {keys}, = tie, - none.",
        "rater": "Rater",
        "help_text": (
            "Each click is saved at once; close and come back as you like. "
            "In the field “Keys”: 0, 1 or 2 rate the criterion that is named; j and k change the criterion; "
            "a, b, c… choose the best answer; = is a tie; - is none; n and p change the item; r goes to the first incomplete one; u undoes. "
            "Without a mouse: Tab walks through everything, Space presses a button."
        ),
    },
}  # fmt: skip


def head_html(title: str, label: str, rater: str) -> str:
    return f"<b>{html.escape(title)}</b> · {html.escape(label)}: {html.escape(rater)}"


def picture_html(data: bytes, alt: str, size: int) -> str:
    """The picture inside the page, at most `size` pixels wide; small drawings are enlarged."""
    code = base64.b64encode(data).decode()
    style = f"width:{int(size)}px;max-width:100%;height:auto;border:1px solid currentColor"
    return f'<img src="data:image/webp;base64,{code}" alt="{html.escape(alt)}" style="{style}">'


def text_html(text: str, language: str, label: str) -> str:
    """A question or an answer as the system wrote it: escaped, its line breaks kept."""
    style = "white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid currentColor;border-radius:4px;padding:8px;line-height:1.4;font-size:15px"
    return f'<b>{html.escape(label)}</b><div lang="{html.escape(language)}" style="{style}">{html.escape(text)}</div>'


def status_html(text: str, alarm: bool = False) -> str:
    """A line that screen readers speak when it changes; an alarm is spoken at once."""
    frame = "border:2px solid #b00020;padding:6px;" if alarm else ""
    role = "alert" if alarm else "status"
    return f'<div role="{role}" aria-live="{"assertive" if alarm else "polite"}" style="{frame}line-height:1.4">{html.escape(text)}</div>'


def fold_html(title: str, body: str) -> str:
    """A fold-out; `body` is HTML."""
    return f'<details><summary style="cursor:pointer"><b>{html.escape(title)}</b></summary><div style="line-height:1.4">{body}</div></details>'


def rubric_html(tongue: str) -> str:
    """Every criterion with its levels and its two worked examples, and the error types."""
    words, out = WORDS[tongue], []
    for one in CRITERIA:
        levels = "".join(f"<li>{value}: {html.escape(text[tongue])}</li>" for value, text in one.levels)
        examples = "".join(_example_html(example, words, tongue) for example in one.examples)
        out.append(
            f'<h4>{html.escape(one.names[tongue])}</h4><p>{html.escape(one.question[tongue])}</p><ul style="list-style:none">{levels}</ul>{examples}'
        )
    errors = "".join(f"<li><b>{html.escape(one.names[tongue])}</b>: {html.escape(one.meaning[tongue])}</li>" for one in ERRORS)
    return "".join(out) + f"<h4>{html.escape(words['errors'])}</h4><ul>{errors}</ul>"


def _example_html(example: dict, words: dict, tongue: str) -> str:
    said = f'<i lang="pt-BR">{html.escape(example["question"])} — {html.escape(example["answer"])}</i>'
    shows = html.escape(example["seen"][tongue])
    return f"<p>{words['good']}: {words['shows']} {shows}. {said} → <b>{example['value']}</b>. {html.escape(example['why'][tongue])}</p>"
