// What the page knows: asked again and again while it is looked at, more slowly while the app does not answer.

import * as api from "./api.js";

const OFTEN = 5_000; // milliseconds between two looks while a run is under way
const SELDOM = 20_000; // otherwise
const LONGEST = 60_000; // at most, while the app is away
const TABLE = 30_000; // at least, between two readings of all replicas
const OLD_TABLE = 300_000; // then they are read again even if no run has ended

const NOTHING = {
  plans: [],
  health: null,
  replicas: null, // null until the first page is there
  isWhole: false, // whether all pages of replicas are there
  seenAt: null,
  away: null, // why the app does not answer, since when, and when it is asked again
};

export const store = {
  ...NOTHING,
  version: 0, // counts what has changed, for tables that are built from it
};

let listener = () => {};
let refused = () => {};
let timer = 0;
let failures = 0;
let isTableWanted = false;
let runsOfTable = "";
let tableAt = 0;
let isAsking = false;

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));

// `health` is the answer that the key was tried with.
export function start(onChange, onRefused, health) {
  [listener, refused] = [onChange, onRefused];
  Object.assign(store, NOTHING, { health });
  failures = 0;
  ask(health);
}

// Forgets everything.
export function stop() {
  clearTimeout(timer);
  Object.assign(store, NOTHING);
}

// Views that show models need the table of replicas, which may have many pages. It is read for them alone.
export function wantTable(isWanted) {
  const isNew = isWanted && !isTableWanted;
  isTableWanted = isWanted;
  if (isNew && store.seenAt && !isAsking) ask();
}

// Asks for everything now.
export async function ask(health = null) {
  clearTimeout(timer);
  if (isAsking || !api.hasKey()) return;
  isAsking = true;
  try {
    await look(health?.status ? health : await api.get(api.CALLS.health(), { accept503: true }));
    failures = 0;
    store.away = null;
    store.seenAt = Date.now();
  } catch (error) {
    if (error instanceof api.Refused) {
      isAsking = false;
      refused();
      return;
    }
    failures += 1;
    store.away = { why: error.message, since: store.away?.since ?? Date.now() };
  }
  isAsking = false;
  const wait = failures ? Math.min(LONGEST, OFTEN * 2 ** (failures - 1)) : isBusy() ? OFTEN : SELDOM;
  if (store.away) store.away.next = Date.now() + wait;
  changed();
  if (!document.hidden) timer = setTimeout(ask, wait);
}

async function look(health) {
  store.health = health;
  if (health.code) return; // neither configuration nor catalog: there is nothing else to ask for
  const listed = (await api.get(api.CALLS.plans())).plans;
  // the list has only the numbers of models that fail or cannot be copied
  const names = (plan) => (plan.failing + plan.notCovered ? api.get(api.CALLS.plan(plan.name)) : named(plan));
  store.plans = await Promise.all(listed.map(isTableWanted ? names : named));
  changed();
  if (isTableWanted) await readTable();
}

function named(plan) {
  const numbers = (count) => ({ count, models: [] });
  return { ...plan, failing: numbers(plan.failing), notCovered: numbers(plan.notCovered) };
}

async function readTable() {
  const runs = JSON.stringify(store.plans.map((plan) => [plan.lastRun?.runId, plan.underWay?.progress]));
  const age = Date.now() - tableAt;
  if (store.isWhole && (age < TABLE || (runs === runsOfTable && age < OLD_TABLE))) return;
  const isFirst = store.replicas === null;
  let shownAt = 0;
  const found = await api.pages(
    api.CALLS.replicas(),
    "replicas",
    (rows, isLast) => {
      // the first time, what is there is shown at once, and now and then; later the table changes as a whole
      if (!isFirst || isLast || Date.now() - shownAt < OFTEN / 10) return;
      shownAt = Date.now();
      store.replicas = rows.slice();
      changed();
    },
    () => isTableWanted,
  );
  if (!isTableWanted) return; // another view was opened meanwhile
  [store.replicas, store.isWhole, runsOfTable, tableAt] = [found, true, runs, Date.now()];
}

function isBusy() {
  return store.plans.some((plan) => plan.underWay);
}

function changed() {
  store.version += 1;
  listener();
}
