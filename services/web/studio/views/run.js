import { call, watch } from "/studio/api.js";
import { barChart, fanChart, tableOf, timeChart, timeOf } from "/studio/charts.js";
import { field, h, number, percent, say, show } from "/studio/dom.js";
import { RUNS } from "/studio/strings_runs.js";
import { TEXT } from "/studio/strings.js";

const ENDED = new Set(["JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELED"]);
const PAGE = 50;

/** One run: how far it is while it goes on, then its charts, figures and fills. */
export async function runView(main, { arguments: [id], user, signal }) {
  const text = RUNS.run;
  const bar = h("progress", { max: 1, value: 0, "aria-label": TEXT.jobs.columns.progress });
  const state = h("p", { role: "status" });
  const acts = h("p", { class: "row" });
  const going = h("section", { class: "card" }, bar, state);
  const rest = h("div");
  const found = await call("JobService/Get", { job_id: id }, signal);
  const asked = JSON.parse(found.asked).config || "";
  show(main, h("h1", {}, text.title(id)), going, acts, rest,
    h("details", { class: "card" }, h("summary", {}, text.asked), h("pre", {}, asked)));

  const cancel = h("button", { class: "danger", onclick: async () => {
    try {
      told((await call("JobService/Cancel", { job_id: id })).job);
    } catch (error) {
      say(error.message, true);
    }
  } }, text.cancel);

  function told(job) {
    bar.value = job.progress;
    const canceling = job.is_cancel_asked && !ENDED.has(job.state) ? `, ${TEXT.jobs.canceling}` : "";
    const steps = job.steps_total && !ENDED.has(job.state) ? `${number(job.steps_done)} / ${number(job.steps_total)}` : "";
    state.textContent = [`${TEXT.jobs.states[job.state]}${canceling} · ${percent(job.progress)}`, steps, !ENDED.has(job.state) && job.message, job.error].filter(Boolean).join(" · ");
    state.className = job.state === "JOB_STATE_FAILED" ? "bad" : "";
    const mayCancel = !ENDED.has(job.state) && user.may.has("generate") && (job.owner === user.name || user.may.has("administer"));
    show(acts, mayCancel && cancel, user.may.has("backtest") && h("a", { class: "button", href: `/backtest?from=${id}` }, text.again),
      job.state === "JOB_STATE_DONE" && h("a", { class: "button", href: `/analysis?runs=${id}` }, text.compare));
    say("");
  }

  told(found.job);
  watched().catch((error) => { if (!signal.aborted) say(error.message, true); });

  async function watched() {
    if (!ENDED.has(found.job.state)) await watch(id, told, () => say(TEXT.away, true), signal);
    const { job } = await call("JobService/Get", { job_id: id }, signal);
    told(job);
    if (job.state === "JOB_STATE_DONE") await results(rest, id, user, signal);
  }
}

async function results(rest, id, user, signal) {
  const text = RUNS.run;
  const { result } = await call("RunService/GetResult", { job_id: id }, signal);
  const found = JSON.parse(result);
  const story = h("div", { "aria-live": "polite" });
  const explain = async (fill) => {
    show(story, h("section", { class: "card" }, h("h2", {}, text.story(fill.order)), h("p", { class: "soft" }, text.telling)));
    story.scrollIntoView({ block: "nearest" });
    try {
      const answer = await call("RunService/Explain", { job_id: id, order: fill.order, strategy: fill.strategy, symbol: fill.symbol }, signal);
      show(story, h("section", { class: "card" }, h("h2", {}, text.story(fill.order)), h("pre", {}, answer.story)));
    } catch (error) {
      if (!signal.aborted) show(story, h("section", { class: "card" }, h("h2", {}, text.story(fill.order)), h("p", { class: "bad" }, error.message)));
    }
  };
  const charts = await Promise.all(["equity", "drawdown"].map((chart) => timeChart({
    title: text.charts[chart], unit: text.units[chart], signal, area: chart === "drawdown", height: chart === "equity" ? 280 : 180,
    load: (first, last, until) => call("RunService/GetChart", { job_id: id, chart, first_ns: first, last_ns: last }, until),
  })));
  const price = h("div");
  const legs = found.legs.map((leg, k) => h("option", { value: k }, `${leg.strategy} · ${leg.symbol}`));
  const leg = h("select", { "aria-label": text.leg }, legs);
  let drawn = new AbortController();
  async function priced() {
    drawn.abort();
    drawn = new AbortController();
    signal.addEventListener("abort", () => drawn.abort(), { once: true });
    const of = found.legs[Number(leg.value)];
    const parts = await Promise.all(["price", "position"].map((chart) => timeChart({
      title: text.charts[chart], unit: text.units[chart], signal: drawn.signal, height: chart === "price" ? 300 : 160,
      onfill: chart === "price" ? (fill) => explain({ ...fill, strategy: of.strategy, symbol: of.symbol }) : null,
      load: (first, last, until) => call("RunService/GetChart", { job_id: id, chart, first_ns: first, last_ns: last, strategy: of.strategy, symbol: of.symbol }, until),
    })));
    show(price, parts);
  }
  leg.addEventListener("change", () => priced().catch((error) => say(error.message, true)));
  show(rest,
    h("section", { class: "tiles" }, found.tiles.map((one) => h("div", { class: "tile", title: one.formula }, h("span", { class: "soft" }, one.name), h("b", {}, one.value)))),
    found.warnings.length > 0 && h("details", { class: "card" }, h("summary", {}, `${text.warnings} · ${found.warnings.length}`), h("ul", {}, found.warnings.map((one) => h("li", {}, one)))),
    charts, found.legs.length > 1 && h("p", {}, field(text.leg, leg)), price, story,
    fillsOf(id, explain, signal),
    h("div", { class: "bars" }, found.bars.map(barChart)),
    h("details", { class: "card" }, h("summary", {}, text.metrics), tableOf(found.metrics.head, found.metrics.rows.map((row) => [row.name, ...row.cells]))),
    h("details", { class: "card" }, h("summary", {}, text.assumed), h("dl", {}, found.assumptions.map(([name, said]) => [h("dt", {}, name), h("dd", {}, said)]))),
    user.may.has("backtest") && found.legs.length > 0 && [spreadOf(id, signal), reconcileOf(id, signal)]);
  if (found.legs.length) await priced();
}

