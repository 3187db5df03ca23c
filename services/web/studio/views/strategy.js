import { call } from "/studio/api.js";
import { h, moment, number, percent, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { tradedSection } from "/studio/views/traded.js";

/** One strategy: its rules in words, what it made, which guards it failed. */
export async function strategyView(main, { arguments: [which], user, signal }) {
  const text = TEXT.strategy;
  const found = await call("StrategyService/Get", { which }, signal);
  const { strategy } = found;
  const results = found.results.map((one) => JSON.parse(one));
  const verdicts = found.verdicts.map((one) => JSON.parse(one));
  const file = new Blob([found.source_code], { type: "application/json" });
  const link = URL.createObjectURL(file);
  signal.addEventListener("abort", () => URL.revokeObjectURL(link));
  show(main,
    h("h1", {}, strategy.name),
    h("p", { class: "soft mono" }, `${strategy.id} · ${strategy.hash.slice(0, 12)} · ${moment(strategy.created_at)}`),
    h("section", { class: "card" }, h("h2", {}, text.rules), h("pre", {}, found.text || found.source_code)),
    h("section", { class: "card" }, h("h2", {}, text.verdicts),
      verdicts.length ? verdictsOf(verdicts) : h("p", { class: "soft" }, text.noVerdicts)),
    h("section", { class: "card" }, h("h2", {}, text.results),
      results.length ? resultsOf(results) : h("p", { class: "soft" }, text.noResults)),
    strategy.format === "json" && tradedSection(strategy.id, results, signal),
    h("details", { class: "card" }, h("summary", {}, text.source), h("pre", {}, pretty(found.source_code))),
    h("p", { class: "row" },
      h("a", { class: "button", href: link, download: `${strategy.hash.slice(0, 12)}.json` }, text.save),
      user.may.has("backtest") && h("a", { class: "button", href: `/test?keys=${strategy.id}` }, text.test),
      user.may.has("backtest") && strategy.format === "json" && h("a", { class: "button", href: `/backtest?strategy=${strategy.id}` }, text.backtest)));
}

function pretty(source) {
  try {
    return JSON.stringify(JSON.parse(source), null, 2);
  } catch {
    return source;
  }
}

function verdictsOf(verdicts) {
  // The worst first: what a strategy failed is what matters of it.
  const sorted = [...verdicts].sort((a, b) => Number(a.passed) - Number(b.passed));
  return h("ul", { class: "verdicts" }, sorted.map((one) => h("li", {},
    h("span", { class: one.passed ? "badge good" : "badge bad" }, one.passed ? TEXT.strategy.passed : TEXT.strategy.failed),
    h("b", {}, one.test), h("span", {}, one.sentence))));
}

function resultsOf(results) {
  const text = TEXT.strategies.columns;
  const heads = [TEXT.strategy.kind, TEXT.strategy.dataset, text.sharpe, text.total_return, text.max_drawdown, text.trades];
  return h("div", { class: "scroll", tabindex: "0" }, h("table", {},
    h("thead", {}, h("tr", {}, heads.map((one, i) => h("th", { scope: "col", class: i > 1 ? "num" : "" }, one)))),
    h("tbody", {}, results.map((one) => h("tr", {},
      h("td", {}, one.kind), h("td", {}, one.dataset),
      h("td", { class: "num" }, number(one.sharpe_ratio)), h("td", { class: "num" }, percent(one.total_return)),
      h("td", { class: "num" }, percent(one.max_drawdown)), h("td", { class: "num" }, number(one.total_trades)))))));
}
