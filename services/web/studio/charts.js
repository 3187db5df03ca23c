// Lines over time, drawn by uPlot from few points; a zoom asks the server for its stretch.
import { paintCandles } from "/studio/candles.js";
import { h, number, say, show } from "/studio/dom.js";
import { RUNS } from "/studio/strings_runs.js";

const COLORS = 8;
const ROWS_MAX = 200;
/** How long a zoom rests until its stretch is asked for, ms. */
const REST_MS = 120;
/** The least that is zoomed to, s. */
const SPAN_MIN_S = 0.002;
const NEAR_PX = 12;

const seconds = (ns) => Number(BigInt(ns) / 1000n) / 1e6;
const nanos = (s) => String(BigInt(Math.round(s * 1e6)) * 1000n);

/** Times below a chart, as fine as their steps; the first and each new day with its date. */
function timesBelow(_, splits, __, ___, step) {
  let day = "";
  return splits.map((s) => {
    const [date, clock] = new Date(s * 1e3).toISOString().slice(0, 23).split("T");
    const shown = step >= 86400 ? "" : clock.slice(0, step >= 60 ? 5 : step >= 1 ? 8 : 12);
    const isNew = date !== day;
    day = date;
    return shown && isNew ? `${shown}\n${date}` : shown || date;
  });
}

export const timeOf = (ns) => new Date(Number(BigInt(ns) / 1000000n)).toISOString().replace("T", " ").replace("Z", "");
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colorOf = (k) => () => color(`--s${(k % COLORS) + 1}`);

/**
 * Show a chart. `load(first_ns, last_ns, signal)` gives what the server says of a stretch; both are
 * undefined for all of it. `onfill(fill)` is told of a fill that is clicked. With `candles`, what it
 * says has bars, which are painted in place of lines.
 */
