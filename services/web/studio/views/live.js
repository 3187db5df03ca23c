import { call } from "/studio/api.js";
import { configForm, recordFiles } from "/studio/config_form.js";
import { field, h, moment, show } from "/studio/dom.js";
import { LIVE } from "/studio/strings_live.js";
import { TEXT } from "/studio/strings.js";
import { accountsCard } from "/studio/views/accounts.js";

const HOUR_S = 3600;

/** Accounts at a broker, sessions that there are, and a form to start one. */
export async function liveView(main, { go, user, signal }) {
  const text = LIVE;
  const from = new URLSearchParams(location.search).get("from");
  // What may have to be stopped is there first, whatever else takes its time.
  const accounts = accountsCard(user, signal);
  show(main, h("h1", {}, text.title), accounts, h("p", { class: "soft" }, text.waiting));
  const { jobs } = await call("JobService/List", { kind: "live", page_size: 50 }, signal);
  const sessions = h("section", { class: "card" }, h("h2", {}, text.sessions), jobs.length ? sessionsOf(jobs) : h("p", {}, text.empty));
  const teach = h("p", { class: "soft" }, text.teach);
  if (!user.may.has("live")) {
    show(main, h("h1", {}, text.title), accounts, teach, sessions);
    return;
  }
  const [described, { files }] = await Promise.all([
    call("LiveTradingService/Describe", {}, signal), call("DataService/ListDatasets", {}, signal),
  ]);
  const hours = h("input", { name: "hours", type: "number", min: 0.01, max: 23, step: "any" });
  const { place, begin } = configForm({
    schema: JSON.parse(described.schema), checks: "LiveTradingService/CheckConfig", names: recordFiles(files), go: text.go, signal,
    more: field(text.duration, hours, text.durationHint),
    submit: async (config, key) => {
      const told = { config, idempotency_key: `${key}-${hours.value}` };
      if (hours.value) told.duration_s = Number(hours.value) * HOUR_S;
      const { job } = await call("LiveTradingService/Start", told);
      go(`/live/${job.id}`);
    },
  });
  show(main, h("h1", {}, text.title), accounts, teach, sessions, h("h2", {}, text.start), place);
  const earlier = from && JSON.parse((await call("JobService/Get", { job_id: from }, signal)).asked).config;
  await begin(earlier || described.example);
}

function sessionsOf(jobs) {
  return h("div", { class: "scroll", tabindex: "0" }, h("table", {},
    h("thead", {}, h("tr", {}, Object.values(LIVE.columns).map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, jobs.map((job) => h("tr", {}, h("td", { class: "num" }, h("a", { href: `/live/${job.id}` }, job.id)),
      h("td", {}, TEXT.jobs.states[job.state] || job.state), h("td", { class: "wraps" }, job.error || (job.state === "JOB_STATE_RUNNING" ? job.message : "")),
      h("td", {}, job.owner), h("td", {}, moment(job.created_at)))))));
}
