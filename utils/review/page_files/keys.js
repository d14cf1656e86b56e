// Keys and events, and the start of the page.

const KEYS = [
  ["0 1 2", "key_digits"], ["j ↓ / k ↑", "key_move"], ["← →", "key_sides"], ["Delete", "key_clear"], ["b", "key_best"], ["t / x", "key_tie"],
  ["n / p / f", "key_items"], ["e / r", "key_errors"], ["u, Ctrl+Z", "key_undo"], ["z", "key_zoom"], ["?", "key_help"],
];
let lastStop = null;  // {answer, criterion} of the criterion that last had the focus

function allStops() {
  return [...document.querySelectorAll("#item .stop")];
}

function currentStop() {
  const stop = document.activeElement?.closest?.(".stop");
  return stop ? { answer: stop.dataset.answer, criterion: stop.dataset.criterion } : null;
}

function findStop(wanted) {
  return allStops().find(one => one.dataset.answer === wanted?.answer && one.dataset.criterion === wanted?.criterion);
}

function focusStop(stop) {
  const input = stop?.querySelector("input:checked") ?? stop?.querySelector("input");
  input?.focus();
  return Boolean(input);
}

function move(step) {
  const stops = allStops(), at = stops.indexOf(document.activeElement.closest(".stop"));
  focusStop(stops[at < 0 ? (step > 0 ? 0 : stops.length - 1) : Math.min(stops.length - 1, Math.max(0, at + step))]);
}

