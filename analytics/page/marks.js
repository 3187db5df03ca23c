// What stands on a chart beside its lines: best prices, fills, volumes, errors of points.
window.tapewireMarks = (function () {
  "use strict";
  const { css, lastAt, plain, when } = window.tapewireNumbers;
  const BUCKETS_MIN = 6;
  const INSIDE = 0.98;  // of the best prices in view that a scale is sure to hold
  const EMPTY = "o", EXACT = "e";

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
  // Steps of the band that are in view and have two sides, and where the last of them ends.
  function bandSteps(chart) {
    const band = chart.band, steps = [];
    if (!seen(chart, "Bid to ask")) { return steps; }
    for (let k = Math.max(0, lastAt(band.x, chart.view[0])); k < band.x.length; k++) {
      if (band.x[k] > chart.view[1]) { break; }
      if (band.kinds[k] !== EMPTY) { steps.push(k); }
    }
    return steps;
  }
  function bandRange(chart, low, high) {
    const steps = bandSteps(chart), last = Math.ceil(INSIDE * (steps.length - 1));
    if (!steps.length) { return [low, high]; }
    const bids = steps.map((k) => chart.band.bid[k]).sort((a, b) => b - a);
    const asks = steps.map((k) => chart.band.ask[k]).sort((a, b) => a - b);
    return [Math.min(low, bids[last]), Math.max(high, asks[last])];
  }
  function bandWords(chart, x) {
    const band = chart.band, words = [];
    if (!band) { return words; }
    const k = lastAt(band.x, x), bar = Math.floor((x - band.volume.start) / band.volume.width);
    if (k >= 0 && seen(chart, "Bid to ask")) {
      const bid = plain(band.bid[k], 0, 9), ask = plain(band.ask[k], 0, 9);
      words.push(band.kinds[k] === EMPTY ? "one side is empty"
        : band.kinds[k] === EXACT ? "bid " + bid + ", ask " + ask
          : "lowest bid " + bid + ", highest ask " + ask + " within "
            + plain(band.width / 1e9, 0, 3) + " s");
    }
    if (band.volume.lots[bar] > 0 && seen(chart, "Market volume")) {
      const start = band.volume.start + bar * band.volume.width;
      words.push("market: " + plain(band.volume.lots[bar], 0, 0) + " lots from " + when(start).time
        + " to " + when(start + band.volume.width).time);
    }
    return words;
  }
  function drawBand(u, chart) {
    const band = chart.band, left = u.bbox.left, right = left + u.bbox.width;
    const area = new Path2D(), edges = new Path2D();
    bandSteps(chart).forEach(function (k) {
      const end = k + 1 < band.x.length ? band.x[k + 1] : chart.range[1];
      const from = Math.max(left, u.valToPos(band.x[k], "x", true));
      const to = Math.min(right, u.valToPos(end, "x", true));
      const top = u.valToPos(band.ask[k], "y", true), bottom = u.valToPos(band.bid[k], "y", true);
      area.rect(from, top, Math.max(1, to - from), Math.max(1, bottom - top));
      if (band.kinds[k] !== EXACT) { return; }
      [top, bottom].forEach(function (y) { edges.moveTo(from, y); edges.lineTo(to, y); });
    });
    u.ctx.globalAlpha = 0.22;
    u.ctx.fillStyle = u.ctx.strokeStyle = css("--s3");
    u.ctx.fill(area);
    u.ctx.globalAlpha = 0.8;
    u.ctx.lineWidth = devicePixelRatio;
    u.ctx.stroke(edges);
    u.ctx.globalAlpha = 1;
  }
  // Lots of the market, to a scale of their own; none where a bar would fill what is in view.
  function drawMarket(u, chart) {
    const volume = chart.band.volume, bars = [];
    if (chart.view[1] - chart.view[0] < BUCKETS_MIN * volume.width) { return; }
    volume.lots.forEach(function (lots, k) {
      const start = volume.start + k * volume.width;
      if (start < chart.view[1] && start + volume.width > chart.view[0]) { bars.push([start, lots]); }
    });
    const most = Math.max(1, ...bars.map((bar) => bar[1]));
    const floor = u.bbox.top + u.bbox.height, unit = u.bbox.height * 0.2 / most;
    u.ctx.globalAlpha = 0.25;
    u.ctx.fillStyle = css("--s3");
    bars.forEach(function ([start, lots]) {
      const left = u.valToPos(start, "x", true), right = u.valToPos(start + volume.width, "x", true);
      u.ctx.fillRect(left, floor - lots * unit, Math.max(1, right - left), lots * unit);
    });
    u.ctx.globalAlpha = 1;
  }
  // Candles in view: first and end of their places.
  function barsInView(chart) {
    return [Math.max(0, lastAt(chart.bars.x, chart.view[0])), lastAt(chart.bars.x, chart.view[1]) + 1];
  }
  function barWords(chart, x) {
    const bars = chart.bars;
    if (!bars || !seen(chart, "Candles")) { return []; }
    const k = lastAt(bars.x, x);
    if (k < 0 || x >= bars.end[k]) { return []; }
    return ["open " + plain(bars.open[k], 0, 9) + ", high " + plain(bars.high[k], 0, 9),
      "low " + plain(bars.low[k], 0, 9) + ", close " + plain(bars.close[k], 0, 9)];
  }
  // Candles: hollow where they rose, full where they fell, lines where there is no room for bodies.
  function drawBars(u, chart) {
    const bars = chart.bars, [first, end] = barsInView(chart);
    const at = (k, value) => u.valToPos(value, "y", true);
    const room = u.valToPos(bars.end[first], "x", true) - u.valToPos(bars.x[first], "x", true);
    u.ctx.strokeStyle = u.ctx.fillStyle = css("--soft");
    u.ctx.lineWidth = Math.min(devicePixelRatio, Math.max(0.6, room / 2));
    for (let k = first; k < end; k++) {
      const left = u.valToPos(bars.x[k], "x", true), right = u.valToPos(bars.end[k], "x", true);
      const middle = (left + right) / 2, width = Math.max(1, (right - left) * 0.7);
      const top = at(k, Math.max(bars.open[k], bars.close[k]));
      const bottom = at(k, Math.min(bars.open[k], bars.close[k]));
      u.ctx.beginPath();
      u.ctx.moveTo(middle, at(k, bars.high[k]));
      u.ctx.lineTo(middle, top);
      u.ctx.moveTo(middle, bottom);
      u.ctx.lineTo(middle, at(k, bars.low[k]));
      if (width < 3 * devicePixelRatio) {
        u.ctx.moveTo(middle, top);
        u.ctx.lineTo(middle, bottom);
      }
      u.ctx.stroke();
      if (width < 3 * devicePixelRatio) { continue; }
      if (bars.close[k] > bars.open[k]) {
        u.ctx.strokeRect(middle - width / 2, top, width, Math.max(1, bottom - top));
      } else {
        u.ctx.fillRect(middle - width / 2, top, width, Math.max(devicePixelRatio, bottom - top));
      }
    }
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
    if (chart.bars && seen(chart, "Candles")) { drawBars(u, chart); }
    if (chart.band) { drawBand(u, chart); }
    if (chart.band && seen(chart, "Market volume")) { drawMarket(u, chart); }
    if (chart.volume) { drawVolume(u, chart); }
    if (chart.quotes) { drawQuotes(u, chart); }
    if (chart.fills) { drawFills(u, chart); }
    drawErrors(u, chart);
    u.ctx.restore();
  }

  return { seen, inView, volumes, bandRange, bandWords, barWords, drawOver };
})();
