// The page of the served models: choose a picture, ask, see every model's answer. All text from outside goes in as text.
"use strict";

const TEXTS = {
  "pt-BR": {
    title: "Pergunte à imagem", other: "English", dark: "Tema escuro", light: "Tema claro",
    intro: "Escolha uma imagem, escreva uma pergunta e compare as respostas dos modelos. A imagem só vai a este servidor e não é guardada.",
    none: "Nenhuma imagem escolhida. Solte ou cole uma aqui.", choose: "Escolher imagem", camera: "Usar a câmera",
    question: "Pergunta", examples: "Exemplos:", ask: "Perguntar", answers: "Respostas", empty: "As respostas aparecem aqui, a mais nova primeiro.",
    chosen: "Imagem escolhida: ", shrunk: " (reduzida para o envio)", waiting: "Os modelos estão respondendo…", done: "Respostas prontas.",
    silent: "(resposta vazia)", base: "Modelo base", tuned: "Modelo ajustado", picture: "Imagem enviada",
    tries: ["O que você vê na imagem?", "Quantos objetos aparecem na imagem?", "Descreva a imagem em detalhes."],
    problems: {
      no_picture: "Escolha uma imagem primeiro.", question: "Escreva uma pergunta de até 500 caracteres, sem códigos do modelo como </s>.", too_big: "A imagem passa de 10 MB; escolha uma menor.",
      not_picture: "O arquivo não é uma imagem PNG, JPEG, WebP, GIF ou BMP; escolha outro.",
      picture: "Não foi possível abrir a imagem com segurança: ela está danificada ou é grande demais; escolha outra.",
      type: "O arquivo não é uma imagem; escolha outro.", busy: "Há pedidos demais na fila; tente de novo em alguns segundos.",
      slow: "A imagem demorou demais para chegar; tente de novo.", failed: "Um modelo não conseguiu responder; o motivo está na janela do servidor.",
      unreachable: "O servidor não responde; confira se ele ainda está em execução.",
    },
  },
  en: {
    title: "Ask the picture", other: "Português", dark: "Dark theme", light: "Light theme",
    intro: "Choose a picture, write a question and compare the models' answers. The picture goes to this server alone and is not kept.",
    none: "No picture chosen. Drop or paste one here.", choose: "Choose a picture", camera: "Use the camera",
    question: "Question", examples: "Examples:", ask: "Ask", answers: "Answers", empty: "Answers appear here, the newest first.",
    chosen: "Picture chosen: ", shrunk: " (made smaller for sending)", waiting: "The models are answering…", done: "The answers are here.",
    silent: "(empty answer)", base: "Base model", tuned: "Tuned model", picture: "Picture sent",
    tries: ["What do you see in the picture?", "How many objects are in the picture?", "Describe the picture in detail."],
    problems: {
      no_picture: "Choose a picture first.", question: "Write a question of up to 500 characters, without codes of the model such as </s>.", too_big: "The picture is larger than 10 MB; choose a smaller one.",
      not_picture: "The file is not a PNG, JPEG, WebP, GIF or BMP picture; choose another.",
      picture: "The picture cannot be opened safely: it is damaged or too large; choose another.",
      type: "The file is not a picture; choose another.", busy: "Too many requests are waiting; try again in a few seconds.",
      slow: "The picture took too long to arrive; try again.", failed: "A model could not answer; the reason stands in the server's window.",
      unreachable: "The server does not answer; check that it still runs.",
    },
  },
};
const MAX_BYTES = 10_000_000, KEPT = 20;
const root = document.documentElement, find = (id) => document.getElementById(id);
let picture = null, address = "", note = "", busy = false;