function choose(input) {
  input.checked = true;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

function digit(key) {
  const stop = document.activeElement.closest(".stop");
  if (!stop) return tell(text("choose_criterion"));
  const best = stop.hasAttribute("data-best");
  const input = best ? stop.querySelectorAll("input")[Number(key) - 1] : stop.querySelector(`input[value="${key}"]`);
  if (!input || (best && ["tie", "none"].includes(input.value))) return;
  choose(input);
  const name = stop.querySelector("legend b").textContent, last = allStops().at(-1) === stop;
  if (last) input.focus();
  else move(1);
  tellChosen(name, input.closest("label").querySelector("b").textContent);
}

function tellChosen(what, value) {
  const item = ITEMS[place], done = choicesLeft(item, ratings.get(item.id)) === 0;
  tell(text("chosen", { what, value }) + (done ? `. ${doneText()}` : ""));
}

function clearStop() {
  const stop = document.activeElement.closest(".stop"), checked = stop?.querySelector("input:checked");
  if (!checked) return;
  checked.checked = false;
  if (stop.hasAttribute("data-best")) change(null, rating => { rating.best = null; });
  else changeAnswer(null, stop.dataset.answer, answer => { delete answer.scores[stop.dataset.criterion]; });
}

function chooseBest(value) {
  const group = document.querySelector("#best .stop");
  if (!group) return;
  const wanted = value ?? document.activeElement.closest(".answer")?.dataset.answer;
  if (!wanted) return void focusStop(group);
  const input = [...group.querySelectorAll("input")].find(one => one.value === wanted);
  choose(input);
  tellChosen(text("best"), input.closest("label").querySelector("span").textContent);
}

function focusIn(selector) {
  const here = document.activeElement.closest(".answer") ?? document.querySelector(".answer");
  const target = here?.querySelector(selector);
  if (target?.parentElement.matches("details")) target.parentElement.open = true;
  target?.focus();
}

const ON_ITEM = {
  j: () => move(1), k: () => move(-1), b: () => chooseBest(), t: () => chooseBest("tie"), x: () => chooseBest("none"),
  n: () => goTo(place + 1), p: () => goTo(place - 1), f: goToUnfinished, u: undo, z: () => $("zoom")?.click(),
  e: () => focusIn("details.errors > summary"), r: () => focusIn("textarea"), Delete: clearStop, Backspace: clearStop,
};

function onKey(event) {
  const target = event.target, typing = target.matches("textarea, input:not([type=radio], [type=checkbox], [type=file])");
  if (event.defaultPrevented || event.isComposing || $("help").open) return;
  const onItem = !$("item").hidden, control = event.ctrlKey || event.metaKey;
  let act = null;
  if (event.key === "Escape" && onItem) {
    act = () => focusStop(findStop(lastStop)) || $("item-heading").focus();
  } else if (typing) {
    return;
  } else if (control && !event.shiftKey && event.key.toLowerCase() === "z") {
    act = onItem ? undo : null;
  } else if (control || event.altKey) {
    return;
  } else if (onItem && target.matches(".stop input") && ["ArrowDown", "ArrowUp"].includes(event.key)) {
    act = () => move(event.key === "ArrowDown" ? 1 : -1);
  } else if ($("shortcuts").checked) {
    if (event.key === "?") act = openHelp;
    else if (onItem && /^[0-9]$/.test(event.key)) act = () => digit(event.key);
    else if (onItem) act = ON_ITEM[event.key.length === 1 ? event.key.toLowerCase() : event.key] ?? null;
    else if (event.key.toLowerCase() === "p" && !$("end").hidden) act = () => goTo(ITEMS.length - 1);
  }
  if (!act) return;
  event.preventDefault();
  act();
}

function openHelp() {
  $("help").showModal();
  $("help-heading").focus();  // else the focus, and the view of a phone, would jump to the first control at the end
}

function onChoice(event) {
  const input = event.target, stop = input.closest(".stop"), box = input.closest(".errors");
  if (stop?.hasAttribute("data-best")) change(null, rating => { rating.best = input.value; });
  else if (stop) changeAnswer(null, stop.dataset.answer, answer => { answer.scores[stop.dataset.criterion] = Number(input.value); });
  else if (box) {
    const ticked = [...box.querySelectorAll("input:checked")].map(one => one.value);
    changeAnswer(null, box.dataset.answer, answer => { answer.errors = ticked; });
  }
}

function onHide() {
  if (shownAt !== null) spent += (performance.now() - shownAt) / 1000;
  shownAt = null;
}

// Another tab may have rated meanwhile: on return, what the store has later than this tab counts.
async function onReturn() {
  shownAt = performance.now();
  if (rater === null || store.kind === "none") return;
  const kept = [...(await store.load(rater).catch(() => []))].map(([id, rating]) => [id, soundRating(ITEM.get(id), rating)]);
  const later = laterOnes(ratings, kept.filter(([, rating]) => rating));
  later.forEach(([id, rating]) => put(id, rating));
  if (later.length && !$("item").hidden) drawItem();
}

function listen() {
  const click = { "help-open": openHelp, "help-close": () => $("help").close(), previous: () => goTo(place - 1), next: () => goTo(place + 1) };
  Object.assign(click, { unfinished: goToUnfinished, undo, export: exportFile, "end-export": exportFile, change: showStart });
  click.back = () => goTo(ITEMS.length - 1);
  for (const [id, act] of Object.entries(click)) $(id).addEventListener("click", act);
  for (const one of document.querySelectorAll("[data-language]")) one.addEventListener("click", () => setLanguage(one.dataset.language));
  $("who").addEventListener("submit", event => {
    event.preventDefault();
    const name = cleanName($("rater").value);
    name ? begin(name) : complain(text("bad_name"));
  });
  $("jump").addEventListener("submit", event => {
    event.preventDefault();
    goTo(Math.min(ITEMS.length, Number($("number").value)) - 1);
  });
  $("import").addEventListener("change", async event => {
    const [file] = event.target.files;
    if (file) await importFile(file);
    event.target.value = "";  // the same file may be chosen again
  });
  $("item").addEventListener("change", onChoice);
  $("answers").addEventListener("input", event => {
    const { dataset, value } = event.target;
    if (event.target.matches("textarea")) changeAnswer(`remark ${dataset.answer}`, dataset.answer, answer => { answer.remark = cleanRemark(value); });
  });
  $("shortcuts").addEventListener("change", () => store.setting("shortcuts", $("shortcuts").checked).catch(() => {}));
  document.addEventListener("focusin", () => { lastStop = currentStop() ?? lastStop; });
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", () => (document.hidden ? onHide() : onReturn()));
  window.addEventListener("beforeunload", event => { if (unexported || pending.size) event.preventDefault(); });
}

async function main() {
  store = await openStore(REVIEW.review);
  const asked = (await store.setting("language")) ?? (REVIEW.language.startsWith("pt") ? "pt" : "en");
  language = asked in TEXTS.help ? asked : "pt";
  $("shortcuts").checked = (await store.setting("shortcuts")) ?? true;
  drawTexts();
  listen();
  await showStart();
  document.body.dataset.ready = "yes";
}

main();
