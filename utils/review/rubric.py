"""The rubric: what people judge in an answer about a picture, level by level, with worked examples, in Portuguese and English."""

import dataclasses
from dataclasses import dataclass

VERSION = "1"


@dataclass(frozen=True)
class Criterion:
    """One thing to judge, from 0 to 2; higher is always better.

    `names`, `question` and the text of each level are {"pt": …, "en": …}. `levels` are (value, text), lowest first. `examples` are one good
    and one bad: "question" and "answer" as a rater meets them (Portuguese), "seen" is what the picture shows and "why" the reason for "value".
    """

    key: str
    names: dict[str, str]
    question: dict[str, str]
    levels: tuple[tuple[int, dict[str, str]], ...]
    examples: tuple[dict, ...]


@dataclass(frozen=True)
class ErrorType:
    """One kind of error to tick; an answer may have several."""

    key: str
    names: dict[str, str]
    meaning: dict[str, str]


def _both(pt: str, en: str) -> dict[str, str]:
    return {"pt": pt, "en": en}


def _example(value: int, seen: dict[str, str], question: str, answer: str, why: dict[str, str]) -> dict:
    return {"question": question, "answer": answer, "seen": seen, "value": value, "why": why}


def _levels(*texts: dict[str, str]) -> tuple[tuple[int, dict[str, str]], ...]:
    return tuple(enumerate(texts))


SEEN = Criterion(
    "seen",
    _both("Viu certo", "Seen correctly"),
    _both(
        "O que a resposta diz do que está na figura confere: o que é, quantos são, a cor, o lugar?",
        "Is what the answer says about the things in the picture true: what they are, how many, which colour, where?",
    ),
    _levels(
        _both("O principal está errado.", "The main thing is wrong."),
        _both("O principal está certo; um detalhe está errado.", "The main thing is right; a detail is wrong."),
        _both("Tudo o que a resposta diz confere.", "All that the answer says is true."),
    ),
    (
        _example(
            2,
            _both("um cachorro sobre um fundo azul", "a dog on a blue background"),
            "O que aparece na imagem?",
            "Um cachorro sobre um fundo azul.",
            _both("O animal e a cor conferem com a figura.", "The animal and the colour match the picture."),
        ),
        _example(
            0,
            _both("um cachorro sobre um fundo azul", "a dog on a blue background"),
            "O que aparece na imagem?",
            "Um gato sobre um fundo azul.",
            _both(
                "A cor confere, mas o principal não: o animal é um cachorro.",
                "The colour matches, but the main thing does not: the animal is a dog.",
            ),
        ),
    ),
)

ANSWERS = Criterion(
    "answers",
    _both("Responde à pergunta", "Answers the question"),
    _both(
        "A resposta trata do que foi perguntado? Aqui não importa se ela acerta.",
        "Is the answer about what was asked? Whether it is correct does not matter here.",
    ),
    _levels(
        _both("Fala de outra coisa, recusa ou não diz nada.", "It speaks of something else, refuses or says nothing."),
        _both("Responde só a uma parte da pergunta.", "It answers only a part of the question."),
        _both("Responde a tudo o que foi perguntado.", "It answers all that was asked."),
    ),
    (
        _example(
            2,
            _both("três maçãs", "three apples"),
            "Quantas maçãs há na imagem?",
            "Há duas maçãs.",
            _both(
                "A pergunta pede um número e a resposta dá um número. O erro na conta pesa em “Viu certo”.",
                "The question asks for a number and the answer gives one. The wrong count is judged under “Seen correctly”.",
            ),
        ),
        _example(
            0,
            _both("três maçãs", "three apples"),
            "Quantas maçãs há na imagem?",
            "As maçãs são vermelhas.",
            _both(
                "É verdade, mas a pergunta era “quantas” e nenhum número aparece.",
                "It is true, but the question was “how many” and no number is given.",
            ),
        ),
    ),
)

