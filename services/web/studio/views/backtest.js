import { call } from "/studio/api.js";
import { configForm, recordFiles } from "/studio/config_form.js";
import { h, moment, show } from "/studio/dom.js";
import { RUNS } from "/studio/strings_runs.js";
import { TEXT } from "/studio/strings.js";

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
  const { place, begin } = configForm({
    schema, checks: "RunService/CheckConfig", names: recordFiles(files), go: text.go, signal,
    submit: async (config, key) => {
      const { job } = await call("RunService/Start", { config, idempotency_key: key });
      go(`/runs/${job.id}`);
    },
  });
  const beginsWith = await beginning(described.example, asked, files, signal);
  const left = asked.getAll("left");
  show(main, h("h1", {}, text.title), left.length > 0 && h("p", { class: "card" }, text.leftOut(left.join(", "))), place, earlier);
  await begin(beginsWith);
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
