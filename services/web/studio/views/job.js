import { call, watch } from "/studio/api.js";
import { h, number, percent, say, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { optimised } from "/studio/optimised.js";
import { LOOKS } from "/studio/views/looks.js";

const ENDED = new Set(["JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELED"]);

/** One job: how far it is while it goes on, then what came of it. */
export async function jobView(main, { arguments: [id], user, go, signal }) {
  const text = TEXT.jobs;
  const title = h("h1", {}, `${id}`);
  const bar = h("progress", { max: 1, value: 0, "aria-label": text.columns.progress });
  const state = h("p");
  // Who listens hears of each tenth, not of each step.
  const heard = h("p", { role: "status", class: "unseen" });
  let tenth = "";
  const acts = h("p", { class: "row" });
  const rest = h("div");
  const asked = h("pre");
  show(main, title, h("section", { class: "card" }, bar, state, heard, acts), rest,
    h("details", { class: "card" }, h("summary", {}, text.asked), asked));

  const cancel = h("button", { class: "danger", onclick: async () => {
    try {
      const { job } = await call("JobService/Cancel", { job_id: id });
      told(job);
      if (job.kind === "live" && !job.is_cancel_asked && !ENDED.has(job.state)) say(text.stopping);
    } catch (error) {
      say(error.message, true);
    }
  } }, text.cancel);

  function told(job) {
    title.textContent = `${job.kind} ${job.id}`;
    bar.value = job.progress;
    const steps = job.steps_total ? ` · ${number(job.steps_done)} / ${number(job.steps_total)}` : "";
    const canceling = job.is_cancel_asked && !ENDED.has(job.state) ? `, ${text.canceling}` : "";
    state.textContent = [`${text.states[job.state]}${canceling} · ${percent(job.progress)}${steps}`, job.message, job.error].filter(Boolean).join(" · ");
    const now = `${text.states[job.state]}${canceling}, ${Math.floor(10 * job.progress) * 10} %`;
    if (now !== tenth) heard.textContent = [now, job.error].filter(Boolean).join(": ");
    tenth = now;
    state.className = job.state === "JOB_STATE_FAILED" ? "bad" : "";
    const mayCancel = !ENDED.has(job.state) && user.may.has("generate") && (job.owner === user.name || user.may.has("administer"));
    show(acts, mayCancel && cancel);
    say("");
  }

  const found = await call("JobService/Get", { job_id: id }, signal);
  asked.textContent = JSON.stringify(JSON.parse(found.asked), null, 2);
  told(found.job);
  // Watched apart from the view, which is there by now.
  watched().catch((error) => { if (!signal.aborted) say(error.message, true); });

  async function watched() {
    await watch(id, told, () => say(TEXT.away, true), signal);
    const last = await call("JobService/Get", { job_id: id }, signal);
    told(last.job);
    if (last.job.state === "JOB_STATE_DONE") show(rest, await outcome(last.job, last.result, { user, go, signal }));
  }
}

async function outcome(job, result, { user, go, signal }) {
  if (job.kind === "optimize") {
    const asked = JSON.parse((await call("JobService/Get", { job_id: job.id }, signal)).asked);
    return optimised(await call("OptimizerService/GetResult", { job_id: job.id }, signal), asked, { user, go, signal });
  }
  if (job.kind === "test") return tested(await call("BacktestService/GetResult", { job_id: job.id }, signal));
  if (job.kind === "run") return h("p", {}, h("a", { class: "button", href: `/runs/${job.id}` }, TEXT.jobs.toRun));
  if (job.kind === "live") return h("p", {}, h("a", { class: "button", href: `/live/${job.id}` }, TEXT.jobs.toSession));
  if (LOOKS[job.kind]) return LOOKS[job.kind](JSON.parse(result), { user, go });
  return h("section", { class: "card" }, h("h2", {}, TEXT.jobs.result),
    h("p", {}, h("a", { class: "button", href: "/strategies?sort=sharpe" }, TEXT.jobs.toStrategies)),
    h("details", {}, h("summary", {}, "JSON"), h("pre", {}, JSON.stringify(JSON.parse(result), null, 2))));
}

function tested(found) {
  const text = TEXT.strategies.columns;
  return h("section", { class: "card" }, h("h2", {}, TEXT.test.rows), table(
    [text.id, text.name, text.sharpe, text.total_return, text.max_drawdown, text.trades],
    found.rows.map((one) => [one.id, h("a", { href: `/strategies/${one.id}` }, one.name), number(one.sharpe),
      percent(one.total_return), percent(one.max_drawdown), number(one.trades)])));
}

function table(heads, rows) {
  return h("div", { class: "scroll", tabindex: "0" }, h("table", {},
    h("thead", {}, h("tr", {}, heads.map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((one) => h("td", {}, one instanceof Node ? one : String(one ?? "–"))))))));
}
