// Optimisations and searches side by side: what was asked for, what came of it, how the best grew.
import { call } from "/studio/api.js";
import { tableOf, timeChart } from "/studio/charts.js";
import { growthChart } from "/studio/curves.js";
import { h, moment, number, percent } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { RUNS } from "/studio/strings_runs.js";
import { known, walkedLine } from "/studio/walked.js";

const KINDS = ["optimize", "generate", "evolve"];
/** Side by side at most: as many as there are colours of lines. */
const MOST = 8;
const BEST = 3;

/** Return jobs that search, the newest first. */
export async function searchJobs(signal) {
  const pages = await Promise.all(KINDS.map((kind) => call("JobService/List", { kind, page_size: 50 }, signal)));
  return pages.flatMap((one) => one.jobs).sort((a, b) => Number(b.id) - Number(a.id));
}

/** Return a table of searches, of which some may be put side by side. */
export function searchesOf(jobs, go, chosen) {
  const text = RUNS.searches;
  const compare = h("button", { type: "button", class: "plain", onclick: () => go(`/analysis?searches=${[...chosen].join(",")}`) }, RUNS.backtest.compare);
  const fit = () => { compare.disabled = chosen.size < 2 || chosen.size > MOST; };
  fit();
  const rows = jobs.map((job) => {
    const name = text.names[job.kind](job.id);
    const box = h("input", { type: "checkbox", "aria-label": name, checked: chosen.has(job.id), disabled: job.state !== "JOB_STATE_DONE" });
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(job.id); else chosen.delete(job.id);
      fit();
    });
    return h("tr", {}, h("td", {}, box), h("td", {}, h("a", { href: `/jobs/${job.id}` }, name)), h("td", {}, TEXT.jobs.states[job.state] || job.state),
      h("td", {}, job.owner), h("td", {}, moment(job.created_at)));
  });
  const heads = [TEXT.jobs.columns.kind, TEXT.jobs.columns.state, TEXT.jobs.columns.owner, TEXT.jobs.columns.created_at];
  return h("div", {}, h("div", { class: "scroll", tabindex: "0" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", {}, h("span", { class: "unseen" }, RUNS.backtest.compare)), heads.map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, rows))), compare);
}

/** Return the sections that compare searches. */
export async function comparedSearches(ids, signal) {
  const text = RUNS.searches;
  const all = await Promise.all(ids.slice(0, MOST).map((id) => searchOf(id, signal)));
  const names = all.map((one) => one.name);
  const differing = differences(all.map((one) => one.asked));
  const rows = Object.entries(text.rows).map(([key, label]) => [label, ...all.map((one) => one.figures[key] ?? "–")]).filter((row) => row.slice(1).some((one) => one !== "–"));
  const objectives = [...new Set(all.map((one) => one.objective))];
  const walks = all.filter((one) => one.walk);
  const walked = walks.length > 0 && await timeChart({ title: text.walked, unit: RUNS.walked.unit, signal, load: known(walks.map((one) => walkedLine(one.walk, one.name))) });
  return [
    h("p", {}, all.map((one, k) => [k > 0 && ", ", h("a", { href: `/jobs/${one.id}` }, one.name)]).flat()),
    h("section", { class: "card" }, h("h2", {}, text.differences), differing.length ? tableOf([text.what, ...names], differing) : h("p", { class: "soft" }, text.none)),
    // Values of different objectives have no scale in common.
    ...objectives.map((objective) => growthChart({
      title: text.grown, unit: objective, across: text.grownAcross,
      lines: all.filter((one) => one.objective === objective).map((one) => ({ name: one.name, total: one.total, points: one.grown })),
    })),
    walked,
    h("section", { class: "card" }, h("h2", {}, text.figures), tableOf([text.figures, ...names], rows)),
    h("section", { class: "card" }, h("h2", {}, text.best), h("p", { class: "soft" }, text.luck), tableOf(["", ...names],
      Array.from({ length: BEST }, (_, k) => [String(k + 1), ...all.map((one) => one.best[k] ?? "–")]))),
  ].filter(Boolean);
}

async function searchOf(id, signal) {
  const found = await call("JobService/Get", { job_id: id }, signal);
  const { job } = found;
  const asked = JSON.parse(found.asked);
  const name = (RUNS.searches.names[job.kind] || ((one) => `${job.kind} ${one}`))(id);
  const of = job.kind === "optimize" ? await optimisation(id, signal) : await generation(JSON.parse(found.result || "{}").id ?? job.generation_id, signal);
  return { id, name, asked: { kind: job.kind, ...flat(asked) }, ...of };
}

async function optimisation(id, signal) {
  const found = await call("OptimizerService/GetResult", { job_id: id }, signal);
  const grown = found.best_so_far.map((one) => [Number(one.variants), Number(one.objective_value)]);
  const walk = found.walk || null;
  const after = walk && walk.net_pnl.reduce((sum, one) => sum + Number(one), 0);
  return {
    objective: found.objective, total: Number(found.variants), grown, walk,
    figures: {
      tried: number(found.variants), objective: found.objective, best: number(found.best[0]?.objective_value, 4), seconds: number(found.elapsed_s, 1),
      ...(walk ? { efficiency: walk.efficiency === undefined ? "–" : percent(walk.efficiency), after: number(after, 2) } : {}),
    },
    best: found.best.slice(0, BEST).map((one) => h("span", {}, Object.entries(JSON.parse(one.parameters)).map(([key, value]) => `${key}=${value}`).join(", "), ` · ${number(one.objective_value, 3)}`)),
  };
}

async function generation(id, signal) {
  const found = JSON.parse((await call("StrategyService/GetGeneration", { generation_id: id }, signal)).generation);
  return {
    objective: found.fitness, total: found.best_so_far.at(-1)?.[0] ?? 0, grown: found.best_so_far, walk: null,
    figures: {
      status: found.status, tried: number(found.tried), objective: found.fitness, best: number(found.best[0]?.fitness, 4),
      judged: number(found.judged), passed: number(found.passed), openings: number(found.openings),
    },
    best: found.best.slice(0, BEST).map((one) => h("span", {}, h("a", { href: `/strategies/${one.id}` }, one.name),
      ` · ${number(one.fitness, 3)} · ${[one.verdict, one.failed.join(", ")].filter(Boolean).join(": ")}`)),
  };
}

/** Return nested values by their dotted names, as texts. */
function flat(value, before = "") {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return { [before]: Array.isArray(value) ? value.join(", ") : String(value) };
  return Object.assign({}, ...Object.entries(value).map(([name, one]) => flat(one, before ? `${before}.${name}` : name)));
}

function differences(all) {
  const names = [...new Set(all.flatMap((one) => Object.keys(one)))];
  return names.filter((name) => new Set(all.map((one) => one[name])).size > 1).map((name) => [name, ...all.map((one) => one[name] ?? "–")]);
}
