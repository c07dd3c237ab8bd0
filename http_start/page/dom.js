// Builds elements. Text is always text: nothing of an answer becomes markup.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

// Shows `children` in `element`. Only what differs is changed: focus, selected text and scroll positions stay.
export function show(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const { hash } = focused ?? {};
  const next = document.createElement("div");
  append(next, children);
  merge(element, next);
  if (!focused || (focused.isConnected && focused.hash === hash)) return;
  // the list has moved below the link that has the focus
  const again = hash && [...element.querySelectorAll("a")].find((link) => link.hash === hash);
  if (again) again.focus({ preventScroll: true });
  else focused.blur();
}

const HANDLERS = ["onclick", "onkeydown", "onscroll", "onchange", "oninput", "onsubmit"];

function merge(old, next) {
  const children = [...next.childNodes];
  children.forEach((child, at) => {
    const there = old.childNodes[at];
    if (!there) old.append(child);
    else if (there.nodeName !== child.nodeName || there.id !== child.id) there.replaceWith(child);
    else if (child.nodeType === Node.TEXT_NODE) {
      if (there.data !== child.data) there.data = child.data;
    } else {
      for (const { name } of [...there.attributes]) if (!child.hasAttribute(name)) there.removeAttribute(name);
      for (const { name, value } of child.attributes) {
        if (there.getAttribute(name) === value) continue;
        // the policy of the page forbids the attribute, not the property
        if (name === "style") there.style.cssText = value;
        else there.setAttribute(name, value);
      }
      for (const name of HANDLERS) if (there[name] !== child[name]) there[name] = child[name];
      merge(there, child);
    }
  });
  while (old.childNodes.length > children.length) old.lastChild.remove();
}

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// 90 min, 36 h, 3 d: the largest unit of which there are two.
export function duration(seconds) {
  const [name, size] = UNITS.find(([, size]) => seconds >= 2 * size) ?? UNITS[3];
  return `${Math.max(0, Math.floor(seconds / size))} ${name}`;
}

export function ago(moment, now = Date.now()) {
  if (!moment) return "never";
  const seconds = (now - Date.parse(moment)) / 1000;
  if (Math.abs(seconds) < 2) return "just now";
  return seconds < 0 ? `in ${duration(-seconds)}` : `${duration(seconds)} ago`;
}

const utc = (moment, length) => `${moment.slice(0, length).replace("T", " ")} UTC`;

// How long ago; the time itself is its title.
export function since(moment) {
  return moment ? h("time", { datetime: moment, title: utc(moment, 19) }, ago(moment)) : "never";
}

export function time(moment) {
  return moment ? h("time", { datetime: moment, title: `${utc(moment, 19)}, ${ago(moment)}` }, utc(moment, 16)) : "–";
}

export function number(count) {
  return count.toLocaleString("en");
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

// A part of a view with its heading; `id` names both.
export function section(id, title, ...content) {
  return h("section", { "aria-labelledby": id }, [h("h2", { id }, title), content]);
}

export function pair(term, ...value) {
  return [h("dt", {}, term), h("dd", {}, value)];
}

// A table that scrolls sideways if it has to. The first cell of a row is its heading.
export function table(label, heads, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label }, [
    h("table", {}, [
      h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, rows.map(([first, ...cells]) => h("tr", {}, [h("th", { scope: "row" }, first), cells.map((cell) => h("td", {}, cell))]))),
    ]),
  ]);
}

// What a call that failed said; or that it has not been answered yet.
export function state(answer, problem) {
  if (problem) return h("p", { class: "error", role: "alert" }, problem);
  return answer ? null : h("p", { class: "note" }, "Loading …");
}

const told = new Map(); // what came of the last copy, by the id of its text: it outlives a refresh

// A text to copy, with its button.
export function copyable(id, label, text, ...more) {
  const said = h("span", { role: "status", class: "note", id: `${id}-said` }, told.get(id));
  const copy = async () => {
    let result = "copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(document.getElementById(id));
      result = "the browser does not allow it: the text is selected, press Ctrl+C";
    }
    tell(result);
    setTimeout(tell, 4000, "");
  };
  const tell = (result) => {
    told.set(id, result);
    const there = document.getElementById(said.id);
    if (there) there.textContent = result;
  };
  return [
    h("pre", { id, tabindex: "0", role: "group", "aria-label": label }, text),
    h("p", { class: "buttons" }, [h("button", { id: `${id}-copy`, type: "button", "aria-label": `Copy ${label}`, onclick: copy }, "Copy"), " ", more, " ", said]),
  ];
}

export const link = {
  run: (id) => `#run?id=${encodeURIComponent(id)}`,
  runs: (plan) => `#runs?plan=${encodeURIComponent(plan)}`,
  model: ({ source, kind, modelId }) => `#model?${new URLSearchParams({ source, kind, id: modelId })}`,
  models: (filters) => `#models?${new URLSearchParams(filters)}`,
};
