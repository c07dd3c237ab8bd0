// Makes the matrix from the plans and the replicas: a row for each model that has a copy, or that a plan names.

export const [HELD, LACKING, FAILING, NOT_COVERED, EXPIRING] = [1, 2, 4, 8, 16];
const SOON = 30 * 86_400_000; // milliseconds before its end from which on a copy counts as expiring

// A row has a cell for each target, the `bits` that say what is wrong there, and `all` of these together.
export function build({ plans, replicas }) {
  const planned = new Map();
  for (const plan of plans) planned.set(plan.source, new Set([...(planned.get(plan.source) ?? []), ...plan.targets]));
  const nothing = new Set();
  const rows = new Map();
  const row = (source, kind, modelId) => {
    const key = `${source}|${kind}|${modelId}`;
    let found = rows.get(key);
    if (!found) rows.set(key, (found = { source, kind, modelId, lower: modelId.toLowerCase(), cells: {}, bits: {}, all: 0, planned: planned.get(source) ?? nothing }));
    return found;
  };
  for (const replica of replicas ?? []) {
    const { cells } = row(replica.source, replica.kind, replica.modelId);
    const cell = (cells[replica.target] ??= {});
    if (!cell.replica || isBetter(replica, cell.replica)) cell.replica = replica;
  }
  for (const plan of plans) {
    for (const [field, name] of [["failing", "trouble"], ["notCovered", "notCovered"]]) {
      for (const one of plan[field].models) (row(plan.source, one.kind, one.modelId).cells[one.target] ??= {})[name] = one;
    }
  }
  const targets = new Set([...planned.values()].flatMap((names) => [...names]));
  const now = Date.now();
  for (const one of rows.values()) {
    for (const target of new Set([...one.planned, ...Object.keys(one.cells)])) {
      targets.add(target);
      one.bits[target] = judge(one.cells[target] ?? {}, one.planned.has(target), now);
      one.all |= one.bits[target];
    }
  }
  const sorted = [...rows.values()].sort((a, b) => (a.modelId < b.modelId ? -1 : a.modelId > b.modelId ? 1 : a.source < b.source ? -1 : 1));
  return { rows: sorted, targets: [...targets].sort(), sources: [...new Set(sorted.map((one) => one.source))].sort() };
}

function isBetter(a, b) {
  return a.state === b.state ? a.verifiedAt > b.verifiedAt : a.state === "ready";
}

function judge(cell, isPlanned, now) {
  const { replica, trouble, notCovered } = cell;
  const left = replica?.expiresAt ? Date.parse(replica.expiresAt) - now : Infinity;
  cell.isExpired = left <= 0;
  const isUsable = replica?.state === "ready" && !cell.isExpired;
  let bits = replica ? HELD : 0;
  if (isPlanned && !notCovered && (trouble || !isUsable)) bits |= LACKING;
  if (trouble) bits |= FAILING;
  if (notCovered) bits |= NOT_COVERED;
  if (left < SOON) bits |= EXPIRING;
  return bits;
}
