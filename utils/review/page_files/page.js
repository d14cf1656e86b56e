// What the page does: who rates, which item is shown, each change saved at once, undo, export and import.

const MAX_FILE_MB = 32;  // as in utils/review/ratings.py
const SHOWN_MISSING = 20;
let store;
let rater = null;
let ratings = new Map();
let place = 0;
let unfinished = new Set();  // of ids
let undoable = [];  // {tag, changes: [[item, rating before or null], …]}
let shownAt = null;  // when the item came on the screen; null while the tab is hidden
let spent = 0;  // seconds on it before that
let writing = null;  // the promise of the writer at work
let failure = null;  // why the store did not take a rating
let unexported = false;  // without a store: something changed since the last export
const pending = new Map();  // item -> rating or null, not yet in the store

function tell(message) {
  $("status").textContent = message;
}

function complain(message) {
  $("problem").textContent = message;
}

function show(section) {
  for (const id of ["start", "item", "end"]) $(id).hidden = id !== section;
  for (const id of ["export", "change"]) $(id).hidden = section === "start";
  $("state").textContent = "";
  tell("");
  window.scrollTo(0, 0);
}

// Hand changes to the store at once; what it did not take waits and goes with the next change.
function keep(changes) {
  for (const [id, rating] of changes) pending.set(id, rating);
  document.body.dataset.saved = "no";
  unexported ||= store.kind === "none" && changes.length > 0;
  writing ??= flush().finally(() => {
    writing = null;
    document.body.dataset.saved = failure ? "failed" : "yes";
    drawKept();
    if (!$("item").hidden) drawState();
  });
  return writing;
}

async function flush() {
  while (pending.size) {
    const turn = [...pending];
    try {
      await store.save(rater, turn);
      failure = null;
    } catch (error) {
      failure = error?.name ?? "?";
      return;
    }
    for (const [id, rating] of turn) if (pending.get(id) === rating) pending.delete(id);
  }
}

function drawKept() {
  $("kept").textContent = store.kind === "none" ? "" : text(`kept_${store.kind}`);
  const warning = failure ? text("not_saved", { why: failure }) : store.kind === "none" ? text("kept_none") : "";
  if ($("unkept").textContent !== warning) $("unkept").textContent = warning;
}

function put(id, rating) {
  if (rating) ratings.set(id, rating);
  else ratings.delete(id);
  if (choicesLeft(ITEM.get(id), rating)) unfinished.add(id);
  else unfinished.delete(id);
}

function now() {
  return new Date().toISOString();
}

function secondsSpent() {
  const seconds = spent + (shownAt === null ? 0 : (performance.now() - shownAt) / 1000);
  spent = 0;
  shownAt = document.hidden ? null : performance.now();
  return seconds;
}

// Change the shown item's rating by `edit`; edits in a row with one tag (typing a remark) are undone together.
function change(tag, edit) {
  const item = ITEMS[place], before = ratings.get(item.id) ?? null;
  const rating = structuredClone(before) ?? { best: null, answers: {}, at: "", seconds: 0 };
  edit(rating);
  rating.at = now();
  rating.seconds = Math.round(1000 * (rating.seconds + secondsSpent())) / 1000;
  if (tag === null || undoable.at(-1)?.tag !== tag) undoable.push({ tag, changes: [[item.id, before]] });
  const wasLeft = choicesLeft(item, before);
  put(item.id, rating);
  keep([[item.id, rating]]);
  drawState();
  if (wasLeft && !choicesLeft(item, rating)) tell(doneText());
}

function changeAnswer(tag, id, edit) {
  change(tag, rating => edit((rating.answers[id] ??= { scores: {}, errors: [], remark: "" })));
}

function undo() {
  const last = undoable.pop();
  if (!last) return tell(text("nothing_to_undo"));
  // an undone rating is a new decision: its time is now, so that an older export does not bring the mistake back
  const changes = last.changes.map(([id, before]) => [id, before && { ...before, at: now() }]);
  changes.forEach(([id, rating]) => put(id, rating));
  keep(changes);
  const stop = currentStop(), at = changes.length === 1 ? ITEMS.indexOf(ITEM.get(changes[0][0])) : place;
  if (at === place) drawItem();
  else goTo(at);
  if (at === place && stop) focusStop(findStop(stop));
  tell(text("undone"));
}

function doneText() {
  return text("item_done", { done: ITEMS.length - unfinished.size, all: ITEMS.length });
}

function drawState() {
  const item = ITEMS[place], left = choicesLeft(item, ratings.get(item.id)), done = ITEMS.length - unfinished.size;
  const kept = failure || store.kind === "none" || !ratings.has(item.id) ? "" : text(writing ? "saving" : "saved");
  $("state").textContent = `${left === 0 ? text("complete") : left === 1 ? text("left_one") : text("left", { n: left })}. ${kept}`;
  $("bar").max = ITEMS.length;
  $("bar").value = done;
  $("bar-text").textContent = text("done_of", { done, all: ITEMS.length });
  for (const box of document.querySelectorAll("details.errors > summary")) {
    box.textContent = text("errors", { n: box.parentElement.querySelectorAll("input:checked").length });
  }
}

