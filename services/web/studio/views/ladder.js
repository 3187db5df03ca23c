import { h, show } from "/studio/dom.js";
import { LIVE } from "/studio/strings_live.js";

const LEVELS = 10;

/** A ladder of one of some books: asks above bids, as many rows whatever happens. */
export function ladder() {
  const text = LIVE;
  const title = h("h2", {}, text.book);
  const choice = h("select", { "aria-label": text.book, hidden: true });
  const make = (side) => Array.from({ length: LEVELS }, () => h("tr", { class: side },
    h("th", { scope: "row" }, text.sides[side]), h("td", { class: "num" }), h("td", { class: "num" }), h("td", { class: "num" }), h("td", { class: "own" })));
  const asks = make("ask");
  const bids = make("bid");
  const spread = h("tr", { class: "spread" }, h("th", { scope: "row" }, text.spread), h("td", { class: "num" }), h("td"), h("td"), h("td", { class: "own" }));
  const heads = Object.entries(text.heads).map(([name, one]) => h("th", { scope: "col", class: ["price", "lots", "orders"].includes(name) ? "num" : null }, one));
  const place = h("section", { class: "card ladder" }, h("p", { class: "row" }, title, choice),
    h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, [...asks].reverse(), spread, bids))));
  let last = [[], []];
  const keyOf = (one) => `${one.publisher_id}:${one.instrument_id}`;
  const put = (cell, value) => { if (cell.textContent !== value) cell.textContent = value; };
  choice.addEventListener("change", () => draw(...last));

  function row(at, level, own) {
    const [, price, lots, orders, mine] = at.children;
    put(price, level ? level[0] : "");
    put(lots, level ? String(level[1]) : "");
    put(orders, level ? String(level[2]) : "");
    put(mine, (own || []).map((one) => `${text.own(one)} · ${one.lots_ahead === null ? text.unknown : text.short(one.lots_ahead, one.orders_ahead)}`).join("; "));
    at.classList.toggle("mine", Boolean(own && own.length));
  }

  function draw(books, orders) {
    last = [books, orders];
    if (!books.length) return;
    const keys = books.map(keyOf).join();
    if (choice.dataset.keys !== keys) {
      const was = choice.value;
      choice.dataset.keys = keys;
      show(choice, books.map((one) => h("option", { value: keyOf(one), selected: keyOf(one) === was }, one.symbol)));
      choice.hidden = books.length < 2;
    }
    const book = books.find((one) => keyOf(one) === choice.value) || books[0];
    put(title, text.ladder(book.symbol));
    const own = orders.filter((one) => keyOf(one) === keyOf(book));
    const at = (side, price) => own.filter((one) => one.side === side && one.price !== null && one.price === price);
    asks.forEach((one, k) => row(one, book.asks[k], book.asks[k] && at("SELL", book.asks[k][0])));
    bids.forEach((one, k) => row(one, book.bids[k], book.bids[k] && at("BUY", book.bids[k][0])));
    const [ask, bid] = [book.asks[0], book.bids[0]];
    put(spread.children[1], ask && bid ? String(Number((Number(ask[0]) - Number(bid[0])).toPrecision(12))) : "");
    // Own orders alone at a price, better than all that the market has.
    const alone = own.filter((one) => one.price !== null && ask && bid && Number(one.price) < Number(ask[0]) && Number(one.price) > Number(bid[0]));
    put(spread.children[4], alone.map((one) => `${text.own(one)} ${one.price}`).join("; "));
  }

  return { place, show: draw };
}
