// What was found in a file of data: results of jobs that look into one.
import { field, h, number } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { bytes, day, look } from "/studio/views/data.js";
import { momentOf, picture } from "/studio/views/picture.js";
import { row, table } from "/studio/views/tables.js";

const MOMENTS = new Set(["first_ns", "last_ns", "start_ns", "end_ns", "first_ts_recv", "last_ts_recv", "first_ts_event", "last_ts_event", "peak_second"]);

/** Kind of job → what is shown of its result. */
export const LOOKS = { inspect: inspected, check: checked, plot: plotted, derive: derived };

function inspected(found) {
  const { report } = found;
  const plain = Object.entries(report).filter(([, value]) => value === null || typeof value !== "object");
  const nested = Object.entries(report).filter(([, value]) => value !== null && typeof value === "object" && Object.keys(value).length);
  return h("section", { class: "card" }, h("h2", {}, `${TEXT.data.inspected} ${found.file}`),
    h("dl", { class: "facts" }, plain.flatMap(([name, value]) => [h("dt", {}, words(name)), h("dd", {}, shown(name, value))])),
    nested.map(([name, value]) => h("details", {}, h("summary", {}, words(name)), h("pre", {}, JSON.stringify(value, null, 2)))));
}

function words(name) {
  return TEXT.data.words[name] || name.replace(/_ns$/, "").replaceAll("_", " ");
}

function shown(name, value) {
  if (value === null) return "–";
  if (MOMENTS.has(name)) return day(value);
  if (name === "size_bytes") return bytes(value);
  return typeof value === "number" ? number(value) : String(value);
}

function checked(found) {
  const text = TEXT.data;
  const { report } = found;
  const { whole, body } = table(text.findings, [text.level, text.finding, [text.count, "num"], [text.firstRecord, "num"]]);
  body.append(...report.findings.map((one) => row(
    h("span", { class: one.level === "error" ? "badge bad" : "badge" }, text.levels[one.level] || one.level),
    h("span", { class: "wraps" }, one.text), [number(one.count), "num"], [number(one.first_record), "num"])));
  return h("section", { class: "card" }, h("h2", {}, `${text.checked} ${found.file}`),
    h("p", {}, h("span", { class: report.sound ? "badge good" : "badge bad" }, report.sound ? text.sound : text.unsound),
      ` ${text.records(number(report.records), number(report.events))}`),
    h("p", { class: "soft" }, report.start_meaning), report.findings.length ? whole : h("p", {}, text.noFindings));
}

function derived(found, { go, user }) {
  const text = TEXT.data;
  const { report } = found;
  const told = [report.missing_last > 0 && text.missingLast(number(report.missing_last)), report.unfinished_events > 0 && text.unfinished(number(report.unfinished_events))];
  const plot = found.schema.startsWith("ohlcv") && user.may.has("backtest") && h("button", { type: "button", class: "plain", onclick: () => look("DataService/PlotFile", { data: found.file }, go) }, text.plot);
  return h("section", { class: "card" }, h("h2", {}, `${text.derived} ${found.file}`),
    h("p", {}, text.rows(number(report.rows), found.schema, number(report.records), found.of)),
    told.filter(Boolean).map((one) => h("p", { class: "soft" }, one)),
    h("p", { class: "row" }, found.schema.startsWith("ohlcv") && user.may.has("generate") && h("a", { class: "button", href: `/generate?${new URLSearchParams({ data: found.file })}` }, text.search), plot,
      h("a", { class: "button", href: "/data" }, text.toFiles)));
}

function plotted(found, { go, user }) {
  const text = TEXT.data;
  const input = (name, value) => h("input", { name, value, autocomplete: "off", class: name === "symbol" ? null : "moment" });
  const symbol = input("symbol", found.symbol);
  const start = input("start", momentOf(found, 0));
  const end = input("end", momentOf(found, found.at_ms[found.at_ms.length - 1] + found.step_ms));
  const form = user.may.has("backtest") && h("form", { class: "row" }, field(text.symbol, symbol), field(text.from, start), field(text.until, end), h("button", {}, text.plotPart));
  if (form) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      look("DataService/PlotFile", { data: found.file, symbol: symbol.value, start: start.value, end: end.value }, go);
    });
  }
  const drawn = picture(found, (first, last) => { start.value = momentOf(found, first); end.value = momentOf(found, last); });
  const count = found.trades ? text.trades(number(found.trades.length), found.trades_left_out ? number(found.trades_left_out) : "") : "";
  return h("section", { class: "card" }, h("h2", {}, `${found.symbol || ""} ${found.file}`), drawn, h("p", { class: "soft" }, `${text.drag} ${count}`), form);
}