HALLUCINATION = Criterion(
    "hallucination",
    _both("Não inventa (alucinação)", "Invents nothing (hallucination)"),
    _both(
        "A resposta fala de algo que não está na figura? Trocar o nome do que está lá conta em “Viu certo”, não aqui.",
        "Does the answer speak of something that is not in the picture? A wrong name for a thing that is there counts under “Seen correctly”.",
    ),
    _levels(
        _both("Inventa algo importante.", "It invents something important."),
        _both("Inventa um detalhe.", "It invents a detail."),
        _both("Não inventa nada.", "It invents nothing."),
    ),
    (
        _example(
            2,
            _both("uma quadra de tênis vazia", "an empty tennis court"),
            "Descreva a imagem.",
            "Uma quadra de tênis vazia.",
            _both("Tudo o que a resposta cita está na figura.", "All that the answer mentions is in the picture."),
        ),
        _example(
            0,
            _both("uma quadra de tênis vazia", "an empty tennis court"),
            "Descreva a imagem.",
            "Dois jogadores disputam uma partida em uma quadra de tênis.",
            _both(
                "Não há ninguém na quadra: os jogadores e a partida são inventados e mudam a cena.",
                "Nobody is on the court: the players and the match are invented and change the scene.",
            ),
        ),
    ),
)

LANGUAGE = Criterion(
    "language",
    _both("Língua e variedade", "Language and variety"),
    _both(
        "A resposta está na língua e na variedade pedidas (por exemplo, português do Brasil)?",
        "Is the answer in the language and the variety asked for (for example Brazilian Portuguese)?",
    ),
    _levels(
        _both("Está toda ou em boa parte em outra língua.", "All or much of it is in another language."),
        _both(
            "A língua é a certa, mas há uma palavra estrangeira ou de outra variedade.",
            "The language is right, but there is a foreign word or one of another variety.",
        ),
        _both("Está toda na língua e na variedade pedidas.", "All of it is in the language and the variety asked for."),
    ),
    (
        _example(
            2,
            _both("um ônibus; pede-se português do Brasil", "a bus; Brazilian Portuguese is asked for"),
            "O que aparece na imagem?",
            "Um ônibus amarelo.",
            _both("“Ônibus” é a palavra usada no Brasil.", "“Ônibus” is the word used in Brazil."),
        ),
        _example(
            1,
            _both("um ônibus; pede-se português do Brasil", "a bus; Brazilian Portuguese is asked for"),
            "O que aparece na imagem?",
            "Um autocarro amarelo.",
            _both(
                "É português, mas “autocarro” se diz em Portugal. Em inglês (“A yellow bus.”) o valor seria 0.",
                "It is Portuguese, but “autocarro” is used in Portugal. In English (“A yellow bus.”) the value would be 0.",
            ),
        ),
    ),
)

FLUENCY = Criterion(
    "fluency",
    _both("Concordância e fluência", "Agreement and fluency"),
    _both(
        "O texto está bem escrito, como uma pessoa escreveria? Julgue só a escrita, não o conteúdo.",
        "Is it well written, as a person would write? Judge the writing only, not the content.",
    ),
    _levels(
        _both("Tem dois erros ou mais, ou não se entende.", "It has two errors or more, or cannot be understood."),
        _both("Tem um erro ou um trecho pouco natural.", "It has one error or one unnatural turn of phrase."),
        _both("Não tem erros e soa natural.", "It has no error and sounds natural."),
    ),
    (
        _example(
            2,
            _both("duas maçãs vermelhas na mesa", "two red apples on the table"),
            "O que há na mesa?",
            "Há duas maçãs vermelhas na mesa.",
            _both("Artigos, números e adjetivos concordam; soa natural.", "Articles, numbers and adjectives agree; it sounds natural."),
        ),
        _example(
            0,
            _both("duas maçãs vermelhas na mesa", "two red apples on the table"),
            "O que há na mesa?",
            "Há dois maçãs vermelho em a mesa.",
            _both(
                "São três erros: “dois maçãs”, “maçãs vermelho” e “em a” no lugar de “na”.",
                "Three errors: “dois maçãs” and “maçãs vermelho” do not agree, and “em a” stands for “na”.",
            ),
        ),
    ),
)