export async function timeChart({ title, unit, load, signal, height = 260, area = false, onfill = null, candles = false }) {
  const text = RUNS.chart;
  const { default: UPlot } = await import("/studio/uplot/uPlot.esm.js");
  const canvas = h("div", { class: "plot" });
  const legend = h("p", { class: "legend" });
  const note = h("small", { class: "soft" });
  const told = h("p", { class: "unseen" });
  const place = h("div", { class: "chart", tabindex: "0", role: "group", "aria-label": `${title}, ${unit}. ${text.keys}` }, canvas, told);
  const table = h("details", {}, h("summary", {}, text.table));
  const rows = h("div", { class: "scroll", tabindex: "0" });
  table.append(rows);
  let found = await load(undefined, undefined, signal);
  let plot = null;
  let asking = new AbortController();
  let resting = 0;
  const whole = [seconds(found.whole_first_ns), seconds(found.whole_last_ns)];
  if (whole[0] === whole[1]) { whole[0] -= 1; whole[1] += 1; }

  const tables = () => found.lines.map((line) => [line.ts_ns.map(seconds), line.values.map(Number)]);
  const joined = () => (found.lines.length > 1 ? UPlot.join(tables()) : tables()[0] || [[], []]);

  function ask(min, max) {
    // What is there is moved at once; the server's finer points come when it rests.
    plot.setScale("x", { min, max });
    clearTimeout(resting);
    resting = setTimeout(async () => {
      asking.abort();
      asking = new AbortController();
      const mine = asking;
      try {
        const next = await load(nanos(min), nanos(max), mine.signal);
        if (mine.signal.aborted || signal.aborted) return;
        found = next;
        plot.setData(joined(), false);
        plot.setScale("x", { min, max });
        tell();
      } catch (error) {
        if (!mine.signal.aborted && !signal.aborted) say(error.message, true);
      }
    }, REST_MS);
  }

  function move(factor, shift) {
    const { min, max } = plot.scales.x;
    const middle = (min + max) / 2 + shift * (max - min);
    const half = Math.max(SPAN_MIN_S, (max - min) * factor) / 2;
    ask(Math.max(whole[0], middle - half), Math.min(whole[1], middle + half));
  }
  const acts = {
    zoomIn: () => move(0.5, 0), zoomOut: () => move(2, 0), left: () => move(1, -0.5), right: () => move(1, 0.5),
    all: () => ask(...whole),
  };
  const KEYS = { "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", ArrowLeft: "left", ArrowRight: "right", 0: "all" };
  place.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || !plot) return;
    acts[act]();
    event.preventDefault();
    event.stopPropagation();
  });

  function tell() {
    const drawn = found.lines.reduce((sum, line) => sum + line.ts_ns.length, 0);
    const parts = [text.shown(number(drawn), number(Math.max(drawn, Number(found.rows))))];
    if (found.fills.length) parts.push(text.fills(number(found.fills.length), number(found.fills_total)));
    if (found.fills.length && onfill) parts.push(text.story);
    note.textContent = drawn ? parts.join(" ") : text.nothing;
    told.textContent = found.lines.filter((line) => line.values.length).map((line) => {
      const values = line.values.map(Number);
      return text.said(line.name, number(values.reduce((a, b) => Math.min(a, b)), 2), number(values.reduce((a, b) => Math.max(a, b)), 2), number(values.at(-1), 2));
    }).join(". ");
    if (table.open) fillTable();
  }

  function fillTable() {
    const all = found.lines.flatMap((line) => line.ts_ns.map((ts, k) => [ts, line.name, line.values[k]]));
    all.sort((a, b) => (BigInt(a[0]) < BigInt(b[0]) ? -1 : 1));
    const some = all.slice(0, ROWS_MAX);
    show(rows, h("table", {}, h("caption", { class: "unseen" }, title),
      h("thead", {}, h("tr", {}, [text.time, text.line, unit].map((one) => h("th", { scope: "col" }, one)))),
      h("tbody", {}, some.map(([ts, name, value]) => h("tr", {}, h("td", {}, timeOf(ts)), h("td", {}, name), h("td", { class: "num" }, number(value, 4)))))),
    all.length > some.length && h("p", { class: "soft" }, text.rows(number(some.length), number(all.length))));
  }
  table.addEventListener("toggle", () => { if (table.open) fillTable(); });

  function drawFills(u) {
    const { ctx } = u;
    const size = 4.5 * devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    for (const fill of found.fills) {
      const x = u.valToPos(seconds(fill.ts_ns), "x", true);
      const y = u.valToPos(Number(fill.price), "y", true);
      const up = Number(fill.lots) > 0 ? 1 : -1;
      ctx.beginPath();
      ctx.moveTo(x, y - up * size);
      ctx.lineTo(x - size, y + up * size);
      ctx.lineTo(x + size, y + up * size);
      ctx.closePath();
      ctx.fillStyle = ctx.strokeStyle = color(up > 0 ? "--good" : "--bad");
      ctx.lineWidth = 1.5 * devicePixelRatio;
      if (fill.ends) ctx.stroke(); else ctx.fill();
    }
    ctx.restore();
  }

  function clicked(event) {
    const box = plot.over.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    let nearest = NEAR_PX;
    for (const fill of found.fills) {
      const away = Math.hypot(plot.valToPos(seconds(fill.ts_ns), "x") - x, plot.valToPos(Number(fill.price), "y") - y);
      if (away < nearest) [best, nearest] = [fill, away];
    }
    if (best) onfill(best);
  }

  function make() {
    const axis = { stroke: () => color("--soft"), grid: { stroke: () => color("--rule"), width: 1 }, ticks: { stroke: () => color("--rule"), width: 1 }, font: "12px system-ui, sans-serif" };
    const first = tables();
    plot = new UPlot({
      width: Math.max(200, place.clientWidth), height, legend: { show: false },
      tzDate: (ts) => UPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
      cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false } },
      scales: { x: { time: true, min: whole[0], max: whole[1] } },
      axes: [{ ...axis, size: 46, space: 90, values: timesBelow }, { ...axis, size: 74, values: (_, values) => values.map((v) => v.toLocaleString("en", { maximumFractionDigits: 6 })) }],
      series: [{}, ...(first.length ? found.lines : [{ name: "" }]).map((line, k) => ({
        label: line.name, stroke: colorOf(k), width: k ? 1.25 : 1.75, spanGaps: true, points: { show: false },
        paths: candles ? () => null : UPlot.paths.stepped({ align: 1 }),
        fill: area && k === 0 ? () => `${color("--s1")}22` : undefined,
      }))],
      hooks: {
        setSelect: [(u) => {
          if (u.select.width > 4) ask(u.posToVal(u.select.left, "x"), Math.max(u.posToVal(u.select.left + u.select.width, "x"), u.posToVal(u.select.left, "x") + SPAN_MIN_S));
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
        draw: [(u) => { if (candles) paintCandles(u, found.candles, color); }, drawFills],
      },
    }, joined(), canvas);
    if (onfill) plot.over.addEventListener("click", clicked);
    if (candles) legend.textContent = text.candles;
    else show(legend, found.lines.length > 1 && found.lines.map((line, k) => {
      const dot = h("span", { class: `dot s${(k % COLORS) + 1}` });
      return h("span", {}, dot, line.name);
    }));
    tell();
  }

  const resized = new ResizeObserver(() => {
    if (!place.clientWidth) return;
    if (!plot) make();
    else plot.setSize({ width: Math.max(200, place.clientWidth), height });
  });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const redraw = () => plot?.redraw(false);
  scheme.addEventListener("change", redraw);
  signal.addEventListener("abort", () => {
    resized.disconnect();
    clearTimeout(resting);
    asking.abort();
    scheme.removeEventListener("change", redraw);
    plot?.destroy();
  });
  resized.observe(place);
  const buttons = h("p", { class: "acts" }, Object.entries(acts).map(([name, act]) =>
    h("button", { type: "button", class: "plain small", "aria-label": `${text[name]}: ${title}`, onclick: () => plot && act() }, text[name])));
  return h("section", { class: "card" }, h("h2", {}, title, " ", h("small", { class: "soft" }, unit)), legend, place, buttons, note, table);
}

