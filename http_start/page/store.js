// What the page knows: asked again and again while it is looked at, more slowly while the app does not answer.

import * as api from "./api.js";

const OFTEN = 5_000; // milliseconds between two looks while a run is under way
const SELDOM = 20_000; // otherwise
const LONGEST = 60_000; // at most, while the app is away
const WHOLE_TABLE = 300_000; // the replicas are asked for again after that, or after a run

export const store = {
  plans: [],
  health: null,
  replicas: null, // null until the first page is there
  isWhole: false, // whether all pages of replicas are there
  seenAt: null,
  away: null, // why the app does not answer, since when, and when it is asked again
  version: 0, // counts what has changed, for tables that are built from it
};

let listener = () => {};
let refused = () => {};
let timer = 0;
let failures = 0;
let lastRuns = "";
let tableAt = 0;
let isAsking = false;

export function start(onChange, onRefused) {
  listener = onChange;
  refused = onRefused;
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
  ask();
}

export function stop() {
  clearTimeout(timer);
}

// Asks for everything now.
export async function ask() {
  clearTimeout(timer);
  if (isAsking || !api.hasKey()) return;
  isAsking = true;
  try {
    await look();
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

async function look() {
  const health = await api.get("health", { accept503: true });
  store.health = health;
  if (health.code) {
    // neither configuration nor catalog: there is nothing else to ask for
    changed();
    return;
  }
  const plans = (await api.get("plans")).plans;
  // the list has only the numbers of models that fail or cannot be copied
  const none = { failing: { count: 0, models: [] }, notCovered: { count: 0, models: [] } };
  const whole = (plan) => (plan.failing + plan.notCovered ? api.get(`plans/${encodeURIComponent(plan.name)}`) : { ...plan, ...none });
  store.plans = await Promise.all(plans.map(whole));
  changed();
  const runs = JSON.stringify(store.plans.map((plan) => [plan.lastRun?.runId, plan.underWay?.progress]));
  if (store.isWhole && runs === lastRuns && Date.now() - tableAt < WHOLE_TABLE) return;
  const isFirst = store.replicas === null;
  const found = await api.pages("replicas?limit=1000", "replicas", (rows, isLast) => {
    // the first time, what is there is shown at once; later the table changes as a whole
    if (!isFirst || isLast) return;
    store.replicas = rows.slice();
    changed();
  });
  [store.replicas, store.isWhole, lastRuns, tableAt] = [found, true, runs, Date.now()];
}

function isBusy() {
  return store.plans.some((plan) => plan.underWay);
}

function changed() {
  store.version += 1;
  listener();
}
