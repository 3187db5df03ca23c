// A strategy's result, traded again: its bars with where it went in and out, its equity.
import { call } from "/studio/api.js";
import { linesOf } from "/studio/candles.js";
import { tableOf, timeChart, timeOf } from "/studio/charts.js";
import { field, h, number, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { lines } from "/studio/views/forms.js";

const KINDS = new Set(["search", "test"]);
const ROWS = 100;

/** Return the section of a strategy whose results may be looked at; it fills itself. */
export function tradedSection(which, results, signal) {
  const text = TEXT.strategy;
  const shown = results.filter((one) => KINDS.has(one.kind)).reverse();
  const head = h("h2", {}, text.traded);
  if (!shown.length) return h("section", { class: "card" }, head, h("p", { class: "soft" }, text.nothingTraded));
  const choose = h("select", {}, shown.map((one) => h("option", { value: one.id }, `${one.kind} · ${one.dataset} · ${one.tested_at.slice(0, 16).replace("T", " ")}`)));
  const assumptions = h("textarea", { rows: 2, spellcheck: "false", placeholder: "stop_loss=3 atr" });
  const told = h("div", { role: "status" });
  const charts = h("div");
  let drawing = new AbortController();

  async function draw() {
    drawing.abort();
    drawing = new AbortController();
    const mine = drawing;
    signal.addEventListener("abort", () => mine.abort(), { once: true });
    show(told, h("p", { class: "soft" }, TEXT.waiting));
    const load = async (chart, first, last, until) => JSON.parse((await call("StrategyService/GetChart", {
      which, result_id: choose.value, chart, first_ns: first, last_ns: last, assumptions: lines(assumptions),
    }, until)).chart);
    const trades = h("div");
    try {
      const price = await timeChart({
        title: text.price, unit: text.priceUnit, signal: mine.signal, height: 320, candles: true,
        load: async (first, last, until) => {
          const found = await load("candles", first, last, until);
          if (!mine.signal.aborted) tell(found, trades);
          return { ...found, lines: linesOf(found.candles) };
        },
      });
      const equity = await timeChart({
        title: text.equity, unit: text.equityUnit, signal: mine.signal, height: 200, area: true,
        load: (first, last, until) => load("equity", first, last, until),
      });
      if (!mine.signal.aborted) show(charts, price, equity, trades);
    } catch (error) {
      if (!mine.signal.aborted && !signal.aborted) show(told, h("p", { class: "bad" }, error.message));
    }
  }

  function tell(found, trades) {
    const assumed = found.assumptions.length ? found.assumptions.join(", ") : text.usual;
    show(told, h("p", { class: found.agrees ? "soft" : "bad" }, `${found.agrees ? text.agrees : text.differs} ${text.assumed(assumed)}`));
    const some = found.trades.slice(0, ROWS);
    show(trades, h("details", {}, h("summary", {}, text.trades), h("p", { class: "soft" }, text.someTrades(number(some.length), number(found.trades_total))),
      tableOf(text.tradeHeads, some.map((one) => [timeOf(one.entry_ns).slice(0, 16), timeOf(one.exit_ns).slice(0, 16), one.direction,
        number(one.entry_price, 4), number(one.exit_price, 4), number(one.pnl, 2), one.reason]))));
  }

  const form = h("form", { class: "row" }, field(text.which, choose), field(text.assumptions, assumptions), h("button", { class: "plain" }, text.again));
  form.addEventListener("submit", (event) => { event.preventDefault(); draw(); });
  choose.addEventListener("change", () => { assumptions.value = ""; draw(); });
  draw();
  return h("section", { class: "card traded" }, head, form, told, charts);
}
