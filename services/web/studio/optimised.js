// What an optimisation came to: a table, a map of two parameters, all parameters at once.
import { call } from "/studio/api.js";
import { growthChart } from "/studio/curves.js";
import { field, h, number, say, show } from "/studio/dom.js";
import { RUNS } from "/studio/strings_runs.js";
import { TEXT } from "/studio/strings.js";
import { walkedSections } from "/studio/walked.js";

const SVG = "http://www.w3.org/2000/svg";
const LINES_MAX = 200;
const [WIDE, HIGH, TOP] = [720, 240, 26];

function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Families whose rules can be declared, so that a run on records trades them. */
const DECLARED = new Set(["sma_cross"]);

/** Return the result of `OptimizerService/GetResult`; `asked` is what the job was asked for. */
export async function optimised(found, asked, { user, go, signal }) {
  const rows = found.best.map((one) => ({
    value: one.objective_value === undefined ? null : Number(one.objective_value),
    parameters: JSON.parse(one.parameters), metrics: JSON.parse(one.metrics),
  }));
  const names = rows.length ? Object.keys(rows[0].parameters) : [];
  const varied = names.filter((name) => new Set(rows.map((one) => one.parameters[name])).size > 1);
  const grown = growthChart({
    title: RUNS.optimised.grown, unit: found.objective, across: RUNS.optimised.grownAcross,
    lines: [{ name: found.strategy, total: Number(found.variants), points: found.best_so_far.map((one) => [Number(one.variants), Number(one.objective_value)]) }],
  });
  return h("div", {}, tableOfBest(found, asked, rows, names, user, go),
    found.walk && await walkedSections(found.walk, signal), found.best_so_far.length > 0 && grown,
    varied.length > 1 && mapOf(found, rows, varied), varied.length > 0 && coordinatesOf(found, rows, varied));
}

/** Keep a row in the store, and go to a form of a run on records that trades it. */
async function onRecords(found, asked, one, go) {
  say(RUNS.optimised.keeping);
  try {
    const kept = await call("OptimizerService/KeepVariant", { job_id: found.job.id, parameters: JSON.stringify(one.parameters) });
    const query = new URLSearchParams({ strategy: kept.strategy_id, data: asked.bars?.data || "", symbol: asked.bars?.symbol || "" });
    kept.left_out.forEach((left) => query.append("left", left));
    go(`/backtest?${query}`);
  } catch (error) {
    say(error.message, true);
  }
}

function tableOfBest(found, asked, rows, names, user, go) {
  const text = RUNS.optimised;
  const mayKeep = user.may.has("optimize") && user.may.has("backtest");
  const isDeclared = DECLARED.has(found.strategy) && Number(found.interval_ns) > 0;
  const tradesOf = (one) => one.metrics.trades ?? one.metrics.total_trades;
  const hasTrades = rows.some((one) => tradesOf(one) !== undefined);
  const heads = [...names, found.objective, ...(hasTrades ? [TEXT.strategies.columns.trades] : [])];
  const linkOf = (one) => {
    const query = new URLSearchParams({
      data: asked.bars?.data || "", symbol: asked.bars?.symbol || "", interval: asked.bars?.interval || "", strategy: found.strategy, assumptions: (asked.assumptions || []).join("\n"),
      parameters: names.map((name) => `${name}=${one.parameters[name]}`).join("\n"),
    });
    return `/optimise?${query}`;
  };
  return h("section", { class: "card" }, h("h2", {}, `${TEXT.optimise.best} · ${number(found.variants)}`),
    h("div", { class: "scroll tall", tabindex: "0" }, h("table", {},
      h("thead", {}, h("tr", {}, heads.map((one) => h("th", { scope: "col", class: "num" }, one)), h("th", {}, h("span", { class: "unseen" }, RUNS.optimised.alone)))),
      h("tbody", {}, rows.map((one) => h("tr", {},
        names.map((name) => h("td", { class: "num" }, String(one.parameters[name]))), h("td", { class: "num" }, number(one.value)),
        hasTrades && h("td", { class: "num" }, number(tradesOf(one))),
        h("td", {}, h("span", { class: "row" }, h("a", { href: linkOf(one) }, text.alone),
          mayKeep && isDeclared && h("button", { type: "button", class: "plain small", onclick: () => onRecords(found, asked, one, go) }, text.records)))))))),
    mayKeep && !isDeclared && h("p", { class: "soft" }, text.noRecords(found.strategy)));
}

