// What several forms ask for.
import { call, newKey } from "/studio/api.js";
import { field, h, say } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";

const INTERVALS = ["1s", "1m", "1h", "1d"];
/** What bars can be made of. */
const RECORDS = new Set(["trades", "mbo"]);

/**
 * Return a choice of files of bars, bars first; null where the server has none. `place` is its fields,
 * `bars()` what a job is told of them. `asked` is what the address says.
 */
export async function barsChoice(signal, asked = new URLSearchParams(location.search)) {
  const text = TEXT.generate;
  const { files } = await call("DataService/ListDatasets", {}, signal);
  const kinds = new Map(files.map((one) => [one.name, one.kind]));
  const wanted = asked.get("data");
  const groups = [
    [text.kinds.bars, (kind) => kind === "bars"], [text.kinds.records, (kind) => RECORDS.has(kind)],
    [text.kinds.other, (kind) => kind !== "bars" && !RECORDS.has(kind)],
  ].map(([label, is], k) => {
    const some = files.filter((one) => is(one.kind));
    return some.length && h("optgroup", { label, disabled: k === 2 }, some.map((one) => h("option", { value: one.name, selected: one.name === wanted }, one.name)));
  }).filter(Boolean);
  if (!files.some((one) => one.kind === "bars" || RECORDS.has(one.kind))) return null;
  const data = h("select", { name: "data", required: true }, groups);
  const symbol = h("input", { name: "symbol", value: asked.get("symbol") || "", autocomplete: "off" });
  const interval = h("select", { name: "interval" }, INTERVALS.map((one) => h("option", { selected: one === (asked.get("interval") || "1m") }, one)));
  const made = field(text.interval, interval);
  const hint = h("p", { class: "soft" }, text.ofRecords);
  const ofRecords = () => RECORDS.has(kinds.get(data.value));
  const fit = () => { made.hidden = hint.hidden = !ofRecords(); };
  data.addEventListener("change", fit);
  fit();
  const place = h("div", {}, h("div", { class: "row" }, field(TEXT.optimise.data, data), field(text.symbol, symbol), made), hint);
  const bars = () => ({ data: data.value, ...(symbol.value ? { symbol: symbol.value } : {}), ...(ofRecords() ? { interval: interval.value } : {}) });
  return { place, bars };
}

/** Return the lines of a text that are not empty. */
export function lines(area) {
  return area.value.split("\n").map((one) => one.trim()).filter(Boolean);
}

/** Have a form ask for a job and go where it is watched. */
export function asksForJob(form, name, request, go) {
  // One key as long as the form stands: who sends it twice asks once.
  let key = newKey();
  form.addEventListener("input", () => { key = newKey(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const { job } = await call(name, { ...request(), idempotency_key: key });
      go(`/jobs/${job.id}`);
    } catch (error) {
      say(error.message, true);
    } finally {
      button.disabled = false;
    }
  });
}

export function noData() {
  return h("p", { class: "card" }, TEXT.generate.noData);
}
