"""Questions and answers that need no grammar beyond a bare noun, one frozen record per language.

A noun stands in quotation marks, so nothing has to agree with it ("How many times is “dog” in the image?"). The sentences are
written by hand, after mBLIP's templates (gregor-ge/mBLIP data/vqa/generate_train.py, data/pretrain/generate_match_train.py): mBLIP
translates the question and leaves the sentence around it in English; here the question is the language's own, and the sentence
that names the answer's language is English. Native speakers have not read them all: whoever is one, please do.
"""

from dataclasses import dataclass

from utils.corpus.multilingual.names import names
from utils.runs import UserError

TYPES = ("naming", "presence", "counting", "caption", "matching")


@dataclass(frozen=True)
class Tongue:
    """A language of the mix.

    `prompt_name` names it in a prompt; `yes` and `no` begin with the form that is written; `numbers` are 0 to 6, other forms
    behind "|"; `spaced` tells whether blanks part words; `comma` parts the items of a list, with its blank.
    """

    code: str
    prompt_name: str
    naming: str
    presence: str
    counting: str
    caption: str
    matching: str
    yes: tuple[str, ...]
    no: tuple[str, ...]
    numbers: str
    comma: str = ", "
    spaced: bool = True


TONGUES = {tongue.code: tongue for tongue in (
    Tongue(
        "en", "English", "What is in the image?", "Is “{}” in the image?", "How many times is “{}” in the image?",
        "List what is in the image.", "Does the list “{}” fit the image?", ("Yes",), ("No",), "zero one two three four five six",
    ),
    Tongue(
        "pt-BR", "Portuguese", "O que se vê na imagem?", "“{}” aparece na imagem?", "Quantas vezes “{}” aparece na imagem?",
        "Liste o que se vê na imagem.", "A lista “{}” corresponde à imagem?", ("Sim",), ("Não",), "zero um|uma dois|duas três quatro cinco seis",
    ),
    Tongue(
        "it", "Italian", "Che cosa si vede nell'immagine?", "Nell'immagine si vede «{}»?", "Quante volte si vede «{}» nell'immagine?",
        "Elenca ciò che si vede nell'immagine.", "L'elenco «{}» corrisponde all'immagine?", ("Sì",), ("No",),
        "zero uno|una|un due tre quattro cinque sei",
    ),
    Tongue(
        "es", "Spanish", "¿Qué se ve en la imagen?", "¿Aparece «{}» en la imagen?", "¿Cuántas veces aparece «{}» en la imagen?",
        "Enumera lo que se ve en la imagen.", "¿Corresponde la lista «{}» a la imagen?", ("Sí",), ("No",),
        "cero uno|una|un dos tres cuatro cinco seis",
    ),
    Tongue(
        "fr", "French", "Que voit-on dans l'image ?", "Voit-on « {} » dans l'image ?", "Combien de fois voit-on « {} » dans l'image ?",
        "Énumère ce que l'on voit dans l'image.", "La liste « {} » correspond-elle à l'image ?", ("Oui",), ("Non",),
        "zéro un|une deux trois quatre cinq six",
    ),
    Tongue(
        "de", "German", "Was ist auf dem Bild zu sehen?", "Ist „{}“ auf dem Bild zu sehen?", "Wie oft ist „{}“ auf dem Bild zu sehen?",
        "Zähle auf, was auf dem Bild zu sehen ist.", "Passt die Liste „{}“ zum Bild?", ("Ja",), ("Nein",),
        "null eins|ein|eine|einen zwei drei vier fünf sechs",
    ),
    Tongue(
        "ru", "Russian", "Что видно на картинке?", "Есть ли на картинке «{}»?", "Сколько раз на картинке встречается «{}»?",
        "Перечисли всё, что видно на картинке.", "Подходит ли к картинке список «{}»?", ("Да",), ("Нет",),
        "ноль|нуль один|одна|одно два|две три четыре пять шесть",
    ),
    Tongue(
        "zh", "Chinese", "图片里有什么？", "图片里有“{}”吗？", "图片里“{}”的数量是多少？", "列出图片里的所有东西。", "“{}”这个列表符合图片吗？",
        ("是", "有", "对", "符合"), ("否", "没有", "不是", "不对", "不符合"), "零 一 二|两 三 四 五 六", "、", False,
    ),
    Tongue(
        "tr", "Turkish", "Resimde ne görünüyor?", "Resimde “{}” var mı?", "Resimde kaç kez “{}” görünüyor?",
        "Resimde görünenleri sırala.", "“{}” listesi resme uyuyor mu?", ("Evet",), ("Hayır",), "sıfır bir iki üç dört beş altı",
    ),
    Tongue(
        "ar", "Arabic", "ماذا يظهر في الصورة؟", "هل في الصورة «{}»؟", "كم عدد «{}» في الصورة؟",
        "اذكر كل ما يظهر في الصورة.", "هل تطابق القائمة «{}» الصورة؟", ("نعم",), ("لا", "كلا"),
        "صفر واحد|واحدة اثنان|اثنين|اثنتان|اثنتين ثلاثة|ثلاث أربعة|أربع خمسة|خمس ستة|ست", "، ",
    ),
    Tongue(
        "ja", "Japanese", "画像には何が写っていますか。", "画像に「{}」は写っていますか。", "画像に写っている「{}」の数はいくつですか。",
        "画像に写っているものを挙げてください。", "「{}」というリストは画像に合っていますか。", ("はい",), ("いいえ",),
        "ゼロ|零 一つ|一|ひとつ 二つ|二|ふたつ 三つ|三|みっつ 四つ|四|よっつ 五つ|五|いつつ 六つ|六|むっつ", "、", False,
    ),
    Tongue(
        "fa", "Persian", "در تصویر چه دیده می‌شود؟", "آیا «{}» در تصویر دیده می‌شود؟", "«{}» چند بار در تصویر دیده می‌شود؟",
        "هر چه در تصویر دیده می‌شود نام ببر.", "آیا فهرست «{}» با تصویر مطابقت دارد؟", ("بله", "بلی", "آره"), ("خیر", "نه"),
        "صفر یک دو سه چهار پنج شش", "، ",
    ),
    Tongue(
        "ko", "Korean", "이미지에 무엇이 보입니까?", "이미지에 “{}” 항목이 보입니까?", "이미지에 보이는 “{}”의 개수는 몇입니까?",
        "이미지에 보이는 것을 모두 나열하세요.", "“{}” 목록이 이미지와 맞습니까?", ("예", "네"), ("아니요", "아니오"),
        "영|공 하나|한|일 둘|두|이 셋|세|삼 넷|네|사 다섯|오 여섯|육",
    ),
    Tongue(
        "id", "Indonesian", "Apa yang terlihat di gambar?", "Apakah “{}” terlihat di gambar?", "Berapa kali “{}” terlihat di gambar?",
        "Sebutkan semua yang terlihat di gambar.", "Apakah daftar “{}” sesuai dengan gambar?", ("Ya", "Iya"), ("Tidak",),
        "nol|kosong satu dua tiga empat lima enam",
    ),
)}  # fmt: skip


