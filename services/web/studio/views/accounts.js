import { call } from "/studio/api.js";
import { field, h, number, say, show } from "/studio/dom.js";
import { ACCOUNTS } from "/studio/strings_live.js";
import { askFor } from "/studio/views/dialogs.js";
import { table } from "/studio/views/tables.js";

/** How long after an answer accounts are asked for again, ms. */
const AGAIN_MS = 3000;
/** A text of more letters has a wider cell. */
const LONG = 40;

/** Accounts at a broker, with what stops them; hidden where the server has none.
 * Rows stay where they are, so that nobody kills another account than the one they meant. */
export function accountsCard(user, signal) {
  const text = ACCOUNTS;
  const may = user.may.has("live");
  const { whole, body } = table(text.title, [text.name, ...(may ? [""] : []), text.account, text.state, text.killed, [text.open, "num"], text.positions]);
  const more = h("p", { class: "soft" });
  const place = h("section", { class: "card", hidden: true }, h("h2", {}, text.title), h("p", { class: "soft" }, text.teach), whole, more);
  const lines = new Map();

  function told(found) {
    place.hidden = Boolean(found.none_because);
    for (const one of found.accounts) {
      if (!lines.has(one.name)) lines.set(one.name, lineOf(one.name, may, look));
      lines.get(one.name).show(one);
    }
    const names = found.accounts.map((one) => one.name);
    for (const name of [...lines.keys()].filter((one) => !names.includes(one))) lines.delete(name);
    const rows = names.map((name) => lines.get(name).row);
    if (rows.length !== body.children.length || rows.some((one, k) => one !== body.children[k])) show(body, rows);
    more.textContent = found.left_out ? text.more(number(found.left_out)) : names.length ? "" : text.empty;
  }

  async function look() {
    const found = await call("LiveTradingService/ListAccounts", {}, signal);
    if (!signal.aborted) told(found);
    return !found.none_because;
  }

  async function looks() {
    let goes = true;
    let isAway = false;
    while (goes && !signal.aborted) {
      try {
        if (!document.hidden) goes = await look();
        if (isAway) say("");
        isAway = false;
      } catch (problem) {
        if (signal.aborted) return;
        isAway = true;
        say(problem.message, true);
      }
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
  looks();
  return place;
}

/** One account's row, and what it shows. */
function lineOf(name, may, look) {
  const text = ACCOUNTS;
  const kill = h("button", { type: "button", class: "danger", onclick: () => asked(name, look) }, text.kill, h("span", { class: "unseen" }, ` ${name}`));
  const [account, state, killed, positions] = [0, 1, 2, 3].map(() => h("span", { class: "wraps" }));
  const open = h("td", { class: "num" });
  const row = h("tr", {}, h("th", { scope: "row" }, name), may && h("td", {}, kill), h("td", {}, account), h("td", {}, state), h("td", {}, killed), open, h("td", {}, positions));
  const put = (cell, value, kind = "") => {
    if (cell.textContent !== value) cell.textContent = value;
    cell.className = [cell === open ? "num" : "wraps", value.length > LONG && "long", kind].filter(Boolean).join(" ");
  };
  return {
    row,
    show(one) {
      const isKilled = typeof one.killed === "string";
      const held = one.positions.map((each) => text.lots(each.symbol, Number(each.lots)));
      if (one.positions_total > held.length) held.push(text.more(number(one.positions_total - held.length)));
      put(account, text.of(one.account, one.session) || "–");
      put(state, one.problem || (one.ended ? text.ended(one.ended) : one.state || "–"), one.problem ? "bad" : "");
      put(killed, isKilled ? one.killed : text.not, isKilled ? "bad" : "soft");
      put(open, one.problem ? "–" : number(one.open_orders) + (one.unknown_orders ? text.unknown(number(one.unknown_orders)) : ""));
      put(positions, one.problem ? "–" : held.join(", ") || text.flat);
      kill.disabled = isKilled;
    },
  };
}

/** Ask once more, and kill. */
function asked(name, look) {
  const text = ACCOUNTS;
  const why = h("input", { name: "why", maxlength: 500, autocomplete: "off" });
  askFor(text.sure(name), [h("p", {}, text.kills), field(text.why, why, text.whyHint)], text.killGo, async () => {
    const { killed, was_killed: wasKilled } = await call("LiveTradingService/KillAccount", { name, why: why.value });
    say(text.done(name, killed, wasKilled));
    // It is killed; whether that is seen at once is another matter.
    look().catch((problem) => say(problem.message, true));
  });
}
