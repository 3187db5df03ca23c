// Numbers, times and words of the charts.
window.tapewireNumbers = (function () {
  "use strict";
  const SECOND = 1e9;  // times are in ns
  const origin_ms = JSON.parse(document.getElementById("data").textContent).origin_ms;
  const root = document.documentElement;
  const STEPS = [];
  for (let power = 1; power < SECOND; power *= 10) { STEPS.push(power, 2 * power, 5 * power); }
  [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800,
    604800, 1209600, 2592000, 7776000, 31536000].forEach((s) => STEPS.push(s * SECOND));

  // The script's half of packed() in analytics/packing.py.
  function unpack(numbers) {
    if (numbers.values) { return numbers.values; }
    const out = new Float64Array(numbers.count);
    let value = numbers.first;
    for (let k = 0; k < out.length; k++) {
      if (k) { value += numbers.step * numbers.moves[k - 1]; }
      out[k] = value / numbers.unit;
    }
    return out;
  }
  function css(name) { return getComputedStyle(root).getPropertyValue(name).trim(); }
  function element(kind, name, text) {
    const made = document.createElement(kind);
    if (name) { made.className = name; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }
  function byId(part, id) { return document.getElementById(part + "-" + id); }

  function when(ns) {
    const rest = ((ns % SECOND) + SECOND) % SECOND;
    const text = new Date(origin_ms + (ns - rest) / 1e6).toISOString();
    return { day: text.slice(0, 10), time: text.slice(11, 19),
      rest: String(Math.floor(rest)).padStart(9, "0") };
  }
  function fullTime(ns) {
    const at = when(ns);
    return at.day + " " + at.time + "." + at.rest;
  }
  function plain(value, low, high) {
    return value.toLocaleString("en-US", { minimumFractionDigits: low, maximumFractionDigits: high })
      .replace("-", "\u2212");
  }
  function shown(line, value) {
    if (line.digits !== undefined) { return plain(value, line.digits, Math.max(line.digits, 2)); }
    const small = value !== 0 && Math.abs(value) < 1e-4;
    return small || Math.abs(value) >= 1e15 ? value.toExponential(5) : plain(value, 0, 9);
  }

  // Index of the last of ascending numbers that is not above one; -1 where all are.
  function lastAt(numbers, most) {
    let low = 0, high = numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[middle] <= most) { low = middle + 1; } else { high = middle; }
    }
    return low - 1;
  }

  function timeTicks(u, axis, min, max) {
    const width = max - min < 20 * SECOND ? 140 : 84;
    const most = Math.max(2, Math.floor(u.width / width));
    const step = STEPS.find((s) => (max - min) / s <= most) || STEPS[STEPS.length - 1];
    const out = [];
    for (let k = Math.ceil(min / step); k * step <= max; k++) { out.push(k * step); }
    return out;
  }
  function timeLabels(u, ticks) {
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : SECOND;
    const digits = step >= SECOND ? 0 : Math.ceil(-Math.log10(step / SECOND) - 1e-9);
    const { min, max } = u.scales.x;
    let day = "";
    return ticks.map(function (tick) {
      if (tick > max - (max - min) * 0.03) { return ""; }  // it would be cut off
      const at = when(tick);
      const time = step >= 60 * SECOND ? at.time.slice(0, 5)
        : at.time + (digits ? "." + at.rest.slice(0, digits) : "");
      const fresh = at.day !== day;
      day = at.day;
      if (step >= 86400 * SECOND) { return at.day; }
      return fresh ? time + "\n" + at.day : time;
    });
  }
  function labelRoom(u, values, axis, cycle) {
    const own = u.axes[axis];
    if (cycle > 1) { return own._size; }
    const longest = (values || []).reduce((a, v) => v.length > a.length ? v : a, "");
    u.ctx.font = own.font[0];
    return Math.ceil(18 + u.ctx.measureText(longest).width / devicePixelRatio);
  }
  function numberLabels(u, ticks) {
    const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : 1;
    let digits = Math.min(9, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
    const off = () => Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits));
    while (digits < 9 && off() > 1e-6 * step * 10 ** digits) { digits += 1; }  // 2.5 has one, too
    return ticks.map((v) => v === null ? "" : plain(v, digits, digits));
  }

  return { unpack, css, element, byId, fullTime, when, plain, shown, lastAt, timeTicks, timeLabels,
    labelRoom, numberLabels };
})();