def tongue(code: str) -> Tongue:
    """The record of a language; raises UserError naming the others."""
    if code not in TONGUES:
        raise UserError(f"the language {code!r} has no templates; use some of: {', '.join(TONGUES)}")
    return TONGUES[code]


def listed(counts: dict[str, int], code: str) -> str:
    """A scene as a list of nouns with digits, in reading order: "perro × 2, mariposa × 1"."""
    nouns = names(code)
    return tongue(code).comma.join(f"{nouns[kind]} × {number}" for kind, number in counts.items())


def ask(type: str, code: str, noun: str = "") -> str:
    """The question of a type in a language; `noun` is what stands in its quotation marks, if it has any."""
    return getattr(tongue(code), type).format(noun)


def answer_in(code: str) -> str:
    """The sentence that names the output language, as each of mBLIP's prompts does in its own way: "Answer in Spanish."."""
    return f"Answer in {tongue(code).prompt_name}."


def token_costs(tokenizer, code: str) -> dict:
    """What a language costs in a tokenizer: tokens per word (None where blanks do not part words), per sign, and per noun.

    Over the language's five questions without a noun in them, and over its kinds' names.
    """
    texts = [ask(type, code) for type in TYPES]
    tokens = sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in texts)
    nouns = list(names(code).values())
    per_noun = sum(len(tokenizer.encode(f" {noun}", add_special_tokens=False)) for noun in nouns) / len(nouns)
    words = sum(len(text.split()) for text in texts)
    return {
        "language": code,
        "tokens_per_word": tokens / words if tongue(code).spaced else None,
        "tokens_per_sign": tokens / sum(map(len, texts)),
        "tokens_per_noun": per_noun,
    }
