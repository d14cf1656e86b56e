// What a rating is: whether it is complete, and how a rating file is written, checked and merged. Nothing here touches the page.

const MAX_REMARK = 10000;
const WHEN = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/;

function readJson(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

const REVIEW = readJson("review");  // {review, title, language, scale, rubric, criteria, errors, items}
const ITEMS = REVIEW.items;
const ITEM = new Map(ITEMS.map(item => [item.id, item]));
const VALUES = new Map(REVIEW.criteria.map(one => [one.key, one.levels.map(([value]) => value)]));
const ERROR_KEYS = new Set(REVIEW.errors.map(one => one.key));

// How many choices an item still needs: every criterion of every answer, and the best one where there are several.
function choicesLeft(item, rating) {
  let left = item.answers.length > 1 && !rating?.best ? 1 : 0;
  for (const answer of item.answers) {
    const scores = rating?.answers[answer.id]?.scores ?? {};
    for (const key of VALUES.keys()) left += Object.hasOwn(scores, key) ? 0 : 1;
  }
  return left;
}

function ratingFile(rater, ratings) {
  const own = ITEMS.filter(item => ratings.has(item.id)).map(item => [item.id, ratings.get(item.id)]);
  return { format: 1, review: REVIEW.review, rubric: REVIEW.rubric, rater, ratings: Object.fromEntries(own) };
}

function cleanName(text) {
  const name = text.normalize("NFC").replace(/\s+/g, " ").trim(), length = [...name].length;
  return length >= 1 && length <= 80 && !/\p{C}/u.test(name) ? name : null;
}

// The time of a rating in milliseconds, NaN where it is none; one without a zone counts as UTC.
function timeOf(at) {
  const parts = typeof at === "string" ? WHEN.exec(at) : null;
  return parts ? Date.parse(at.replace(" ", "T") + (parts[2] ? "" : "Z")) : NaN;
}

function cleanRemark(text) {
  return text.replace(/\0|\p{Cs}/gu, "");
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// A checked copy of one answer's rating, with known fields only; null where it is damaged.
function soundAnswer(given) {
  if (!isObject(given) || !isObject(given.scores ?? {}) || !Array.isArray(given.errors ?? [])) return null;
  const scores = Object.entries(given.scores ?? {}), errors = given.errors ?? [], remark = given.remark ?? "";
  if (!scores.every(([key, value]) => VALUES.get(key)?.includes(value))) return null;
  if (!errors.every(key => ERROR_KEYS.has(key)) || typeof remark !== "string" || [...remark].length > MAX_REMARK) return null;
  return { scores: Object.fromEntries(scores), errors: [...new Set(errors)], remark: cleanRemark(remark) };
}

function soundRating(item, given) {
  if (!item || !isObject(given) || !isObject(given.answers)) return null;
  const best = given.best ?? null, known = item.answers.map(answer => answer.id), seconds = given.seconds ?? 0;
  if (best !== null && ![...known, "tie", "none"].includes(best)) return null;
  if (Number.isNaN(timeOf(given.at)) || typeof seconds !== "number" || !(seconds >= 0) || !Number.isFinite(seconds)) return null;
  const answers = Object.entries(given.answers).map(([id, answer]) => [id, known.includes(id) ? soundAnswer(answer) : null]);
  return answers.every(([, answer]) => answer) ? { best, answers: Object.fromEntries(answers), at: given.at, seconds } : null;
}

// {rater, ratings: Map} of a rating file's text, or {problem: a key of the texts, where}.
function readRatingFile(text) {
  let given;
  try {
    given = JSON.parse(text);
  } catch (error) {
    return { problem: "import_json" };
  }
  if (!isObject(given) || given.format !== 1 || !isObject(given.ratings) || typeof given.rater !== "string") return { problem: "import_format" };
  if (given.review !== REVIEW.review || given.rubric !== REVIEW.rubric) return { problem: "import_review" };
  const rater = cleanName(given.rater), ratings = new Map();
  if (rater === null) return { problem: "import_damaged", where: "rater" };
  for (const [id, rating] of Object.entries(given.ratings)) {
    const sound = soundRating(ITEM.get(id), rating);
    if (!sound) return { problem: "import_damaged", where: id.slice(0, 40) };
    ratings.set(id, sound);
  }
  return { rater, ratings };
}

// Items whose given rating is later than the one here.
function laterOnes(here, given) {
  return [...given].filter(([id, rating]) => !here.has(id) || timeOf(rating.at) > timeOf(here.get(id).at));
}
