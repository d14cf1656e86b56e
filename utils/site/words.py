"""What the site says itself, in its two languages; everything else comes from the notebooks and the Markdown files."""

TITLE = "LLaVA em Português"
WORDS = {
    "en": {
        "tag": "en", "sphinx": "en", "name": "English",
        "notebooks": "Notebooks", "solutions": "Solutions", "docs": "Pages", "project": "Project",
        "outputs": "Outputs: the journey at scale {scale}, language {language}.",
        "no outputs": "No outputs here: `make journey` runs this notebook, and `make site` then shows what it printed and drew.",
    },
    "pt": {
        "tag": "pt-BR", "sphinx": "pt_BR", "name": "Português",
        "notebooks": "Notebooks", "solutions": "Soluções", "docs": "Páginas", "project": "Projeto",
        "outputs": "Saídas: a jornada na escala {scale}, idioma {language}.",
        "no outputs": "Sem saídas aqui: `make journey` executa este notebook, e `make site` mostra depois o que ele imprimiu e desenhou.",
    },
}  # fmt: skip
