// What stands on a chart beside its lines: fills, the volume they make, errors of points.
window.tapewireMarks = (function () {
  "use strict";
  const { css, lastAt } = window.tapewireNumbers;
  const BUCKETS_MIN = 6;

  function seen(chart, name) { return !chart.hidden[name]; }

  // Buckets of the strategy's own volume that are in view: start, end, lots bought and sold.
  // Where fewer than a few are, each fill has a bar of its own, if all fills are there.
  function volumes(chart) {
    const volume = chart.volume, fills = chart.fills, out = [];
    if (!volume) { return out; }
    if (chart.view[1] - chart.view[0] < BUCKETS_MIN * volume.width) {
      const [from, end] = fills.whole ? inView(chart) : [0, 0];
      for (let k = from; k < end; k++) {
        out.push({ start: fills.x[k], end: fills.x[k], buys: Math.max(fills.lots[k], 0),
          sells: Math.max(-fills.lots[k], 0) });
      }
      return out;
    }
    const first = Math.max(0, Math.floor((chart.view[0] - volume.start) / volume.width));
    for (let k = first; k < volume.buys.length; k++) {
      const start = volume.start + k * volume.width;
      if (start > chart.view[1]) { break; }
      out.push({ start: start, end: start + volume.width, buys: volume.buys[k], sells: volume.sells[k] });
    }
    return out;
  }
  function drawVolume(u, chart) {
    const bars = seen(chart, "Own volume") ? volumes(chart) : [];
    const most = Math.max(1, ...bars.map((bar) => bar.buys + bar.sells));
    const floor = u.bbox.top + u.bbox.height, unit = u.bbox.height * 0.2 / most;
    u.ctx.globalAlpha = 0.45;
    bars.forEach(function (bar) {
      const left = Math.max(u.bbox.left, u.valToPos(bar.start, "x", true));
      const right = Math.min(u.bbox.left + u.bbox.width, u.valToPos(bar.end, "x", true));
      const width = bar.start === bar.end ? 3 * devicePixelRatio : Math.max(1, right - left - 1);
      u.ctx.fillStyle = css("--buy");
      u.ctx.fillRect(left, floor - bar.buys * unit, width, bar.buys * unit);
      u.ctx.fillStyle = css("--sell");
      u.ctx.fillRect(left, floor - (bar.buys + bar.sells) * unit, width, bar.sells * unit);
    });
    u.ctx.globalAlpha = 1;
  }
  // Own orders, each a line at its price for as long as it rested.
  function drawQuotes(u, chart) {
    const quotes = chart.quotes;
    if (!seen(chart, "Own orders")) { return; }
    [[1, "--buy"], [0, "--sell"]].forEach(function ([buys, color]) {
      u.ctx.beginPath();
      for (let k = 0; k < quotes.x.length && quotes.x[k] <= chart.view[1]; k++) {
        const end = quotes.x[k] + quotes.length[k];
        if (quotes.buys[k] !== buys || end < chart.view[0]) { continue; }
        const y = u.valToPos(quotes.y[k], "y", true);
        u.ctx.moveTo(u.valToPos(Math.max(quotes.x[k], chart.view[0]), "x", true), y);
        u.ctx.lineTo(u.valToPos(Math.min(end, chart.view[1]), "x", true), y);
      }
      u.ctx.globalAlpha = 0.55;
      u.ctx.lineWidth = 1.5 * devicePixelRatio;
      u.ctx.strokeStyle = css(color);
      u.ctx.stroke();
      u.ctx.globalAlpha = 1;
    });
  }
  function inView(chart) {
    return [lastAt(chart.fills.x, chart.view[0]) + 1, lastAt(chart.fills.x, chart.view[1]) + 1];
  }
  function drawFills(u, chart) {
    const fills = chart.fills, [first, end] = inView(chart);
    const count = end - first;
    const size = (count > 1500 ? 2.5 : count > 400 ? 4 : count > 60 ? 6 : 8) * devicePixelRatio;
    [["Buys", 1, "--buy"], ["Sells", -1, "--sell"]].forEach(function ([name, side, color]) {
      if (!seen(chart, name)) { return; }
      u.ctx.beginPath();
      for (let k = first; k < end; k++) {
        if (fills.lots[k] * side <= 0) { continue; }
        const x = u.valToPos(fills.x[k], "x", true), y = u.valToPos(fills.y[k], "y", true);
        // The tip is the price: buys stand below it, sells above, so that neither hides the other.
        u.ctx.moveTo(x, y);
        u.ctx.lineTo(x + size, y + size * 1.7 * side);
        u.ctx.lineTo(x - size, y + size * 1.7 * side);
        u.ctx.closePath();
      }
      u.ctx.fillStyle = css(color);
      u.ctx.fill();
      if (count > 400) { return; }
      u.ctx.lineWidth = 0.6 * devicePixelRatio;
      u.ctx.strokeStyle = css("--card");
      u.ctx.stroke();
    });
    if (chart.at >= first && chart.at < end) {
      const x = u.valToPos(fills.x[chart.at], "x", true), y = u.valToPos(fills.y[chart.at], "y", true);
      u.ctx.beginPath();
      u.ctx.arc(x, y, size * 1.9, 0, 2 * Math.PI);
      u.ctx.lineWidth = 2 * devicePixelRatio;
      u.ctx.strokeStyle = css("--ink");
      u.ctx.stroke();
    }
  }
  function drawErrors(u, chart) {
    chart.lines.forEach(function (line) {
      if (!line.errors || !seen(chart, line.name)) { return; }
      u.ctx.beginPath();
      line.errors.forEach(function (error, k) {
        const x = u.valToPos(line.x[k], "x", true);
        u.ctx.moveTo(x, u.valToPos(line.y[k] - error, "y", true));
        u.ctx.lineTo(x, u.valToPos(line.y[k] + error, "y", true));
      });
      u.ctx.lineWidth = devicePixelRatio;
      u.ctx.strokeStyle = css(line.color);
      u.ctx.stroke();
    });
  }
  function drawOver(u, chart) {
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    u.ctx.clip();
    if (chart.volume) { drawVolume(u, chart); }
    if (chart.quotes) { drawQuotes(u, chart); }
    if (chart.fills) { drawFills(u, chart); }
    drawErrors(u, chart);
    u.ctx.restore();
  }

  return { seen, inView, volumes, drawOver };
})();
