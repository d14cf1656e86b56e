// How things are drawn. Every text from data enters as a text node or an attribute, never as HTML.

const TEXTS = readJson("texts");
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const SHORT = 160;  // characters; a short answer stays in sight while its criteria scroll by
const chunks = new Map();
let language = "pt";

function $(id) {
  return document.getElementById(id);
}

function text(key, values = {}) {
  return TEXTS[key][language].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

function say(both) {
  return typeof both === "string" ? both : both[language];
}

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function data(tag, value, attributes = {}) {
  return make(tag, { class: "data", dir: "auto", lang: REVIEW.language, ...attributes }, value);
}

// One choice among few, or one box to tick: the whole row is the label.
function choice(kind, name, value, chosen, mark, label) {
  const input = make("input", { type: kind, name, value, checked: chosen });
  return make("label", { class: "choice" }, input, mark === "" ? "" : make("b", {}, mark), make("span", {}, label));
}

function criterionGroup(answer, criterion, score) {
  const name = `${answer.id} ${criterion.key}`;
  const levels = criterion.levels.map(([value, label]) => choice("radio", name, value, score === value, String(value), say(label)));
  const legend = make("legend", {}, make("b", {}, say(criterion.names)), " ", make("span", {}, say(criterion.question)));
  return make("fieldset", { class: "stop", "data-answer": answer.id, "data-criterion": criterion.key }, legend, ...levels);
}

function errorBox(answer, errors) {
  const rows = REVIEW.errors.map(one => {
    const label = `${say(one.names)}: ${say(one.meaning)}`;
    return choice("checkbox", `${answer.id} errors`, one.key, errors.includes(one.key), "", label);
  });
  return make("details", { class: "errors", "data-answer": answer.id }, make("summary", {}, text("errors", { n: errors.length })), ...rows);
}

function remarkBox(answer, remark) {
  const area = make("textarea", { id: `${answer.id}-remark`, rows: 2, maxlength: MAX_REMARK, dir: "auto", "data-answer": answer.id });
  area.value = remark;
  return make("div", { class: "remark" }, make("label", { for: area.id }, text("remark")), area);
}

function answerCard(answer, place, rating) {
  const given = rating?.answers[answer.id] ?? { scores: {}, errors: [], remark: "" };
  const heading = make("h2", { id: `${answer.id}-heading` }, text("answer", { letter: LETTERS[place] }));
  const short = answer.text.length < SHORT ? "said short" : "said";
  const groups = REVIEW.criteria.map(criterion => criterionGroup(answer, criterion, given.scores[criterion.key]));
  const said = answer.text.trim() === "" ? make("p", { class: "data" }, text("empty")) : data("p", answer.text);
  const parts = [make("div", { class: short }, heading, said), ...groups, errorBox(answer, given.errors), remarkBox(answer, given.remark)];
  return make("section", { class: "answer", "aria-labelledby": heading.id, "data-answer": answer.id }, ...parts);
}

function bestGroup(item, best) {
  if (item.answers.length < 2) return [];
  const answers = item.answers.map((answer, place) => [answer.id, LETTERS[place], text("answer", { letter: LETTERS[place] })]);
  const options = [...answers, ["tie", "=", text("tie")], ["none", "×", text("none")]];
  const rows = options.map(([value, mark, label]) => choice("radio", `${item.id} best`, value, best === value, mark, label));
  return [make("fieldset", { class: "stop", "data-best": true }, make("legend", {}, make("b", {}, text("best"))), ...rows)];
}

// Pictures lie in chunks of JSON and only the chunks in use are decoded: a review of 10,000 pictures opens like a small one.
async function pictureData([chunk, place]) {
  if (!$(`pictures-${chunk}`) && document.readyState === "loading") {
    await new Promise(resolve => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
  }
  if (!chunks.has(chunk)) {
    if (chunks.size > 1) chunks.delete(chunks.keys().next().value);
    chunks.set(chunk, readJson(`pictures-${chunk}`));
  }
  return chunks.get(chunk)[place];
}

async function showPicture(item, n) {
  const image = make("img", { alt: text("picture", { n, all: ITEMS.length }), width: item.size[0], height: item.size[1] });
  const button = make("button", { type: "button", id: "zoom", "aria-pressed": "false", "aria-keyshortcuts": "z", title: text("larger") }, image);
  button.addEventListener("click", () => {
    const large = $("item").classList.toggle("large");
    button.setAttribute("aria-pressed", String(large));
  });
  $("item").classList.remove("large");
  $("picture").replaceChildren(button);
  image.onerror = () => $("picture").replaceChildren(make("p", { class: "warning" }, text("no_picture")));
  image.src = await pictureData(item.picture);
}

function exampleCard(example) {
  const lang = value => (typeof value === "string" ? "pt-BR" : null);  // what a rater meets is Portuguese in both languages of the page
  const row = (key, value, values) => make("p", {}, make("b", {}, text(key, values)), make("span", { lang: lang(value) }, say(value)));
  const rows = [row("example_seen", example.seen), row("example_question", example.question), row("example_answer", example.answer)];
  return make("li", {}, ...rows, row("example_value", example.why, { value: example.value }));
}

function drawRubric() {
  const parts = REVIEW.criteria.flatMap(criterion => {
    const levels = criterion.levels.map(([value, label]) => make("li", {}, make("b", {}, `${value} `), say(label)));
    const title = make("h3", {}, say(criterion.names));
    const examples = make("ul", { class: "examples" }, ...criterion.examples.map(exampleCard));
    return [title, make("p", {}, say(criterion.question)), make("ul", { class: "plain" }, ...levels), examples];
  });
  const errors = REVIEW.errors.map(one => make("li", {}, make("b", {}, say(one.names)), ": ", say(one.meaning)));
  $("rubric-body").replaceChildren(...parts, make("h3", {}, text("error_types")), make("ul", {}, ...errors));
}

function drawTexts() {
  document.documentElement.lang = language === "pt" ? "pt-BR" : "en";
  document.title = REVIEW.title;
  $("title").textContent = `${REVIEW.title} · ${REVIEW.language} · ${REVIEW.scale}`;
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = text(one.dataset.text);
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", text(one.dataset.label));
  for (const one of document.querySelectorAll("[data-language]")) one.setAttribute("aria-pressed", String(one.dataset.language === language));
  $("keys").replaceChildren(...KEYS.map(([keys, key]) => make("tr", {}, make("th", { scope: "row" }, keys), make("td", {}, text(key)))));
  drawRubric();
}
