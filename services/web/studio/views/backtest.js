import { call, newKey } from "/studio/api.js";
import { h, moment, say, show } from "/studio/dom.js";
import { fieldsOf, listOf } from "/studio/forms_of_schema.js";
import { RUNS } from "/studio/strings_runs.js";
import { TEXT } from "/studio/strings.js";

/** How long what is typed rests until it is checked, ms. */
const REST_MS = 400;

/** Ask for a run: a form made from the configuration's schema, with its YAML beside it. */
export async function backtestView(main, { go, user, signal }) {
  const text = RUNS.backtest;
  const asked = new URLSearchParams(location.search);
  show(main, h("h1", {}, text.title), h("p", { class: "soft" }, text.waiting));
  const [described, { files }, { jobs }] = await Promise.all([
    call("RunService/Describe", {}, signal), call("DataService/ListDatasets", {}, signal),
    call("JobService/List", { kind: "run", page_size: 50 }, signal),
  ]);
  const earlier = h("section", { class: "card" }, h("h2", {}, text.earlier), jobs.length ? runsOf(jobs, go) : h("div", {}, h("p", {}, text.empty), h("p", { class: "soft" }, text.teach)));
  if (!user.may.has("backtest")) {
    show(main, h("h1", {}, text.title), earlier);
    return;
  }
  const schema = JSON.parse(described.schema);
  const names = files.map((one) => one.name).filter((one) => /\.(dbn|dbz|zst|parquet|csv|gz)$/.test(one));
  const yaml = h("textarea", { name: "yaml", rows: 24, spellcheck: "false", "aria-label": text.yaml });
  const form = h("div");
  const problems = h("div", { role: "status", "aria-live": "polite" });
  const run = h("button", { type: "submit" }, text.go);
  let key = newKey();
  let whole = {};
  let resting = 0;
  let asking = new AbortController();

  async function check(given, draws) {
    asking.abort();
    asking = new AbortController();
    const mine = asking;
    const found = await call("RunService/CheckConfig", given, mine.signal);
    if (mine.signal.aborted || signal.aborted) return;
    if (given.yaml === undefined) yaml.value = found.yaml;
    if (found.json) {
      const next = JSON.parse(found.json);
      if (draws) { whole = next && typeof next === "object" && !Array.isArray(next) ? next : {}; draw(); }
    }
    run.disabled = found.problems.length > 0;
    show(problems, found.problems.length
      ? [h("h2", {}, text.problems), h("ul", { class: "bad problems" }, found.problems.map((one) => h("li", {}, one)))]
      : h("p", { class: "soft" }, text.right));
  }
  const later = (given, draws) => {
    key = newKey();
    run.disabled = true;
    clearTimeout(resting);
    resting = setTimeout(() => check(given(), draws).catch((error) => { if (error.name !== "AbortError" && !signal.aborted) say(error.message, true); }), REST_MS);
  };
  yaml.addEventListener("input", () => later(() => ({ yaml: yaml.value }), true));

  function draw() {
    const context = { files: names, changed: () => later(() => ({ json: JSON.stringify(whole) }), false) };
    if (!whole.backtest || typeof whole.backtest !== "object") whole.backtest = {};
    const parts = Object.entries(schema.properties.backtest.properties).map(([name, of]) => {
      const made = fieldsOf(of, whole.backtest, name, `backtest.${name}`, context);
      const summary = made?.querySelector("summary");
      if (summary) summary.textContent = text.sections[name] || name;
      return made;
    }).filter(Boolean);
    show(form, parts.filter((one) => one.tagName !== "LABEL"), h("div", { class: "grid" }, parts.filter((one) => one.tagName === "LABEL")),
      h("h2", {}, text.strategy), listOf(schema.properties.strategy.items, whole, "strategy", "strategy", context));
  }

  const place = h("form", { class: "sides" },
    h("section", { class: "card" }, h("h2", {}, text.form), !names.length && h("p", { class: "soft" }, text.noData), form),
    h("section", { class: "card" }, h("h2", {}, text.yaml), yaml, problems, run));
  place.addEventListener("submit", async (event) => {
    event.preventDefault();
    run.disabled = true;
    try {
      const { job } = await call("RunService/Start", { config: yaml.value, idempotency_key: key });
      go(`/runs/${job.id}`);
    } catch (error) {
      say(error.message, true);
      run.disabled = false;
    }
  });
  signal.addEventListener("abort", () => { clearTimeout(resting); asking.abort(); });
  yaml.value = await beginning(described.example, asked, files, signal);
  const left = asked.getAll("left");
  show(main, h("h1", {}, text.title), left.length > 0 && h("p", { class: "card" }, text.leftOut(left.join(", "))), place, earlier);
  await check({ yaml: yaml.value }, true);
}

/** What a form begins with: an earlier run's configuration, a strategy of the store, or the example. */
async function beginning(example, asked, files, signal) {
  const from = asked.get("from");
  if (from) {
    const { asked: told } = await call("JobService/Get", { job_id: from }, signal);
    return JSON.parse(told).config || example;
  }
  const stored = asked.get("strategy");
  if (!stored) return example;
  const { json } = await call("RunService/CheckConfig", { yaml: example }, signal);
  const whole = JSON.parse(json);
  const data = asked.get("data");
  if (files.some((one) => one.name === data && one.kind === "mbo")) {
    whole.backtest.data_source = { type: "databento", files: [data], ...(asked.get("symbol") ? { symbols: [asked.get("symbol")] } : {}) };
    delete whole.backtest.instruments;
  }
  whole.strategy = [{ type: `store:${stored}`, name: `strategy-${stored.replace(/[^\w.-]/g, "-").slice(0, 40)}` }];
  return (await call("RunService/CheckConfig", { json: JSON.stringify(whole) }, signal)).yaml;
}

/** A table of runs, of which some may be put side by side. */
export function runsOf(jobs, go, chosen = new Set()) {
  const text = RUNS.backtest;
  const compare = h("button", { type: "button", class: "plain", disabled: chosen.size < 2, onclick: () => go(`/analysis?runs=${[...chosen].join(",")}`) }, text.compare);
  const rows = jobs.map((job) => {
    const box = h("input", { type: "checkbox", "aria-label": RUNS.run.title(job.id), checked: chosen.has(job.id), disabled: job.state !== "JOB_STATE_DONE" });
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(job.id); else chosen.delete(job.id);
      compare.disabled = chosen.size < 2;
    });
    return h("tr", {}, h("td", {}, box), h("td", { class: "num" }, h("a", { href: `/runs/${job.id}` }, job.id)), h("td", {}, TEXT.jobs.states[job.state] || job.state),
      h("td", {}, job.error || (job.state === "JOB_STATE_RUNNING" ? job.message : "")), h("td", {}, job.owner), h("td", {}, moment(job.created_at)));
  });
  return h("div", {}, h("div", { class: "scroll", tabindex: "0" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", {}, h("span", { class: "unseen" }, text.compare)), Object.values(text.columns).map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, rows))), compare);
}