LENGTH = Criterion(
    "length",
    _both("Tamanho pedido", "Length asked for"),
    _both(
        "A resposta tem o tamanho que a pergunta pede: uma palavra, uma frase, uma descrição?",
        "Is the answer as long as the question asks: a word, a sentence, a description?",
    ),
    _levels(
        _both(
            "O tamanho é outro: um texto onde se pedia uma palavra, ou uma palavra onde se pedia um texto.",
            "Another length: a text where a word was asked for, or a word where a text was.",
        ),
        _both("Quase: sobra ou falta uma parte.", "Nearly: one part is too much or is missing."),
        _both("O tamanho é o pedido.", "The length is the one asked for."),
    ),
    (
        _example(
            2,
            _both("um relógio que marca três horas", "a clock that shows three o'clock"),
            "O que aparece na imagem? Responda com uma única palavra.",
            "Relógio.",
            _both("Foi pedida uma palavra e veio uma palavra.", "One word was asked for and one word came."),
        ),
        _example(
            0,
            _both("um relógio que marca três horas", "a clock that shows three o'clock"),
            "O que aparece na imagem? Responda com uma única palavra.",
            "A imagem mostra um relógio. Ele marca três horas. Relógios servem para ver as horas.",
            _both("Foi pedida uma palavra e vieram três frases.", "One word was asked for and three sentences came."),
        ),
    ),
)

CRITERIA = (SEEN, ANSWERS, HALLUCINATION, LANGUAGE, FLUENCY, LENGTH)


def _error(key: str, pt: str, en: str, meaning_pt: str, meaning_en: str) -> ErrorType:
    return ErrorType(key, _both(pt, en), _both(meaning_pt, meaning_en))


ERRORS = (
    _error("wrong_kind", "Coisa errada", "Wrong thing", "Diz que é uma coisa e é outra.", "It names one thing as another."),
    _error("wrong_number", "Número errado", "Wrong number", "Conta a mais ou a menos.", "It counts too many or too few."),
    _error("wrong_colour", "Cor errada", "Wrong colour", "A cor dita não é a da figura.", "The colour is not the picture's."),
    _error("wrong_place", "Lugar errado", "Wrong place", "Põe algo no lugar errado.", "It puts something in the wrong place."),
    _error("wrong_verdict", "Conclusão errada", "Wrong conclusion", "Erra o sim ou não, a comparação ou a conta.",
           "A yes or no, a comparison or a sum comes out wrong."),
    _error("invented", "Inventado", "Invented", "Fala de algo que não está na figura.", "It speaks of something that is not in the picture."),
    _error("missing", "Faltou algo", "Something missing", "Cala algo que a pergunta pede.", "It leaves out something that the question asks for."),
    _error("other_language", "Outra língua", "Other language", "Traz palavras de outra língua.", "It has words of another language."),
    _error("other_variety", "Outra variedade", "Other variety", "Usa palavras ou formas de outro país.", "It uses words or forms of another country."),
    _error("agreement", "Concordância", "Agreement", "Gênero, número ou verbo não concordam.", "Gender, number or verb do not agree."),
    _error("unnatural", "Pouco natural", "Unnatural", "Soa a tradução ou ninguém diria assim.", "It sounds translated, or nobody would say it so."),
    _error("too_long", "Longa demais", "Too long", "Diz mais do que foi pedido ou se repete.", "It says more than was asked for or repeats itself."),
    _error("too_short", "Curta demais", "Too short", "Diz menos do que foi pedido.", "It says less than was asked for."),
    _error("refuses", "Recusa", "Refuses", "Diz que não pode responder ou não diz nada.", "It says that it cannot answer, or says nothing."),
    _error("other", "Outro", "Other", "Outro erro; escreva qual na observação.", "Another error; say which in the remark."),
)  # fmt: skip


def as_dict() -> dict:
    """All of this as plain JSON data: {"version", "criteria", "errors"}, in order, each level as [value, texts]."""
    criteria = [{**dataclasses.asdict(one), "levels": [[value, dict(text)] for value, text in one.levels]} for one in CRITERIA]
    return {
        "version": VERSION,
        "criteria": [{**one, "examples": list(one["examples"])} for one in criteria],
        "errors": list(map(dataclasses.asdict, ERRORS)),
    }
