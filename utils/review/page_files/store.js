"use strict";
// Where ratings are kept: IndexedDB, else localStorage, else nowhere, and then the page says so.
// A store has: kind, raters() -> names, load(rater) -> Map(item -> rating), save(rater, [[item, rating or null], …]), setting(name[, value]).

async function openStore(review) {
  for (const open of [openDatabase, openLocal]) {
    try {
      return await open(review);
    } catch (error) {
      continue;  // private windows and strict settings refuse the one or the other
    }
  }
  const settings = new Map(), held = new Map();  // in memory only, so that people can still take turns
  return {
    kind: "none",
    raters: async () => [...held.keys()],
    load: async rater => new Map(held.get(rater)),
    save: async (rater, changes) => {
      const own = held.get(rater) ?? new Map();
      for (const [item, rating] of changes) rating ? own.set(item, rating) : own.delete(item);
      held.set(rater, own);
    },
    setting: async (name, value) => (value === undefined ? settings.get(name) : void settings.set(name, value)),
  };
}

function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function openDatabase(review) {
  const request = indexedDB.open(`review ${review}`, 1);
  request.onupgradeneeded = () => ["ratings", "raters", "settings"].forEach(name => request.result.createObjectStore(name));
  const database = await answered(request);
  const write = (names, change) => new Promise((resolve, reject) => {
    // "strict": on the disk, not in a buffer of the system, before the page says that it is kept
    const turn = database.transaction(names, "readwrite", { durability: "strict" });
    turn.oncomplete = () => resolve();
    turn.onabort = turn.onerror = () => reject(turn.error);
    change(...names.map(name => turn.objectStore(name)));
  });
  const read = name => database.transaction(name).objectStore(name);
  await write(["settings"], settings => settings.put(1, "probe"));
  return {
    kind: "indexeddb",
    raters: () => answered(read("raters").getAllKeys()),
    load: async rater => {
      const own = IDBKeyRange.bound([rater], [rater, []]);  // an array sorts after every text
      const source = read("ratings");
      const [keys, values] = await Promise.all([answered(source.getAllKeys(own)), answered(source.getAll(own))]);
      return new Map(keys.map((key, place) => [key[1], values[place]]));
    },
    save: (rater, changes) => write(["ratings", "raters"], (ratings, raters) => {
      raters.put(1, rater);
      for (const [item, rating] of changes) rating ? ratings.put(rating, [rater, item]) : ratings.delete([rater, item]);
    }),
    setting: (name, value) => (value === undefined ? answered(read("settings").get(name)) : write(["settings"], s => s.put(value, name))),
  };
}

async function openLocal(review) {
  const key = (...parts) => JSON.stringify(["review", review, ...parts]);
  localStorage.setItem(key("probe"), "1");
  const kept = () => Object.keys(localStorage).flatMap(name => {
    try {
      const parts = JSON.parse(name);
      return Array.isArray(parts) && parts[0] === "review" && parts[1] === review && parts[2] === "rating" ? [parts.slice(3)] : [];
    } catch (error) {
      return [];  // another page's key
    }
  });
  return {
    kind: "localstorage",
    raters: async () => [...new Set(kept().map(([rater]) => rater))],
    load: async rater => {
      const own = kept().filter(([name]) => name === rater);
      return new Map(own.map(([, item]) => [item, JSON.parse(localStorage.getItem(key("rating", rater, item)))]));
    },
    save: async (rater, changes) => {
      for (const [item, rating] of changes) {
        const name = key("rating", rater, item);
        rating ? localStorage.setItem(name, JSON.stringify(rating)) : localStorage.removeItem(name);
      }
    },
    setting: async (name, value) => {
      if (value === undefined) return JSON.parse(localStorage.getItem(key("setting", name)) ?? "null");
      localStorage.setItem(key("setting", name), JSON.stringify(value));
    },
  };
}