/** Bars as a run's report has them, with the table that says the same. */
export function barChart(bars) {
  const head = h("h2", {}, bars.title, " ", h("small", { class: "soft" }, bars.unit));
  const note = bars.note && h("p", {}, h("small", { class: "soft" }, bars.note));
  if (bars.layout === "rows") {
    const body = bars.rows.map((row) => {
      const bar = h("span", { class: `fill ${row.color.slice(2)}` });
      bar.style.left = `${row.left}%`;
      bar.style.width = `${row.width}%`;
      return h("tr", {}, h("th", { scope: "row" }, row.label), h("td", { class: "wide" }, h("span", { class: "track", "aria-hidden": "true" }, bar)), h("td", { class: "num" }, row.text));
    });
    return h("section", { class: "card" }, head, h("div", { class: "scroll flat", tabindex: "0" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, bars.heading), h("th", {}, h("span", { class: "unseen" }, bars.value)), h("th", { scope: "col", class: "num" }, bars.value))), h("tbody", {}, body))), note);
  }
  const slots = bars.slots.map((slot) => h("span", { class: "slot", title: slot.title }, slot.bars.map((one) => {
    const bar = h("span", { class: `fill ${one.color.slice(2)}` });
    bar.style.bottom = `${one.bottom}%`;
    bar.style.height = `${one.height}%`;
    return h("span", { class: "column" }, bar);
  })));
  const labels = bars.slots.map((slot) => h("span", {}, slot.label));
  const legend = bars.legend.length > 0 && h("p", { class: "legend" }, bars.legend.map((one) =>
    h("span", {}, h("span", { class: `dot ${one.color.slice(2)}` }), one.name)));
  const zero = h("span", { class: "zero" });
  zero.style.bottom = `${bars.zero}%`;
  return h("section", { class: "card" }, head, legend,
    h("div", { class: "columns", "aria-hidden": "true" }, slots, zero), h("div", { class: "labels", "aria-hidden": "true" }, labels), note,
    h("details", {}, h("summary", {}, RUNS.chart.table), tableOf(bars.table.head.map((one) => one.text ?? one.name ?? one), bars.table.rows.map((row) => row.map((one) => one.text ?? one)))));
}

/** Return a table of texts; the first column heads its rows. */
export function tableOf(heads, rows) {
  return h("div", { class: "scroll", tabindex: "0" }, h("table", {},
    h("thead", {}, h("tr", {}, heads.map((one, k) => (one ? h("th", { scope: "col", class: k ? "num" : "" }, one) : h("td"))))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((one, k) => (k ? h("td", { class: "num" }, one) : h("th", { scope: "row" }, one))))))));
}

/** A fan of running P&L: between what nine in ten and half of the draws lie, the middle one, the run's own. */
export function fanChart({ fan, ends }) {
  const [wide, high, room] = [720, 220, 20];
  const bands = Object.values(fan.quantiles);
  const every = [...bands[0], ...bands.at(-1), ...fan.own];
  const [low, top] = [every.reduce((a, b) => Math.min(a, b), 0), every.reduce((a, b) => Math.max(a, b), 0)];
  const x = (k) => (k * wide) / Math.max(1, fan.own.length - 1);
  const y = (value) => room + ((top - value) / (top - low || 1)) * (high - 2 * room);
  const line = (values, at = (k) => k) => values.map((value, k) => `${x(at(k)).toFixed(1)},${y(value).toFixed(1)}`);
  const area = (one, other) => [...line(one), ...line([...other].reverse(), (k) => other.length - 1 - k)].join(" ");
  const made = (tag, attributes, ...children) => {
    const found = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
    found.append(...children);
    return found;
  };
  const money = (value) => value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const said = RUNS.run.fan(money(bands[0].at(-1)), money(bands.at(-1).at(-1)), money(fan.own.at(-1)));
  return h("figure", { class: "fan" }, made("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": said },
    made("polygon", { points: area(bands[0], bands.at(-1)), class: "outer" }), made("polygon", { points: area(bands[1], bands.at(-2)), class: "inner" }),
    made("line", { x1: 0, x2: wide, y1: y(0), y2: y(0), class: "axis" }),
    made("polyline", { points: line(bands[2]).join(" "), class: "middle" }), made("polyline", { points: line(fan.own).join(" "), class: "own" }),
    made("text", { x: 2, y: 14 }, money(top)), made("text", { x: 2, y: high - 4 }, money(low))),
  h("figcaption", {}, h("small", { class: "soft" }, `${ends[0]} – ${ends[1]}. ${said}`)));
}
