// Calls of the app. The key is kept in this variable and nowhere else: it is gone when the tab is closed or reloaded.

let key = "";

const SLOWEST = 20_000; // milliseconds that a call may take

// Every call that the page makes, and no other: tests/dashboard compares them with what the app documents.
const named = encodeURIComponent;
export const CALLS = {
  health: () => "health",
  plans: () => "plans",
  plan: (name) => `plans/${named(name)}`,
  replicas: () => "replicas?limit=1000",
  model: ({ source, id, kind }, probe) => `models/${named(source)}/${named(id)}?kind=${named(kind)}${probe ? "&probe=true" : ""}`,
  runs: (plan) => `runs?limit=50${plan ? `&plan=${named(plan)}` : ""}`,
  run: (id) => `runs/${named(id)}`,
  copies: (id) => `runs/${named(id)}/copies`,
};

export class Refused extends Error {} // the key
export class Away extends Error {} // nothing answers, or a 5xx
export class Wrong extends Error {
  constructor(problem, status) {
    super(problem.detail ?? problem.title ?? `the app answered ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

export function setKey(text) {
  key = text;
}

export function hasKey() {
  return key !== "";
}

// Returns the JSON of a call below /api. `path` is one of CALLS, or a nextLink of the app.
export async function get(path, { accept503 = false } = {}) {
  let answer;
  try {
    answer = await fetch(address(path), {
      headers: { "x-functions-key": key },
      cache: "no-store",
      credentials: "same-origin", // App Service authentication works by a cookie
      redirect: "error",
      signal: AbortSignal.timeout(SLOWEST),
    });
  } catch {
    throw new Away(navigator.onLine ? "no connection to it, or nothing within 20 s" : "this device has no network");
  }
  if (answer.status === 401 || answer.status === 403) throw new Refused("the app refuses this key");
  let body;
  try {
    body = await answer.json();
  } catch {
    throw new Away(`the app answered ${answer.status} without words`);
  }
  if (answer.status === 503 && accept503 && body.findings) return body;
  if (answer.status >= 500) throw new Away(body.detail ?? `the app answered ${answer.status}`);
  if (answer.status >= 400) throw new Wrong(body, answer.status);
  return body;
}

// Goes through all pages of a list; calls `seen` after each with what is there so far. Stops when `goesOn` says so.
export async function pages(path, name, seen = () => {}, goesOn = () => true) {
  const found = [];
  let next = path;
  while (next && goesOn()) {
    const page = await get(next);
    found.push(...page[name]);
    next = page.nextLink;
    seen(found, !next);
  }
  return found;
}

// A nextLink names the app as the proxy in front of it does, or not: only its path below /api and its query count.
function address(path) {
  if (!/^https?:/.test(path)) return path;
  const { pathname, search } = new URL(path);
  return pathname.slice(pathname.toLowerCase().indexOf("/api/") + 5) + search;
}
