import { call, newKey } from "/studio/api.js";
import { field, h, number, percent, say, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { deleteLater } from "/studio/undo.js";

const PAGE = 100;
const SHOWN = {
  id: (s) => s.id, name: (s) => s.name, sharpe: (s) => number(s.sharpe),
  total_return: (s) => percent(s.total_return), max_drawdown: (s) => percent(s.max_drawdown),
  trades: (s) => number(s.trades), complexity_score: (s) => number(s.complexity_score, 1),
};
const SORTS = ["sharpe", "total_return", "max_drawdown", "trades", "complexity_score", "id", "name"];

/** List strategies page by page, however many there are. */
export async function strategiesView(main, { user, go, signal }) {
  const asked = new URLSearchParams(location.search);
  const text = TEXT.strategies;
  const selected = new Map();
  const where = h("input", { type: "search", value: asked.get("where") || "", placeholder: text.filterHint });
  const sort = h("select", {}, SORTS.map((name) => h("option", { value: name, selected: name === (asked.get("sort") || "id") }, text.columns[name])));
  const order = h("select", { "aria-label": text.sort },
    h("option", { value: "" }, text.descending),
    h("option", { value: "1", selected: asked.has("ascending") }, text.ascending));
  const form = h("form", { class: "row" }, field(text.filter, where), field(text.sort, sort), order, h("button", {}, text.apply));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    if (where.value) query.set("where", where.value);
    query.set("sort", sort.value);
    if (order.value) query.set("ascending", "1");
    go(`/strategies?${query}`);
  });
  const body = h("tbody");
  const more = h("button", { class: "plain" }, TEXT.more);
  const acts = h("p", { class: "row" });
  let token = "";

  function chosen() {
    const buttons = [];
    if (selected.size && user.may.has("backtest")) {
      buttons.push(h("button", { onclick: () => go(`/test?keys=${[...selected.keys()].join(",")}`) }, text.test));
    }
    if (selected.size && user.may.has("delete")) buttons.push(h("button", { class: "danger", onclick: remove }, text.remove));
    show(acts, selected.size && h("span", {}, text.selected(selected.size)), ...buttons);
  }

  function remove() {
    const rows = new Map(selected);
    selected.clear();
    chosen();
    const restore = () => rows.forEach((row) => { row.hidden = false; row.querySelector("input").checked = false; });
    deleteLater(text.deleting(rows.size), () => rows.forEach((row) => { row.hidden = true; }), restore, async () => {
      const done = await call("StrategyService/Delete", { ids: [...rows.keys()], idempotency_key: newKey() });
      return text.deleted(Number(done.deleted));
    });
  }

  function rowOf(strategy) {
    const box = h("input", { type: "checkbox", "aria-label": `${strategy.id}` });
    const cells = Object.entries(SHOWN).map(([name, shown]) =>
      h("td", { class: name === "name" ? "" : "num" },
        name === "name" ? h("a", { href: `/strategies/${strategy.id}` }, shown(strategy)) : shown(strategy)));
    const row = h("tr", {}, h("td", {}, box), cells);
    box.addEventListener("change", () => {
      if (box.checked) selected.set(strategy.id, row); else selected.delete(strategy.id);
      chosen();
    });
    return row;
  }

  async function next() {
    const page = await call("StrategyService/List", {
      sort: sort.value, ascending: Boolean(order.value), where: where.value, page_size: PAGE, page_token: token,
    }, signal);
    body.append(...page.strategies.map(rowOf));
    token = page.next_page_token;
    more.hidden = !token;
    return page.strategies.length;
  }

  more.addEventListener("click", () => next().catch((error) => say(error.message, true)));
  const head = h("tr", {}, h("th", {}, h("span", { class: "unseen" }, text.test)),
    Object.keys(SHOWN).map((name) => h("th", { scope: "col", class: name === "name" ? "" : "num" }, text.columns[name])));
  const table = h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, head), body));
  const count = await next();
  const empty = count ? null : h("div", { class: "card" }, h("p", {}, text.empty),
    h("p", { class: "soft" }, text.teach), user.may.has("generate") && h("a", { class: "button", href: "/generate" }, TEXT.views.generate));
  show(main, h("h1", {}, TEXT.views.strategies), form, acts, count ? table : empty, more);
}
