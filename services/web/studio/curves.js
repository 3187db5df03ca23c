// Stepped lines over a count, drawn to the width there is: how the best of searches grew.
import { h, number, show } from "/studio/dom.js";
import { tableOf } from "/studio/charts.js";
import { RUNS } from "/studio/strings_runs.js";

const COLORS = 8;
const HIGH = 240;
/** Up to so many points each is a dot, too: a line of one would be none. */
const DOTS = 40;
const [LEFT, RIGHT, TOP, BELOW] = [64, 12, 14, 40];

function s(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Return round values from one to another. */
function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9) + 0; k * step <= high + step * 1e-9; k += 1) found.push(k * step);
  return found;
}

/**
 * Show lines, each `{name, total, points: [[count, value], …]}` ascending; a value holds until the
 * next one, the last until `total`.
 */
export function growthChart({ title, unit, across, lines }) {
  const text = RUNS.chart;
  const drawn = lines.filter((one) => one.points.length);
  const heading = h("h2", {}, title, " ", h("small", { class: "soft" }, unit));
  if (!drawn.length) return h("section", { class: "card" }, heading, h("p", { class: "soft" }, text.nothing));
  const most = drawn.reduce((sum, one) => Math.max(sum, one.total), 1);
  const values = drawn.flatMap((one) => one.points.map(([, value]) => value));
  const [least, highest] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const room = (highest - least || Math.abs(highest) || 1) * 0.06;
  const [low, high] = [least - room, highest + room];
  const said = drawn.map((one) => text.said(one.name, number(one.points[0][1]), number(one.points.at(-1)[1]), number(one.points.at(-1)[1]))).join(". ");
  const place = h("div", { class: "growth" });

  function draw(wide) {
    const x = (count) => LEFT + ((wide - LEFT - RIGHT) * count) / most;
    const y = (value) => TOP + ((high - value) / (high - low)) * (HIGH - TOP - BELOW);
    const whole = s("svg", { width: wide, height: HIGH, viewBox: `0 0 ${wide} ${HIGH}`, role: "img", "aria-label": said });
    for (const value of ticks(low, high, 4)) {
      whole.append(s("line", { x1: LEFT, x2: wide - RIGHT, y1: y(value), y2: y(value), class: "grid" }),
        s("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, value.toLocaleString("en", { maximumFractionDigits: 4 })));
    }
    for (const count of ticks(0, most, wide < 560 ? 3 : 6)) {
      whole.append(s("text", { x: x(count), y: HIGH - BELOW + 18, "text-anchor": count < most * 0.9 ? "middle" : "end" }, count.toLocaleString("en")));
    }
    whole.append(s("text", { x: (LEFT + wide) / 2, y: HIGH - 6, "text-anchor": "middle" }, across));
    drawn.forEach((one, k) => {
      const path = one.points.map(([count, value], at) => `${at ? `H${x(count).toFixed(1)}V` : `M${x(count).toFixed(1)} `}${y(value).toFixed(1)}`).join("");
      whole.append(s("path", { d: `${path}H${x(one.total).toFixed(1)}`, class: `line line${(k % COLORS) + 1}` }));
      if (one.points.length <= DOTS) whole.append(...one.points.map(([count, value]) => s("circle", { cx: x(count), cy: y(value), r: 3, class: `line${(k % COLORS) + 1}` })));
    });
    return whole;
  }
  new ResizeObserver(() => requestAnimationFrame(() => { if (place.clientWidth) show(place, draw(place.clientWidth)); })).observe(place);
  const legend = drawn.length > 1 && h("p", { class: "legend" }, drawn.map((one, k) => h("span", {}, h("span", { class: `dot s${(k % COLORS) + 1}` }), one.name)));
  return h("section", { class: "card" }, heading, legend, place, h("details", {}, h("summary", {}, text.table),
    tableOf([text.line, across, unit], drawn.flatMap((one) => one.points.map(([count, value]) => [one.name, number(count), number(value, 4)])))));
}
