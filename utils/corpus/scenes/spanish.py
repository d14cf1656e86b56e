"""The Spanish word list of the picture world: the example to copy for a further language. Everything here is data."""

from utils.corpus.scenes.word_list import WordList

# fmt: off
WORD_LIST = WordList(
    code="es",
    thing="f cosa/cosas",
    kinds="""
        dog: m perro/perros = can, canes
        cat: m gato/gatos
        horse: m caballo/caballos
        cow: f vaca/vacas
        lion: m león/leones
        rabbit: m conejo/conejos
        frog: f rana/ranas
        turtle: f tortuga/tortugas
        fish: m pez/peces = pescado, pescados
        butterfly: f mariposa/mariposas
        bee: f abeja/abejas
        flamingo: m flamenco/flamencos
        penguin: m pingüino/pingüinos
        apple: f manzana/manzanas
        banana: m plátano/plátanos = banana, bananas, banano, bananos
        strawberry: f fresa/fresas = frutilla, frutillas
        watermelon: f sandía/sandías
        pizza: f pizza/pizzas
        cheese: m queso/quesos
        carrot: f zanahoria/zanahorias
        egg: m huevo/huevos
        cake: m pastel/pasteles = tarta, tartas, torta, tortas
        car: m coche/coches = carro, carros, auto, autos, automóvil, automóviles
        bus: m autobús/autobuses = bus, buses
        truck: m camión/camiones
        train: m tren/trenes
        bicycle: f bicicleta/bicicletas = bici, bicis
        boat: m barco/barcos = barca, barcas, bote, botes, velero, veleros
        airplane: m avión/aviones = aeroplano, aeroplanos
        rocket: m cohete/cohetes
        chair: f silla/sillas
        book: m libro/libros
        key: f llave/llaves
        clock: m reloj/relojes
        umbrella: m paraguas/paraguas = sombrilla, sombrillas
        guitar: f guitarra/guitarras
        hat: m sombrero/sombreros = chistera, chisteras
        tennis ball: f pelota de tenis/pelotas de tenis = bola de tenis, bolas de tenis
        soccer ball: m balón de fútbol/balones de fútbol = pelota de fútbol, pelotas de fútbol
        tree: m árbol/árboles
        flower: f flor/flores
        cactus: m cactus/cactus = cacto, cactos
        volcano: m volcán/volcanes
        city: f ciudad/ciudades
        sunset: m atardecer/atardeceres = puesta de sol, puestas de sol, puesta del sol, ocaso, ocasos
        house: f casa/casas
        castle: m castillo/castillos
        church: f iglesia/iglesias
        sun with sunglasses: m sol con gafas de sol/soles con gafas de sol = sol con gafas, soles con gafas, sol con lentes de sol, soles con lentes de sol
        sun: m sol/soles
        moon: f luna/lunas
        star: f estrella/estrellas
        bearded man: m hombre con barba/hombres con barba = hombre barbudo, hombres barbudos
        baby: m bebé/bebés
        girl: f niña/niñas = chica, chicas, muchacha, muchachas
    """,
    categories="""
        animal: m animal/animales
        food: m alimento/alimentos = comida, comidas
        vehicle: m vehículo/vehículos
        object: m objeto/objetos
        plant: f planta/plantas
        landscape: m paisaje/paisajes
        building: m edificio/edificios = construcción, construcciones
        celestial body: m cuerpo celeste/cuerpos celestes = astro, astros
        person: f persona/personas
    """,
    colours="""
        white: m blanco/blancos = blanca, blancas
        gray: m gris/grises
        red: m rojo/rojos = roja, rojas
        orange: m naranja/naranjas = anaranjado, anaranjada
        yellow: m amarillo/amarillos = amarilla, amarillas
        green: m verde/verdes
        blue: m azul/azules
        purple: m morado/morados = morada, moradas, púrpura, violeta
        pink: m rosa/rosas = rosado, rosada
        brown: m marrón/marrones = café, castaño, castaña, pardo, parda
    """,
    feminine={"white": "blanca", "red": "roja", "yellow": "amarilla", "purple": "morada"},
    numbers="cero|ningún|ninguno|ninguna uno|un|una dos tres cuatro cinco seis",
    articles={
        "a": {"m": "un ", "f": "una "},
        "the": {"m": "el ", "f": "la "},
        "of_the": {"m": "del ", "f": "de la "},
        "no": {"m": "ningún ", "f": "ninguna "},
    },
    how_many={"m": "cuántos", "f": "cuántas"},
    there=("hay", "hay"),
    makes=("es", "son"),
    joined=" y ",
    places=("la esquina superior izquierda", "la esquina superior derecha", "la esquina inferior izquierda", "la esquina inferior derecha"),
    beside=("a su izquierda", "a su derecha", "encima", "debajo"),
    sides={
        "top": ("superior", "arriba", "de arriba"), "bottom": ("inferior", "abajo", "de abajo"),
        "left": ("izquierda", "izquierdo"), "right": ("derecha", "derecho"),
    },
    questions={
        "naming": ("¿Qué hay en {place}?", "¿Qué se ve en {place}?", "¿Qué es esto?"),
        "yes_no": ("¿Hay {a} en la imagen?", "¿Se ve {a} en la imagen?"),
        "counting": ("¿{how_many} {plural} hay?", "¿{how_many} {plural} se ven?"),
        "total": ("¿Cuántas cosas hay en total?", "¿Cuántas cosas se ven?"),
        "position": ("¿Dónde está {the}?", "¿Dónde se ve {the}?"),
        "background": ("¿De qué color es el fondo?", "¿Cuál es el color de fondo de la imagen?"),
        "card": ("¿De qué color es la tarjeta que hay detrás {of_the}?", "¿Cuál es el color de la tarjeta que hay detrás {of_the}?"),
        "category": ("¿Qué tipo de cosa hay en {place}?", "¿Qué tipo de cosa es {the}?"),
        "listing": ("¿Qué ves?", "¿Qué ves en la imagen?", "¿Qué cosas hay en la imagen?"),
        "description": ("Describe la imagen en detalle.", "Describe esta imagen.", "¿Puedes describir la imagen en detalle?"),
        "comparison": ("¿Hay más {plural} o más {others}?",),
        "relation": ("¿Qué hay a la izquierda {of_the}?", "¿Qué hay a la derecha {of_the}?", "¿Qué hay encima {of_the}?", "¿Qué hay debajo {of_the}?"),
        "arithmetic": ("Si se quita {a}, ¿{how_many} {plural} quedan?", "Si añadimos {added}, ¿cuántas cosas habrá?"),
        "group": ("¿{how_many} {group} hay?", "¿{how_many} {group} se ven?"),
    },
    answers={
        "naming": "Es {a}.",
        "yes": "Sí, {there} {exactly}.",
        "no": "No, no hay {no}.",
        "counting": "{there} {exactly}.",
        "total": "{there} {exactly}.",
        "position": "{the} está en {place}.",
        "background": "El fondo es {colour}.",
        "card": "La tarjeta es {colour_f}.",
        "category": "Es {a}.",
        "listing": "{listed}.",
        "description": "El fondo es {colour} y {there} {exactly}.",
        "thing": "En {place} hay {a}.",
        "thing on card": "En {place} hay {a} sobre una tarjeta {colour_f}.",
        "more": "{there} {exactly} y {others}, así que hay más {more}.",
        "equal": "{there} {exactly} y {others}, así que hay el mismo número de cada uno.",
        "relation": "{the} está en {place}, y {side} hay {other}.",
        "take away": "{there} {exactly}, y {n} menos uno {makes} {result}.",
        "add": "{there} {exactly}, y {n} más {m} {makes} {result}.",
        "group": "{there} {listed}, así que {there_all} {total}.",
    },
    # What follows may be left out; `WordList` says what is used then.
    card="tarjeta",
    letter="Responde directamente con la letra de la opción correcta.",
    caption="Escribe una leyenda de una frase para la imagen.",
    exam="Responde a la pregunta que está en la imagen.",
    sounds={
        "how_many": ("¿Cuántos tonos se oyen?", ("Se oye un tono.", "Se oyen dos tonos.", "Se oyen tres tonos.", "Se oyen cuatro tonos.")),
        "direction": ("¿El sonido sube o baja?", ("El sonido sube.", "El sonido baja.", "El sonido no cambia.")),
        "last": ("¿El último tono es agudo o grave?", ("Es agudo.", "Es grave.")),
    },
    matching={
        "articles": "el la los las unos unas al", "one": "un uno una", "contractions": "del=de",
        "prepositions": "en de con por sin sobre bajo para", "optional": "en de",
        "no": "no|claro que no|no hay|no es|no está", "unsure": "no sé|no lo sé|no estoy seguro|no estoy segura|no puedo|no es posible",
        "either": "o|u", "both": "y|e", "answer_leads": "la respuesta es|la respuesta correcta es|respuesta|la opción correcta es|es",
        "leads": "es|son|hay|está|están|esto es|se ve|se ven|veo|la imagen muestra|en la imagen hay|el color es", "tails": "en la imagen|en la foto",
        "option_nouns": "opción|letra|alternativa|respuesta", "functions": "a e o y", "option_tails": "es correcta|es la correcta|es la respuesta|porque",
        "zero": "ningún|ninguno|ninguna|nadie|nada|no hay", "negations": "no ni", "bounds": "menos|más de|al menos|como mínimo|como máximo|casi|hasta",
        "groups": "par pares docena docenas", "plurals": "ces=z ones=on anes=an nes=n res=r les=l des=d jes=j s=",
    },
)
# fmt: on
