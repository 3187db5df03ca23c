import { call, newKey } from "/studio/api.js";
import { field, h, number, say, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { askFor } from "/studio/views/dialogs.js";
import { row, table } from "/studio/views/tables.js";

/** What of other records are made of: the first of a schema is what is offered first. */
const DERIVED = ["ohlcv-1m", "ohlcv-1s", "ohlcv-1h", "ohlcv-1d", "trades", "tbbo", "mbp-1", "mbp-10", "bbo-1s", "bbo-1m"];
/** Schemas with every trade, of which bars are made; of MBO records all is. */
const WITH_TRADES = new Set(["mbo", "trades", "tbbo", "mbp-1", "mbp-10"]);

/** Ask what is to be derived from a file, and have it done. */
function derive(name, kind, go) {
  const text = TEXT.data;
  const schemas = DERIVED.filter((one) => one !== kind && (kind === "mbo" || one.startsWith("ohlcv") || one === "trades"));
  const schema = h("select", { name: "schema" }, schemas.map((one) => h("option", {}, one)));
  const [symbols, start, end, output] = ["symbols", "start", "end", "output"].map((one) => h("input", { name: one, autocomplete: "off" }));
  const key = newKey();
  askFor(text.deriving(name), [field(text.schema, schema), field(text.symbols, symbols), field(text.from, start), field(text.until, end), field(text.output, output, text.outputHint)], text.derive, async () => {
    const { job } = await call("DataService/DeriveFile", {
      data: name, schema: schema.value, symbols: symbols.value.split(/[\s,]+/).filter(Boolean), start: start.value, end: end.value, output: output.value, idempotency_key: key,
    });
    go(`/jobs/${job.id}`);
  });
}

/** Ask for a file to be looked into, and go where that is watched. */
export async function look(name, asked, go) {
  try {
    const { job } = await call(name, { ...asked, idempotency_key: newKey() });
    go(`/jobs/${job.id}`);
  } catch (error) {
    say(error.message, true);
  }
}

/** Files of the server's folder of data, and datasets that the store knows. */
export async function dataView(main, { user, go, signal }) {
  const text = TEXT.data;
  const { datasets, files } = await call("DataService/ListDatasets", {}, signal);
  const mayLook = user.may.has("backtest");
  const act = (label, name, file) => h("button", { class: "plain", type: "button", onclick: () => look(name, { data: file }, go) },
    label, h("span", { class: "unseen" }, ` ${file}`));
  const ofFiles = table(text.files, [text.file, text.schema, [text.size, "num"], ""]);
  ofFiles.body.append(...files.map((one) => row(h("span", { class: "wraps" }, one.name), one.kind || "–", [bytes(one.size_bytes), "num"], mayLook && h("span", { class: "row" },
    act(text.inspect, "DataService/InspectFile", one.name),
    one.kind === "mbo" && act(text.check, "DataService/CheckFile", one.name),
    (one.kind === "bars" || one.kind === "mbo" || one.kind === "trades") && act(text.plot, "DataService/PlotFile", one.name),
    WITH_TRADES.has(one.kind) && h("button", { class: "plain", type: "button", onclick: () => derive(one.name, one.kind, go) }, text.derive, h("span", { class: "unseen" }, ` ${one.name}`))))));
  const ofSets = table(text.datasets, [[text.number, "num"], text.name, text.symbol, text.interval, [text.bars, "num"], text.first, text.last, [text.trials, "num"]]);
  ofSets.body.append(...datasets.map((one) => row([one.id, "num"], h("a", { href: `/data/${one.id}` }, one.name), one.symbol || "–",
    duration(one.interval_ns), [number(one.bars), "num"], day(one.first_ns), day(one.last_ns), [number(one.trials), "num"])));
  show(main, h("h1", {}, text.title),
    h("h2", {}, text.files), h("p", { class: "soft" }, files.length ? text.filesTeach : text.noFiles), files.length && ofFiles.whole,
    h("h2", {}, text.datasets), h("p", { class: "soft" }, datasets.length ? text.datasetsTeach : text.noDatasets), datasets.length && ofSets.whole);
}

/** One dataset, as it was read. */
export async function datasetView(main, { arguments: [which], signal }) {
  const text = TEXT.data;
  const { dataset, description } = await call("DataService/GetDataset", { which }, signal);
  const facts = [[text.symbol, dataset.symbol || "–"], [text.interval, duration(dataset.interval_ns)], [text.bars, number(dataset.bars)],
    [text.first, day(dataset.first_ns)], [text.last, day(dataset.last_ns)], [text.trials, number(dataset.trials)], [text.digest, h("code", {}, dataset.digest)]];
  show(main, h("h1", {}, dataset.name),
    h("dl", { class: "facts card" }, facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("details", { class: "card" }, h("summary", {}, text.asRead), h("pre", {}, JSON.stringify(JSON.parse(description), null, 2))));
}

/** Return a number of bytes as people read it. */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = Number(count);
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
}

/** Return a moment of ns since the epoch, to the second. */
export function day(ns) {
  return Number(ns) ? new Date(Number(BigInt(ns) / 1000000n)).toISOString().replace("T", " ").slice(0, 19) : "–";
}

function duration(ns) {
  const seconds = Number(ns) / 1e9;
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]].find(([one]) => seconds >= one && seconds % one === 0) || [1, "s"];
  return seconds ? `${seconds / size}${unit}` : "–";
}
