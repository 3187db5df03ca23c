// A picture of a book over time, or of bars: prices, depth and volume, drawn to the width there is.
import { h, number } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";

const LEFT = 72;
const GAP = 32;
const HEIGHTS = { price: 280, depth: 120, volume: 80 };

function s(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Return the moment of a step, ISO 8601 to the millisecond. */
export function momentOf(found, ms) {
  return new Date(Number(BigInt(found.start_ns) / 1000000n) + ms).toISOString();
}

/** Return the picture; `chosen(from, until)` hears of a span that was dragged over, in ms. */
export function picture(found, chosen) {
  const place = h("div", { class: "picture" });
  const drawn = () => { if (place.clientWidth) place.replaceChildren(draw(found, place.clientWidth, chosen)); };
  const observer = new ResizeObserver(() => requestAnimationFrame(drawn));
  observer.observe(place);
  return place;
}

function panels(found) {
  return found.kind === "book" ? ["price", "depth", "volume"] : ["price", "volume"];
}

function draw(found, width, chosen) {
  const names = panels(found);
  const height = 14 + names.reduce((sum, name) => sum + HEIGHTS[name] + GAP, 0);
  const span = found.at_ms[found.at_ms.length - 1] + found.step_ms;
  const x = (ms) => LEFT + (width - LEFT - 8) * ms / span;
  const whole = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": told(found) });
  let top = 22;
  for (const name of names) {
    whole.append(panel(found, name, top, x, width));
    top += HEIGHTS[name] + GAP;
  }
  for (const [ms, anchor] of [[0, "start"], [span / 2, "middle"], [span, "end"]]) {
    if (anchor === "middle" && width < 560) continue;
    const text = momentOf(found, ms).replace("T", " ").slice(0, width < 560 ? 16 : 19);
    whole.append(s("text", { x: x(ms), y: height - 8, "text-anchor": anchor }, text));
  }
  drags(whole, x, span, height, chosen);
  return whole;
}

/** Return what is seen, for who listens. */
function told(found) {
  const lows = found.kind === "book" ? found.bid : found.low;
  const highs = found.kind === "book" ? found.ask : found.high;
  const text = TEXT.data;
  return text.told(found.symbol || found.file, momentOf(found, 0), momentOf(found, found.at_ms[found.at_ms.length - 1]),
    number(extreme(lows, Math.min)), number(extreme(highs, Math.max)), found.at_ms.length);
}

function extreme(values, which) {
  return values.reduce((best, one) => (one === null ? best : best === null ? one : which(best, one)), null);
}

function bounds(found, name) {
  if (name === "volume") return [0, Math.max(1, extreme(found.volume, Math.max))];
  if (name === "depth") return [-Math.max(1, extreme(found.ask_lots, Math.max)), Math.max(1, extreme(found.bid_lots, Math.max))];
  const all = found.kind === "book" ? [...found.bid, ...found.ask] : [...found.low, ...found.high];
  const low = extreme(all, Math.min) ?? 0;
  const high = extreme(all, Math.max) ?? 1;
  const room = (high - low || 1) * 0.04;
  return [low - room, high + room];
}

function panel(found, name, top, x, width) {
  const [low, high] = bounds(found, name);
  const y = (value) => top + HEIGHTS[name] * (1 - (value - low) / (high - low));
  const made = s("g", {});
  for (const value of ticks(low, high)) {
    made.append(s("line", { x1: LEFT, x2: width - 8, y1: y(value), y2: y(value), class: "grid" }),
      s("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, Math.abs(value).toLocaleString("en", { maximumFractionDigits: 6 })));
  }
  made.append(s("text", { x: LEFT, y: top - 7, class: "label" }, TEXT.data.panels[found.kind === "book" ? name : `bars_${name}`]));
  const line = (values, kind) => made.append(s("path", { d: stepped(found.at_ms, found.step_ms, values, x, y), class: kind }));
  const area = (values, kind) => made.append(s("path", { d: filled(found.at_ms, found.step_ms, values, values.map(() => 0), x, y), class: kind }));
  if (name === "volume") area(found.volume, "lots");
  else if (name === "depth") {
    area(found.bid_lots, "bid-area");
    area(found.ask_lots.map((one) => -one), "ask-area");
  } else if (found.kind === "book") {
    line(found.bid, "bid");
    line(found.ask, "ask");
    made.append(...found.trades.map(([ms, price, lots, side]) => s("circle", {
      cx: x(ms), cy: y(price), r: Math.min(8, 1 + Math.sqrt(lots) / 3), class: side > 0 ? "bought" : side < 0 ? "sold" : "neither",
    })));
  } else {
    made.append(s("path", { d: filled(found.at_ms, found.step_ms, found.high, found.low, x, y), class: "range" }));
    line(found.close, "close");
  }
  return made;
}

/** Return round values between two. */
function ticks(low, high) {
  const raw = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) found.push(k * step);
  return found;
}

function stepped(at, step, values, x, y) {
  let path = "";
  values.forEach((value, k) => {
    if (value === null) return;
    const begins = !path || values[k - 1] === null || values[k - 1] === undefined;
    path += `${begins ? "M" : "L"}${x(at[k]).toFixed(1)} ${y(value).toFixed(1)}H${x(at[k] + step).toFixed(1)}`;
  });
  return path;
}

function filled(at, step, upper, lower, x, y) {
  const there = upper.map((one) => `${y(one).toFixed(1)}`);
  const begin = `M${x(at[0]).toFixed(1)} ${y(lower[0]).toFixed(1)}`;
  const out = there.map((one, k) => `L${x(at[k]).toFixed(1)} ${one}H${x(at[k] + step).toFixed(1)}`).join("");
  const back = lower.map((one, k) => `L${x(at[k] + step).toFixed(1)} ${y(one).toFixed(1)}H${x(at[k]).toFixed(1)}`).reverse().join("");
  return `${begin}${out}${back}Z`;
}

function drags(whole, x, span, height, chosen) {
  const shade = s("rect", { y: 0, height, class: "shade", width: 0 });
  whole.append(shade);
  let from = null;
  const ms = (event) => {
    const share = (event.clientX - whole.getBoundingClientRect().left - x(0)) / (x(span) - x(0));
    return span * Math.min(1, Math.max(0, share));
  };
  whole.addEventListener("pointerdown", (event) => { from = ms(event); whole.setPointerCapture(event.pointerId); });
  whole.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const [first, last] = [from, ms(event)].sort((a, b) => a - b);
    shade.setAttribute("x", x(first));
    shade.setAttribute("width", x(last) - x(first));
  });
  whole.addEventListener("pointerup", (event) => {
    const [first, last] = [from, ms(event)].sort((a, b) => a - b);
    from = null;
    if (last - first > span / 200) chosen(first, last);
  });
}
