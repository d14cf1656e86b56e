"""Hand-made cases that fix what counts as a match: each accepted answer has its reason and a rejected near-miss beside it."""

from typing import NamedTuple


class Case(NamedTuple):
    language: str
    kind: str
    gold: str
    accepted: str
    reason: str
    rejected: str
    because: str


BR, PT, IT, EN = "pt-BR", "pt-PT", "it", "en"
CASES = [
    Case(*row)
    for row in [
        # Unicode, case, accents, punctuation
        (BR, "text", "avião", "Avia\u0303o.", "the tilde as a mark of its own is the same letter", "avia", "a letter is missing"),
        (BR, "text", "cão", "CAO", "a missing accent is a slip of the keyboard", "cau", "another letter is no missing accent"),
        (BR, "text", "avó", "Avó.", "same word", "avô", "grandmother and grandfather differ in the accent alone"),
        (BR, "text", "maçã", "a maçã", "article", "maca", "without its marks the word is another one: a stretcher"),
        (BR, "text", "bebê", "bebé", "Brazil and Portugal accent the same word differently", "bebida", "another word with the same start"),
        (PT, "text", "ténis", "tênis", "Brazil and Portugal accent the same word differently", "tensão", "another word"),
        (PT, "text", "copo de água", "copo d’água", "elided preposition, typographic apostrophe", "copo da égua", "another letter: a mare"),
        (BR, "text", "guarda-chuva", "guarda chuva", "the hyphen carries no sound", "guarda", "half a compound is another word"),
        (EN, "text", "cat", "“Cat”!", "quotes, case and an exclamation mark", "сat", "a Cyrillic letter: another word to every other program"),
        (EN, "text", "cat", "cat 🐱", "a picture sign decorates the word", "🐱", "a picture sign alone is no word"),
        (EN, "text", "5%", "５％", "full-width signs mean the same", "5", "a share is not a count"),
        (EN, "text", "c++", "**C++**", "marks of emphasis around it", "c", "the sign belongs to the name"),
        (IT, "text", "città", "citta'", "an apostrophe stands for the accent on many keyboards", "citato", "another word"),
        (IT, "text", "papà", "Il papà", "article", "papa", "father and pope differ in the accent alone"),
        # Articles and framing phrases
        (BR, "text", "gato", "É um gato.", "framing phrase and article", "Não é um gato.", "ends with the gold answer and denies it"),
        (BR, "text", "gato", "A resposta é: o gato", "framing phrase and article", "A resposta não é o gato", "a denial between"),
        (BR, "text", "gato", "Há um gato na imagem.", "a frame before and behind", "Há um gato na caixa.", "the place says more than the picture"),
        (PT, "text", "gato", "Isto é um gato", "framing phrase", "Isto é um gato e um cão", "names another thing too"),
        (PT, "text", "bicicleta", "Trata-se de uma bicicleta.", "framing phrase", "Trata-se de uma motocicleta", "contains most of the letters"),
        (EN, "text", "dog", "It's a dog.", "framing phrase", "It's not a dog.", "denied"),
        (EN, "text", "dog", "There is a dog in the picture", "frames", "There is a hot dog in the picture", "a compound is another thing"),
        (EN, "text", "red", "The answer is red", "framing phrase", "The answer is red or blue", "two answers leave it open"),
        (IT, "text", "gatto", "È un gatto.", "framing phrase and article", "Non è un gatto.", "denied"),
        (IT, "text", "gatto", "E' un gatto", "apostrophe for the accent of È", "E un gatto e un cane", "names another thing too"),
        (IT, "text", "acqua", "l'acqua", "elided article", "l'acquario", "starts with the gold answer"),
        (IT, "text", "zaino", "Risposta: lo zaino", "framing phrase and article", "Risposta: senza zaino", "without it"),
        # Contractions and the preposition before a place
        (BR, "text", "em uma mesa", "numa mesa", "numa = em + uma", "sob uma mesa", "under, not on"),
        (BR, "text", "na mesa", "mesa", "the question asked where; the preposition may be left out", "sem mesa", "without says the opposite"),
        (PT, "text", "no carro", "em o carro", "no = em + o", "do carro", "from the car is another place"),
        (PT, "text", "praia", "na praia", "the preposition is the question's", "para a praia", "on the way there is not there"),
        (IT, "text", "in la scatola", "nella scatola", "nella = in + la", "sotto la scatola", "under, not in"),
        (IT, "text", "legno", "di legno", "the material after its preposition", "del legname", "another word: timber"),
        (IT, "text", "di la casa", "della casa", "della = di + la", "dalla casa", "from the house"),
        (EN, "text", "the table", "on the table", "the preposition is the question's", "under the table", "another place"),
        (EN, "text", "on the box", "On a box.", "articles carry no content", "in the box", "two given prepositions must agree"),
        # Numbers
        (BR, "text", "3", "três", "number word", "treze", "another number with the same start"),
        (BR, "text", "2", "Duas.", "number words have gender", "dúzia", "a dozen"),
        (BR, "text", "um cachorro", "1 cachorro", "um is article and number", "2 cachorros", "another count"),
        (BR, "text", "21", "vinte e um", "composed number", "vinte e dois", "another count"),
        (
            BR,
            "number",
            "3",
            "Há três gatos em uma mesa.",
            "the article of the table counts nothing",
            "Há três gatos e um cão.",
            "two counts, no telling which",
        ),
        (BR, "number", "0", "Não há gatos.", "none is zero", "Não há três gatos.", "denies a count and states none"),
        (BR, "number", "3", "3 gatos", "the thing counted may be named", "mais de 3 gatos", "a bound is no count"),
        (BR, "number", "1000", "1.000", "the point parts thousands in Portuguese", "1,000", "the comma is the decimal mark: one"),
        (PT, "number", "16", "dezasseis", "European form", "dezassete", "seventeen"),
        (PT, "number", "2,5", "2.5", "either decimal mark, where it cannot part thousands", "25", "a mark is no decoration"),
        (PT, "number", "1", "um", "the number word", "1º", "an ordinal is no count"),
        (IT, "number", "23", "Ventitré gatti", "one word, with its accent", "Ventotto gatti", "twenty-eight"),
        (IT, "number", "2", "Ci sono due gatti", "framed count", "un paio di gatti", "un paio is also said of a few"),
        (IT, "number", "21", "ventuno", "the ten drops its vowel before uno", "ventidue", "another count"),
        (IT, "number", "1", "un gatto", "un is article and number", "un paio di gatti", "a pair is not one"),
        (IT, "number", "88", "ottantotto", "the ten drops its vowel before otto", "ottantasei", "another count"),
        (IT, "number", "0", "Nessuno.", "none is zero", "Non lo so.", "not knowing is no count"),
        (EN, "number", "21", "Twenty-one", "hyphenated number word", "twenty", "another count"),
        (EN, "number", "2", "There are two cats.", "framed count", "There are two or three cats.", "an open choice"),
        (EN, "number", "1", "one dog", "the number word", "a dog", "an English article states no count"),
        (EN, "number", "3", "3.0", "the same value", "-3", "the sign belongs to the number"),
        (EN, "number", "50", "50 cats", "the thing counted may be named", "50%", "a share is not a count"),
        (EN, "number", "12", "twelve", "number word", "a dozen", "a group word is read as no number, exact as it may be"),
        (EN, "number", "0", "No one.", "no one is nobody", "one", "the word one is in both"),
        # Plural and gender
        (BR, "text", "gato", "gatos", "the plural names the same kind", "gata", "the sex of an animal is content"),
        (BR, "text", "avião", "Aviões", "irregular plural of the same kind", "avisos", "another word"),
        (BR, "text", "gatos", "o gato", "the singular names the same kind", "um gato", "states one, where the gold states several"),
        (BR, "text", "vermelho", "vermelha", "the adjective agrees with a noun we do not see", "vermelhidão", "another word"),
        (BR, "text", "carro vermelho", "os carros vermelhos", "plural of the same kind", "dois carros vermelhos", "a count is content"),
        (PT, "text", "brancas", "branco", "agreement of an adjective", "banco", "a bank"),
        (PT, "text", "bola", "bolas", "plural of the same kind", "bolo", "o and a tell nouns apart: ball and cake"),
        (PT, "text", "pai", "O pai", "article", "pais", "the plural is another thing: parents"),
        (IT, "text", "gatto", "gatti", "the plural names the same kind", "gatta", "the sex of an animal is content"),
        (IT, "text", "porta", "porte", "plural of the same kind", "porti", "harbours, of porto"),
        (IT, "text", "bianco", "bianche", "agreement of an adjective", "bianchetto", "another word"),
        (EN, "text", "dog", "dogs", "the plural names the same kind", "two dogs", "a count is content"),
        (EN, "text", "man", "Men", "irregular plural", "woman", "ends with the gold answer"),
        (EN, "text", "glass", "a glass", "article", "glasses", "the plural is another thing: spectacles"),
        # Yes and no
        (BR, "yes_no", "sim", "Sim, há um gato.", "the verdict comes first", "Há um gato.", "no verdict is stated; the fact may be invented"),
        (BR, "yes_no", "não", "Não.", "case and full stop", "No.", "in Portuguese no is a contraction"),
        (BR, "yes_no", "não", "não há", "a denial", "não sei", "not knowing is no denial"),
        (BR, "yes_no", "no", "Não, não há um gato.", "POPE's labels stay English", "Sim, não há dúvida.", "a yes with a denial in it"),
        (BR, "yes_no", "sim", "A resposta é sim", "framed verdict", "sim ou não", "the question's choice, repeated"),
        (BR, "text", "não", "Nao, é um cão", "a text task whose gold is a verdict", "no canto", "a contraction that looks like an English no"),
        (
            PT,
            "yes_no",
            "não",
            "Não, o gato não está na mesa.",
            "the verdict comes first; a second denial does not undo it",
            "Não-fumador",
            "part of another word",
        ),
        (PT, "yes_no", "yes", "claro que sim", "a longer yes", "claro que não", "a longer no"),
        (IT, "yes_no", "sì", "Si", "the missing accent", "Sicuro", "starts with the same letters"),
        (IT, "yes_no", "sì", "Sí, c'è.", "the wrong accent", "Non c'è.", "a denial"),
        (IT, "yes_no", "no", "No, non c'è.", "the verdict comes first", "Non lo so", "not knowing is no denial"),
        (EN, "yes_no", "yes", "Yeah", "spoken yes", "Yesterday", "part of another word"),
        (EN, "yes_no", "no", "No, there is no cat.", "the verdict comes first", "No idea.", "not knowing is no denial"),
        (EN, "yes_no", "no", "There is no cat", "a denial", "I don't know", "not knowing is no denial"),
        # Option letters
        (BR, "option", "B", "opção B", "named letter", "opção A ou B", "two letters leave it open"),
        (BR, "option", "B", "A resposta é B.", "framed letter", "A resposta não é B.", "denied"),
        (BR, "option", "B", "b)", "small letter with bracket", "bola", "a letter inside a word"),
        (BR, "option", "A", "A) mesa", "letter and its text", "A mesa", "the article"),
        (BR, "option", "A", "A resposta é A", "framed letter", "A resposta é a", "a sentence cut off after its article"),
        (BR, "option", "(B)", "Letra B: o gato", "the gold may have brackets too", "B) o gato ou C) o cão", "two letters"),
        (PT, "option", "B", "A alínea (B)", "named letter in brackets", "nem A nem B", "neither"),
        (PT, "option", "B", "a B", "article and letter", "A B", "two letters"),
        (PT, "option", "E", "É a E", "framed letter", "E a mesa", "a conjunction"),
        (IT, "option", "B", "risposta: B", "framed letter", "risposta: В", "a Cyrillic letter"),
        (IT, "option", "C", "L'opzione C è corretta", "named letter and its tail", "C'è un gatto", "an elided word"),
        (IT, "option", "B", "La risposta corretta è la B", "framed letter", "A e B", "two letters"),
        (EN, "option", "B", "B. the cat", "letter and its text", "B. C. D.", "several letters"),
        (EN, "option", "A", "The answer is (A)", "framed letter", "A cat", "the article"),
        (EN, "option", "B", "Option B is correct", "named letter and its tail", "Option B is wrong", "denied behind the letter"),
        (EN, "option", "B", "**B**", "marks of emphasis", "B+", "a mark, not a letter"),
    ]
]
