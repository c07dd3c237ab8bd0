// Builds elements. Text is always text: nothing of an answer becomes markup.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

// Shows `children` in `element`, and keeps the focus on the control or link that had it.
export function show(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  element.replaceChildren();
  append(element, children);
  if (!focused) return;
  const again = focused.id ? document.getElementById(focused.id) : [...element.querySelectorAll("a")].find((link) => link.hash === focused.hash);
  again?.focus({ preventScroll: true });
}

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

export function duration(seconds) {
  const [name, size] = UNITS.find(([, size]) => seconds >= size) ?? UNITS[3];
  return `${Math.max(0, Math.round(seconds / size))} ${name}`;
}

export function ago(moment, now = Date.now()) {
  if (!moment) return "never";
  const seconds = (now - Date.parse(moment)) / 1000;
  return seconds < 0 ? `in ${duration(-seconds)}` : `${duration(seconds)} ago`;
}

export function time(moment) {
  if (!moment) return "–";
  const text = moment.slice(0, 16).replace("T", " ");
  return h("time", { datetime: moment, title: `${moment.slice(0, 19).replace("T", " ")} UTC` }, `${text} UTC`);
}

export function badge(state, text = state) {
  return h("span", { class: `badge ${tone(state)}` }, text);
}

const TONES = {
  good: ["ok", "Succeeded", "ready", "covered", "reachable", "holds"],
  warn: ["degraded", "PartiallyFailed", "retiring", "StillCopying", "Cancelled", "paused", "warning"],
  bad: ["failing", "Failed", "missing", "deleting", "broken", "wrong"],
  busy: ["Pending", "Running", "CopyInProgress", "inTraining"],
};

export function tone(state) {
  return Object.keys(TONES).find((name) => TONES[name].includes(state)) ?? "plain";
}
