import { call } from "/studio/api.js";
import { tableOf, timeChart } from "/studio/charts.js";
import { h, show } from "/studio/dom.js";
import { RUNS } from "/studio/strings_runs.js";
import { runsOf } from "/studio/views/backtest.js";
import { comparedSearches, searchesOf, searchJobs } from "/studio/views/searches.js";

/** Runs side by side: what differs in their configurations, their figures and their P&L; or searches. */
export async function analysisView(main, { go, signal }) {
  const text = RUNS.analysis;
  const asked = new URLSearchParams(location.search);
  const [ids, searches] = ["runs", "searches"].map((name) => [...new Set((asked.get(name) || "").split(",").filter((one) => /^\d+$/.test(one)))]);
  const [{ jobs }, searched] = await Promise.all([call("JobService/List", { kind: "run", page_size: 100 }, signal), searchJobs(signal)]);
  const head = h("h1", {}, text.title);
  if (!jobs.length && !searched.length) {
    show(main, head, h("div", { class: "card" }, h("p", {}, text.empty), h("p", { class: "soft" }, text.teach), h("a", { class: "button", href: "/backtest" }, RUNS.backtest.title)));
    return;
  }
  const choose = [
    jobs.length > 0 && h("section", { class: "card" }, h("h2", {}, text.choose), runsOf(jobs, go, new Set(ids))),
    searched.length > 0 && h("section", { class: "card" }, h("h2", {}, RUNS.searches.choose), searchesOf(searched, go, new Set(searches))),
  ];
  if (searches.length > 1) {
    show(main, head, h("h2", {}, RUNS.searches.chosen), ...await comparedSearches(searches, signal), ...choose);
    return;
  }
  if (ids.length < 2) {
    show(main, head, h("p", { class: "soft" }, text.teach), ...choose);
    return;
  }
  const answer = await call("RunService/Compare", { job_ids: ids }, signal);
  const found = JSON.parse(answer.comparison);
  const names = ids.map((id) => RUNS.run.title(id));
  const equity = await timeChart({
    title: text.equity, unit: RUNS.run.units.equity, signal, height: 300,
    load: (first, last, until) => together(ids, names, first, last, until),
  });
  show(main, head,
    h("p", {}, ids.map((id, k) => [k > 0 && ", ", h("a", { href: `/runs/${id}` }, names[k])]).flat()),
    found.same_digest && h("p", { class: "card" }, text.sameDigest),
    !found.same_inputs && h("p", { class: "card" }, text.otherInputs),
    h("section", { class: "card" }, h("h2", {}, text.differences), found.differences.length > 1
      ? tableOf(["", ...names], found.differences.slice(1)) : h("p", { class: "soft" }, text.none)),
    equity, h("section", { class: "card" }, h("h2", {}, text.metrics), tableOf(["", ...names], found.metrics.slice(1))), ...choose);
}

/** The total P&L of each run, as one chart. */
async function together(ids, names, first, last, signal) {
  const points = Math.floor(10_000 / ids.length / 8);
  const parts = await Promise.all(ids.map((id) => call("RunService/GetChart", { job_id: id, chart: "equity", first_ns: first, last_ns: last, points_max: Math.max(100, points * 8) }, signal)));
  const lines = parts.map((part, k) => ({ ...part.lines[0], name: names[k] }));
  const least = (name) => parts.map((one) => BigInt(one[name])).reduce((a, b) => (a < b ? a : b)).toString();
  const most = (name) => parts.map((one) => BigInt(one[name])).reduce((a, b) => (a > b ? a : b)).toString();
  const drawn = lines.reduce((sum, line) => sum + line.ts_ns.length, 0);
  return {
    first_ns: least("first_ns"), last_ns: most("last_ns"), whole_first_ns: least("whole_first_ns"),
    whole_last_ns: most("whole_last_ns"), rows: drawn, lines, fills: [], fills_total: 0,
  };
}
