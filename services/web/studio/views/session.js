import { call, watchSession } from "/studio/api.js";
import { h, number, say, show } from "/studio/dom.js";
import { LIVE } from "/studio/strings_live.js";
import { TEXT } from "/studio/strings.js";
import { ladder } from "/studio/views/ladder.js";
import { askFor } from "/studio/views/dialogs.js";

const ENDED = new Set(["JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELED"]);
/** Of whom nothing was heard for so long, ms, is said so. */
const SILENT_MS = 10_000;

/** One session: books with its own orders, positions, fills, and what it can be told. */
export async function sessionView(main, { arguments: [id], user, signal }) {
  const text = LIVE;
  const found = await call("JobService/Get", { job_id: id }, signal);
  const state = h("p", { class: "still" });
  const error = h("p", { class: "bad" });
  const held = h("p", { class: "held" });
  const facts = Object.fromEntries(Object.entries(text.facts).map(([name, label]) => [name, [h("dt", {}, label), h("dd", {}, "–")]]));
  // Of all that changes, only warnings are read out.
  const warnings = h("ul", { "aria-live": "polite", class: "problems", tabindex: "0", "aria-label": text.warnings });
  const books = ladder();
  const lines = stillTable(text.lines, text.lineHeads);
  const orders = stillTable(text.orders, text.orderHeads, text.noOrders);
  const fills = stillTable(text.fills, text.fillHeads, text.noFills);
  const seen = h("div", { hidden: true }, h("div", { class: "sides" }, books.place, h("div", {}, lines.place, orders.place)), fills.place);
  const acts = h("p", { class: "row", role: "group", "aria-label": text.acts });
  const after = h("p", { class: "row" });
  const may = user.may.has("live");
  let wish = "";
  let job = found.job;
  let toldMs = Date.now();

  const wishes = (name) => async () => {
    try {
      told({ job, session: (await call(`LiveTradingService/${name}`, { job_id: id })).session });
    } catch (problem) {
      say(problem.message, true);
    }
  };
  const kill = () => askFor(text.sure, h("p", {}, text.kills), text.killGo, async () => {
    told({ job, session: (await call("LiveTradingService/Kill", { job_id: id })).session });
  });
  const cancel = async () => told({ job: (await call("JobService/Cancel", { job_id: id })).job });
  const buttons = {
    pause: h("button", { type: "button", class: "plain", onclick: () => wishes(wish === "pause" ? "Resume" : "Pause")() }, text.pause),
    stop: h("button", { type: "button", class: "plain", onclick: () => (job.state === "JOB_STATE_WAITING" ? cancel() : wishes("Stop")()) }, text.stop),
    kill: h("button", { type: "button", class: "danger", onclick: kill }, text.kill),
  };
  if (may) show(acts, Object.values(buttons), h("small", { class: "soft" }, text.keys));
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
    const button = { p: buttons.pause, s: buttons.stop, k: buttons.kill }[event.key.toLowerCase()];
    if (may && button && !button.disabled && !acts.hidden) button.click();
  }, { signal });

  show(main, h("h1", {}, text.one(id)), h("section", { class: "card" }, state, error, held, acts, after,
    h("dl", { class: "facts" }, Object.values(facts).flat())),
    h("section", { class: "card warned" }, h("h2", {}, text.warnings), warnings), seen,
    h("details", { class: "card" }, h("summary", {}, text.asked), h("pre", {}, JSON.parse(found.asked).config || "")),
    h("p", {}, h("a", { href: "/live" }, text.toAll)));

  const put = (name, value) => { const place = facts[name][1]; if (place.textContent !== value) place.textContent = value; };

  function told(news) {
    job = news.job;
    if (news.session) wish = news.session.wish;
    toldMs = Date.now();
    say("");
    const ended = ENDED.has(job.state);
    const waits = job.state === "JOB_STATE_WAITING";
    const begins = job.state === "JOB_STATE_RUNNING" && !news.state && seen.hidden;
    const wished = wish && text.by(text.wishes[wish], news.session?.wished_by || "–");
    state.textContent = [TEXT.jobs.states[job.state], !ended && wished, begins && text.begins].filter(Boolean).join(" · ");
    error.textContent = job.error || "";
    acts.hidden = ended || !may;
    const isOver = wish === "stop" || wish === "kill";
    buttons.pause.textContent = wish === "pause" ? text.resume : text.pause;
    buttons.pause.disabled = isOver || waits;
    buttons.stop.disabled = isOver;
    buttons.kill.disabled = wish === "kill" || waits;
    show(after, ended && job.state === "JOB_STATE_DONE" && h("a", { class: "button", href: `/runs/${id}` }, text.toRun),
      ended && may && h("a", { class: "button", href: `/live?from=${id}` }, text.start));
    if (news.state) draw(JSON.parse(news.state));
  }

  function draw(now) {
    seen.hidden = false;
    put("state", text.phases[now.phase] || now.phase);
    put("time", now.time);
    put("events", number(now.events));
    put("feed", now.feed && now.feed.lag_ms_max ? text.feed({ ...now.feed, state: text.feeds[now.feed.state] || now.feed.state }) : text.file);
    put("pnl", now.pnl.toFixed(2));
    put("fills", number(now.fills_total));
    put("orders", `${number(now.counts.orders_sent)}, ${number(now.counts.orders_denied)}`);
    const why = Object.entries(now.holds).map(([who, said]) => `${text.holders[who] || who}: ${said}`);
    held.textContent = why.length ? `${text.held} – ${why.join("; ")}` : "";
    const known = [...warnings.children].map((one) => one.textContent);
    if (known.join("\n") !== now.warnings.join("\n")) show(warnings, now.warnings.map((one) => h("li", {}, one)));
    books.show(now.books, now.orders);
    lines.show(now.lines.map((one) => [one.strategy, one.symbol, one.position, one.mark ?? "–", one.pnl.toFixed(2), one.fees.toFixed(2), one.fills]), now.lines_total);
    orders.show(now.orders.map((one) => [one.order, one.strategy, one.symbol, one.side, one.price ?? "–", one.lots, placeOf(one)]), now.orders_total);
    fills.show(now.fills.map((one) => [one.time, one.strategy, one.symbol, one.lots, one.price, one.liquidity, one.order]), now.fills.length);
  }

  told({ job });
  const looking = setInterval(() => {
    const away = Date.now() - toldMs;
    if (job.state === "JOB_STATE_RUNNING" && away > SILENT_MS) say(text.silent(Math.round(away / 1000)), true);
  }, 1000);
  signal.addEventListener("abort", () => clearInterval(looking));
  watchSession(id, told, () => say(TEXT.away, true), signal).catch((problem) => { if (!signal.aborted) say(problem.message, true); });
}

/** Where an order stands in its queue, in words. */
export function placeOf(one) {
  return one.lots_ahead === null ? LIVE.unknown : LIVE.ahead(one.lots_ahead, one.orders_ahead);
}

/** A table whose rows and cells stay, so that nothing jumps as it changes. */
function stillTable(title, heads, empty = null) {
  const body = h("tbody");
  const note = h("p", { class: "soft" });
  const place = h("section", { class: "card" }, h("h2", {}, title), h("div", { class: "scroll", tabindex: "0" },
    h("table", {}, h("thead", {}, h("tr", {}, heads.map((one) => h("th", { scope: "col" }, one)))), body)), note);
  return {
    place,
    show(rows, total) {
      while (body.children.length > rows.length) body.lastChild.remove();
      while (body.children.length < rows.length) body.append(h("tr", {}, heads.map(() => h("td"))));
      rows.forEach((cells, k) => cells.forEach((one, c) => {
        const cell = body.children[k].children[c];
        if (cell.textContent !== String(one)) cell.textContent = String(one);
      }));
      note.textContent = rows.length < total ? LIVE.some(rows.length, total) : rows.length ? "" : empty || "";
    },
  };
}
