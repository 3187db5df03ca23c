import { call } from "/studio/api.js";
import { h, say } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";

/** Return a table that scrolls by itself where it is wider than the page, with its body.
 * A head is a text, or a text and "num" for figures; an empty one stands over buttons. */
export function table(label, heads) {
  const body = h("tbody");
  const head = heads.map((one) => (Array.isArray(one) ? one : [one, ""]));
  const whole = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, h("table", {},
    h("thead", {}, h("tr", {}, head.map(([text, kind]) => h("th", { scope: "col", class: kind }, text || h("span", { class: "unseen" }, TEXT.acts))))), body));
  return { whole, body };
}

/** Return a row of cells; a cell is a text, an element, or a text and "num". */
export function row(...cells) {
  return h("tr", {}, cells.map((one) => (Array.isArray(one) ? h("td", { class: one[1] }, one[0]) : h("td", {}, one))));
}

/** Fill a table page by page: the first page at once, others as they are asked for.
 * Returns the button that asks, and how many rows the first page had. */
export async function paged(body, name, asked, rowsOf, signal) {
  const more = h("button", { class: "plain", type: "button" }, TEXT.more);
  let token = "";
  async function next() {
    const page = await call(name, { ...asked, page_token: token }, signal);
    const rows = rowsOf(page);
    body.append(...rows);
    token = page.next_page_token;
    more.hidden = !token;
    return rows.length;
  }
  more.addEventListener("click", () => next().catch((error) => say(error.message, true)));
  return { more, count: await next() };
}