function drawItem() {
  const item = ITEMS[place], rating = ratings.get(item.id);
  $("item-heading").textContent = text("item", { n: place + 1, all: ITEMS.length });
  $("question").textContent = item.question;
  $("question").lang = REVIEW.language;
  $("answers").replaceChildren(...item.answers.map((answer, at) => answerCard(answer, at, rating)));
  $("best").replaceChildren(...bestGroup(item, rating?.best));
  $("number").max = ITEMS.length;
  $("number").value = place + 1;
  $("previous").disabled = place === 0;
  showPicture(item, place + 1);
  drawState();
}

function goTo(next, focus = true) {
  if (next >= ITEMS.length) return showEnd();
  place = Math.max(0, next);
  spent = 0;
  shownAt = document.hidden ? null : performance.now();
  show("item");
  drawItem();
  if (focus) $("item-heading").focus();
}

function nextUnfinished(from) {
  if (unfinished.size === 0) return -1;
  for (let step = 0; step < ITEMS.length; step += 1) {
    const at = (from + step) % ITEMS.length;
    if (unfinished.has(ITEMS[at].id)) return at;
  }
  return -1;
}

function goToUnfinished() {
  const at = nextUnfinished(place + 1);
  if (at < 0) {
    showEnd();
    tell(text("all_done"));
  } else goTo(at);
}

function drawEnd() {
  const left = nextUnfinished(0) < 0 ? [] : ITEMS.map((item, at) => at).filter(at => unfinished.has(ITEMS[at].id));
  const values = { done: ITEMS.length - left.length, all: ITEMS.length };
  $("end-count").textContent = text(left.length ? "end_missing" : "end_all", values);
  const rows = left.slice(0, SHOWN_MISSING).map(at => {
    const button = make("button", { type: "button", "aria-label": text("item", { n: at + 1, all: ITEMS.length }) }, String(at + 1));
    button.addEventListener("click", () => goTo(at));
    return make("li", {}, button);
  });
  if (left.length > SHOWN_MISSING) rows.push(make("li", {}, text("and_more", { n: left.length - SHOWN_MISSING })));
  $("missing").replaceChildren(...rows);
}

function showEnd() {
  show("end");
  drawEnd();
  $("end-heading").focus();
}

async function begin(name) {
  if (rater !== null) await keep([]);
  if (failure) return drawKept();  // nobody else begins while something is not kept
  let kept;
  try {
    kept = await store.load(name);
  } catch (error) {
    return complain(text("not_read", { why: error?.name ?? "?" }));
  }
  rater = name;
  ratings = new Map([...kept].map(([id, rating]) => [id, soundRating(ITEM.get(id), rating)]).filter(([, rating]) => rating));
  unfinished = new Set(ITEMS.filter(item => choicesLeft(item, ratings.get(item.id))).map(item => item.id));
  undoable = [];
  await store.setting("rater", name).catch(() => {});
  complain("");
  const first = nextUnfinished(0);
  goTo(first < 0 ? ITEMS.length : first);
}

async function drawStart() {
  drawKept();
  const names = await store.raters();
  const buttons = names.map(name => {
    const button = make("button", { type: "button", dir: "auto" }, name);
    button.addEventListener("click", () => begin(name));
    return button;
  });
  $("known").replaceChildren(...(names.length ? [make("p", {}, text("known")), ...buttons] : []));
}

async function showStart() {
  show("start");
  await drawStart();
  $("rater").value = (await store.setting("rater")) ?? "";
  ($("rater").value ? document.querySelector("#who button") : $("rater")).focus();
}

function exportFile() {
  if (ratings.size === 0) return tell(text("nothing_to_export"));
  const name = rater.normalize("NFD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "") || "rater";
  const file = `ratings-${REVIEW.review}-${name}.json`;
  const address = URL.createObjectURL(new Blob([JSON.stringify(ratingFile(rater, ratings), null, 1) + "\n"], { type: "application/json" }));
  make("a", { href: address, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
  unexported = false;
  tell(text("exported", { file, n: ratings.size }));
}

async function importFile(file) {
  const values = { file: file.name, n: Math.ceil(file.size / 1e6) };
  if (file.size >= MAX_FILE_MB * 1e6) return complain(text("import_large", values));
  let content;
  try {
    content = await file.text();
  } catch (error) {
    return complain(text("import_unread", values));
  }
  const given = readRatingFile(content);
  if (given.problem) return complain(text(given.problem, { ...values, where: given.where }));
  if (given.rater !== rater) await begin(given.rater);  // the other person's ratings stay under their own name
  if (given.rater !== rater) return;
  const later = laterOnes(ratings, given.ratings);
  if (later.length) undoable.push({ tag: null, changes: later.map(([id]) => [id, ratings.get(id) ?? null]) });
  later.forEach(([id, rating]) => put(id, rating));
  await keep(later);
  const first = nextUnfinished(0);
  goTo(first < 0 ? ITEMS.length : first);
  complain("");
  tell(text("imported", { n: later.length, rater: given.rater, kept: given.ratings.size - later.length }));
}

async function setLanguage(name) {
  language = name;
  drawTexts();
  if (!$("item").hidden) drawItem();
  if (!$("end").hidden) drawEnd();
  if (!$("start").hidden) await drawStart();
  drawKept();
  await store.setting("language", name).catch(() => {});
}
