// A walk-forward: what the chosen of each window made afterwards.
import { tableOf, timeChart } from "/studio/charts.js";
import { h, number, percent } from "/studio/dom.js";
import { RUNS } from "/studio/strings_runs.js";

const dayOf = (ns) => new Date(Number(BigInt(ns) / 1000000n)).toISOString().slice(0, 10);

/** Return sums of what sessions made, as each ends, as the one line of a chart. */
export function walkedLine(walk, name) {
  let sum = 0;
  const values = walk.net_pnl.map((one) => { sum += Number(one); return sum; });
  return { name, ts_ns: [walk.windows[0].test_from_ns, ...walk.session_ns], values: [0, ...values] };
}

/** Return what a chart is drawn from that has all of its lines already. */
export function known(lines) {
  const times = lines.flatMap((one) => [one.ts_ns[0], one.ts_ns.at(-1)]).filter(Boolean).map(BigInt);
  const first = times.reduce((a, b) => (a < b ? a : b)).toString();
  const last = times.reduce((a, b) => (a > b ? a : b)).toString();
  const rows = lines.reduce((sum, one) => sum + one.ts_ns.length, 0);
  return async () => ({ first_ns: first, last_ns: last, whole_first_ns: first, whole_last_ns: last, rows, lines, fills: [], fills_total: 0 });
}

/** Return the sections of a walk-forward. */
export async function walkedSections(walk, signal) {
  const text = RUNS.walked;
  const rows = walk.windows.map((one, k) => [
    String(k + 1), [...new Set([dayOf(one.test_from_ns), dayOf(one.test_to_ns)])].join(" – "),
    Object.entries(JSON.parse(one.parameters)).map(([name, value]) => `${name}=${value}`).join(", "),
    number(one.in_sample, 2), number(one.out_of_sample, 2), number(one.rank),
  ]);
  const chart = await timeChart({ title: text.title, unit: text.unit, signal, load: known([walkedLine(walk, text.line)]) });
  const efficiency = walk.efficiency === undefined || walk.efficiency === null ? "" : text.efficiency(percent(walk.efficiency));
  return [chart, h("section", { class: "card" }, h("h2", {}, text.windows),
    h("p", { class: "soft" }, [efficiency, text.changes(number(walk.changes), number(walk.windows.length))].filter(Boolean).join(" ")),
    tableOf(text.heads, rows))];
}