/** Sort values as numbers where they are. */
const ordered = (values) => [...new Set(values)].sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))));

function mapOf(found, rows, names) {
  const text = RUNS.optimised;
  const choose = (chosen) => h("select", {}, names.map((name) => h("option", { selected: name === chosen }, name)));
  const across = choose(names[0]);
  const down = choose(names[1]);
  const place = h("div", { class: "scroll", tabindex: "0" });
  function draw() {
    const best = new Map();
    for (const one of rows) {
      const key = JSON.stringify([one.parameters[across.value], one.parameters[down.value]]);
      if (one.value !== null && (!best.has(key) || one.value > best.get(key))) best.set(key, one.value);
    }
    const finite = [...best.values()].filter(Number.isFinite);
    const [low, high] = [Math.min(...finite), Math.max(...finite)];
    const columns = ordered(rows.map((one) => one.parameters[across.value]));
    const lines = ordered(rows.map((one) => one.parameters[down.value]));
    show(place, h("table", { class: "map" }, h("caption", {}, `${found.objective}: ${down.value} × ${across.value}`),
      h("thead", {}, h("tr", {}, h("td", {}), columns.map((one) => h("th", { scope: "col", class: "num" }, String(one))))),
      h("tbody", {}, lines.map((line) => h("tr", {}, h("th", { scope: "row", class: "num" }, String(line)), columns.map((column) => {
        const value = best.get(JSON.stringify([column, line]));
        const cell = h("td", { class: "num" }, h("span", {}, value === undefined ? "" : number(value, 2)));
        const share = high > low ? (value - low) / (high - low) : 1;
        if (Number.isFinite(share)) cell.style.setProperty("--share", `${Math.round(8 + 40 * share)}%`);
        return cell;
      }))))));
  }
  across.addEventListener("change", draw);
  down.addEventListener("change", draw);
  draw();
  return h("section", { class: "card" }, h("h2", {}, text.map), h("div", { class: "row" }, field(text.across, across), field(text.down, down)), place, h("small", { class: "soft" }, text.mapNote));
}

function coordinatesOf(found, rows, names) {
  const text = RUNS.optimised;
  const drawn = rows.filter((one) => Number.isFinite(one.value)).slice(0, LINES_MAX);
  if (!drawn.length) return null;
  const scales = [...names.map((name) => [name, (one) => one.parameters[name]]), [found.objective, (one) => one.value]].map(([name, read]) => {
    const values = ordered(drawn.map(read));
    const isNumber = values.every((one) => typeof one === "number");
    const [low, high] = isNumber ? [values[0], values.at(-1)] : [0, values.length - 1];
    const share = (one) => { const at = isNumber ? read(one) : values.indexOf(read(one)); return high > low ? (at - low) / (high - low) : 0.5; };
    return { name, share, ends: isNumber ? [number(low), number(high)] : [String(values[0]), String(values.at(-1))] };
  });
  const x = (k) => 60 + (k * (WIDE - 120)) / Math.max(1, scales.length - 1);
  const y = (share) => TOP + (1 - share) * (HIGH - 2 * TOP);
  const lines = drawn.map((one, rank) => {
    const points = scales.map((scale, k) => `${x(k).toFixed(1)},${y(scale.share(one)).toFixed(1)}`).join(" ");
    return svg("polyline", { points, class: rank ? "coordinate" : "coordinate best" });
  }).reverse();
  const axes = scales.map((scale, k) => svg("g", {},
    svg("line", { x1: x(k), x2: x(k), y1: TOP, y2: HIGH - TOP, class: "axis" }),
    ...[[scale.name, 14], [scale.ends[1], TOP + 4], [scale.ends[0], HIGH - TOP + 14]].map(([said, at], row) =>
      svg("text", { x: row === 1 ? x(k) + 5 : x(k), y: at, class: row ? "end" : "name", "text-anchor": row === 1 ? "start" : "middle" }, said))));
  const said = scales.map((scale) => `${scale.name}: ${text.least} ${scale.ends[0]}, ${text.most} ${scale.ends[1]}`).join("; ");
  return h("section", { class: "card" }, h("h2", {}, text.coordinates),
    h("div", { class: "scroll flat", tabindex: "0" }, svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "coordinates", role: "img", "aria-label": said }, ...lines, ...axes)),
    h("small", { class: "soft" }, text.coordinatesNote));
}