const text = () => TEXTS[root.lang] || TEXTS.en;
const stored = (key, value) => {
  try {
    if (value !== undefined) localStorage.setItem(key, value);
    return localStorage.getItem(key);
  } catch { return null; } // a private window may have no storage
};
const make = (tag, words, name) => {
  const element = document.createElement(tag);
  element.textContent = words || "";
  if (name) element.className = name;
  return element;
};
const problem = (code, words) => { find("problem").textContent = code ? text().problems[code] || words : ""; };
const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function relabel() {
  const words = text();
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = words[element.dataset.t];
  document.title = words.title;
  find("language").textContent = words.other;
  find("language").lang = root.lang === "en" ? "pt-BR" : "en";
  find("theme").textContent = isDark() ? words.light : words.dark;
  for (const element of document.querySelectorAll("[data-model]")) element.textContent = words[element.dataset.model] || element.dataset.model;
  for (const element of document.querySelectorAll(".none")) element.textContent = words.silent;
  for (const element of document.querySelectorAll(".asked > img")) element.alt = words.picture;
  if (picture) told();
  problem("");
  find("status").textContent = busy ? words.waiting : "";
  find("examples").replaceChildren(...words.tries.map((words) => {
    const button = make("button", words);
    button.type = "button";
    button.addEventListener("click", () => { find("question").value = words; find("question").focus(); });
    return button;
  }));
}

function told() {
  find("chosen").textContent = text().chosen + (picture.name || text().picture) + (note ? text().shrunk : "");
  find("preview").alt = find("chosen").textContent;
}

// A phone's photo may pass the limit: drawn anew at 2048 pixels it does not.
async function shrink(file) {
  const drawn = await createImageBitmap(file);
  const scale = Math.min(1, 2048 / Math.max(drawn.width, drawn.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(drawn.width * scale);
  canvas.height = Math.round(drawn.height * scale);
  canvas.getContext("2d").drawImage(drawn, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  return new File([blob], file.name, { type: "image/jpeg" });
}

async function choose(file) {
  if (!file) return;
  problem("");
  if (!file.type.startsWith("image/")) return problem("not_picture");
  let ready = file;
  if (file.size > MAX_BYTES) {
    try { ready = await shrink(file); } catch { return problem("too_big"); }
    if (ready.size > MAX_BYTES) return problem("too_big");
  }
  note = ready === file ? "" : "shrunk";
  picture = ready;
  address = URL.createObjectURL(ready); // kept: earlier answers still show their pictures
  find("preview").src = address;
  find("preview").hidden = false;
  find("chosen").removeAttribute("data-t");
  told();
}

function show(question, answers, source) {
  const asked = make("article", "", "asked"), shown = make("img"), pair = make("div", "", "pair");
  shown.src = source;
  shown.alt = text().picture;
  for (const { model, answer } of answers) {
    const card = make("div", "", "answer"), name = make("h4", text()[model] || model);
    name.dataset.model = model;
    card.append(name, answer ? make("p", answer) : make("p", text().silent, "none"));
    pair.append(card);
  }
  asked.append(shown, make("h3", question), pair);
  find("empty").hidden = true;
  find("results").prepend(asked);
  while (find("results").children.length > KEPT) find("results").lastChild.remove();
}

async function ask(event) {
  event.preventDefault();
  if (busy) return;
  const question = find("question").value.trim(), sent = picture, source = address;
  problem("");
  if (!sent) { problem("no_picture"); return find("file").focus(); }
  if (!question) { problem("question"); return find("question").focus(); }
  busy = true;
  find("ask").setAttribute("aria-disabled", "true"); // not `disabled`: the keyboard's place would be lost
  find("status").textContent = text().waiting;
  try {
    const reply = await fetch("/ask?question=" + encodeURIComponent(question), { method: "POST", headers: { "Content-Type": sent.type }, body: sent });
    const data = await reply.json();
    if (reply.ok) show(data.question, data.answers, source);
    else problem(data.code, data.error);
    find("status").textContent = reply.ok ? text().done : "";
  } catch {
    problem("unreachable");
    find("status").textContent = "";
  }
  busy = false;
  find("ask").removeAttribute("aria-disabled");
}

for (const id of ["file", "camera"]) find(id).addEventListener("change", (event) => { choose(event.target.files[0]); event.target.value = ""; });
find("preview").addEventListener("error", () => { find("preview").hidden = true; });
find("form").addEventListener("submit", ask);
find("language").addEventListener("click", () => { root.lang = root.lang === "en" ? "pt-BR" : "en"; stored("language", root.lang); relabel(); });
find("theme").addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; stored("theme", root.dataset.theme); relabel(); });
for (const name of ["dragover", "drop", "dragleave"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault(); // else the browser leaves the page for the picture
    find("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") choose(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => choose(event.clipboardData.files[0]));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", relabel);
root.lang = TEXTS[stored("language")] ? stored("language") : root.lang;
root.dataset.theme = stored("theme") || "";
relabel();