function fillsOf(id, explain, signal) {
  const text = RUNS.run;
  const body = h("tbody");
  const more = h("button", { class: "plain", type: "button" }, text.more);
  const place = h("details", { class: "card" }, h("summary", {}, text.fills));
  let token = null;
  async function next() {
    const page = await call("RunService/ListFills", { job_id: id, page_size: PAGE, page_token: token || "" }, signal);
    body.append(...page.fills.map((fill) => h("tr", {}, h("td", {}, timeOf(fill.ts_ns)), h("td", {}, fill.strategy), h("td", {}, fill.symbol),
      h("td", { class: "num" }, fill.lots), h("td", { class: "num" }, number(fill.price, 6)), h("td", {}, fill.liquidity), h("td", {}, fill.reason), h("td", {}, fill.order),
      h("td", {}, h("button", { type: "button", class: "plain small", "aria-label": `${text.explain} ${fill.order}`, onclick: () => explain(fill) }, text.explain)))));
    token = page.next_page_token;
    more.hidden = !token;
    return Number(page.total);
  }
  more.addEventListener("click", () => next().catch((error) => say(error.message, true)));
  place.addEventListener("toggle", async () => {
    if (!place.open || token !== null) return;
    try {
      const total = await next();
      place.append(total ? h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, Object.values(text.columns).map((one) => h("th", { scope: "col" }, one)), h("th", {}, h("span", { class: "unseen" }, text.explain)))), body)) : h("p", { class: "soft" }, text.noFills), more);
    } catch (error) {
      say(error.message, true);
    }
  });
  return place;
}

function spreadOf(id, signal) {
  const text = RUNS.run;
  const resamples = h("input", { type: "number", min: 1, max: 10000, step: 1, value: 2000, required: true });
  const seed = h("input", { type: "number", min: 0, step: 1, placeholder: "0" });
  const out = h("div", { "aria-live": "polite" });
  const go = h("button", {}, text.spreadGo);
  const form = h("form", { class: "row" }, field(text.resamples, resamples), field(text.seed, seed), go);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      const told = { job_id: id, resamples: Number(resamples.value), ...(seed.value === "" ? {} : { seed: seed.value }) };
      const { methods } = JSON.parse((await call("RunService/Spread", told, signal)).spread);
      show(out, methods.map((one) => h("section", {}, h("h2", {}, one.title),
        one.why_not ? h("p", { class: "soft" }, one.why_not) : [one.fan && fanChart(one), tableOf(text.spreadHeads, one.rows)])));
    } catch (error) {
      if (!signal.aborted) show(out, h("p", { class: "bad" }, error.message));
    } finally {
      go.disabled = false;
    }
  });
  return h("details", { class: "card" }, h("summary", {}, text.spread), h("p", { class: "soft" }, text.spreadTeach), form, out);
}

function reconcileOf(id, signal) {
  const text = RUNS.run;
  const file = h("input", { type: "file", accept: ".csv,.parquet", required: true });
  const within = h("input", { value: "1s" });
  const out = h("div", { "aria-live": "polite" });
  const form = h("form", { class: "row" }, field(text.file, file), field(text.within, within), h("button", {}, text.upload));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const bytes = new Uint8Array(await file.files[0].arrayBuffer());
      let binary = "";
      for (let k = 0; k < bytes.length; k += 8192) binary += String.fromCharCode(...bytes.subarray(k, k + 8192));
      const answer = await call("RunService/Reconcile", { job_id: id, file_name: file.files[0].name, data: btoa(binary), within: within.value }, signal);
      const found = JSON.parse(answer.reconciliation);
      show(out, h("p", {}, h("b", {}, text.agreement(found))), h("pre", {}, JSON.stringify(found, null, 2)));
    } catch (error) {
      if (!signal.aborted) show(out, h("p", { class: "bad" }, error.message));
    }
  });
  return h("details", { class: "card" }, h("summary", {}, text.reconcile), form, out);
}
