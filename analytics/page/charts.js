// The charts: lines over time (or over another number), fills on them, zoom, and their points as tables.
(function () {
  "use strict";
  const { unpack, css, element, byId, fullTime, when, plain, shown, lastAt, timeTicks, timeLabels,
    labelRoom, numberLabels } = window.tapewireNumbers;
  const { seen, inView, volumes, bandRange, bandWords, barWords, drawOver } = window.tapewireMarks;
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const SECOND = 1e9;  // times are in ns
  const TABLE_ROWS_MAX = 3000;
  const REACH = 14;  // CSS pixels within which a fill is pointed at
  const PRINT_WIDTH = 640;
  const BARS_AROUND = 60;  // candles in view around a mark
  const charts = {};
  let printing = false;

  function fillsOf(packed) {
    const words = (coded) => coded.codes.map((code) => coded.words[code]);
    return { called: packed.called || { liquidity: "Liquidity", order: "Order", mark: "Fill" },
      x: unpack(packed.x), y: unpack(packed.y), whole: packed.whole, lots: packed.lots,
      orders: packed.orders, reasons: words(packed.reasons), liquidity: words(packed.liquidity) };
  }
  function barsOf(packed) {
    const bars = {};
    ["x", "end", "open", "high", "low", "close"].forEach((name) => { bars[name] = unpack(packed[name]); });
    return bars;
  }
  function shapeOf(chart) {
    const given = data.charts[chart.id];
    return given.choices ? given.choices[chart.choice] : given;
  }
  function load(chart) {
    const shape = shapeOf(chart);
    chart.lines = shape.lines.map(function (line) {
      return Object.assign({}, line, { x: unpack(line.x), y: unpack(line.y) });
    });
    chart.fills = shape.fills ? fillsOf(shape.fills) : null;
    chart.quotes = shape.quotes && shape.quotes.buys.length ? { x: unpack(shape.quotes.x),
      length: unpack(shape.quotes.length), y: unpack(shape.quotes.y), buys: shape.quotes.buys } : null;
    chart.volume = shape.volume || null;
    const band = Number.isInteger(shape.band) ? data.charts[chart.id].bands[shape.band] : null;
    chart.band = band && Object.assign({}, band,
      { x: unpack(band.x), bid: unpack(band.bid), ask: unpack(band.ask) });
    chart.bars = shape.bars ? barsOf(shape.bars) : null;
    chart.log = shape.kind === "log";
    const all = chart.log ? chart.lines.flatMap((line) => Array.from(line.x)) : null;
    chart.range = chart.log ? [Math.min(...all) / 1.4, Math.max(...all) * 1.4] : data.range;
    chart.view = chart.range.slice();
    chart.at = -1;
  }
  function valueRange(chart) {
    let low = Infinity, high = -Infinity;
    const take = function (x, y, from) {
      for (let k = Math.max(0, from); k < x.length && x[k] <= chart.view[1]; k++) {
        if (y[k] < low) { low = y[k]; }
        if (y[k] > high) { high = y[k]; }
      }
    };
    chart.lines.forEach(function (line) {
      if (seen(chart, line.name)) { take(line.x, line.y, lastAt(line.x, chart.view[0])); }
    });
    chart.lines.filter((line) => line.errors && seen(chart, line.name)).forEach(function (line) {
      [-1, 1].forEach((side) => take(line.x, line.y.map((y, k) => y + side * line.errors[k]), 0));
    });
    if (chart.bars && seen(chart, "Candles")) {
      const from = lastAt(chart.bars.x, chart.view[0]);
      take(chart.bars.x, chart.bars.low, from);
      take(chart.bars.x, chart.bars.high, from);
    }
    if (chart.fills) {
      take(chart.fills.x, chart.fills.y, lastAt(chart.fills.x, chart.view[0]) + 1);
    }
    if (chart.band) { [low, high] = bandRange(chart, low, high); }
    if (shapeOf(chart).zero) { low = Math.min(low, 0); high = Math.max(high, 0); }
    if (low > high) { return [-1, 1]; }
    const room = (high - low) * 0.06 || Math.abs(high) * 0.001 || 1;
    return [low - room - (chart.volume ? (high - low + 2 * room) * 0.28 : 0), high + room];
  }

  function sideWord(lots) { return lots > 0 ? "BUY" : "SELL"; }
  function fillWords(fills, k) {
    return sideWord(fills.lots[k]) + " " + Math.abs(fills.lots[k]) + " at " + plain(fills.y[k], 0, 9)
      + " \u00b7 " + fills.liquidity[k] + " \u00b7 " + fills.reasons[k]
      + " \u00b7 " + fills.called.order.toLowerCase() + " " + fills.orders[k];
  }
  function nearest(u, chart, left, top) {
    let best = -1, least = REACH * REACH;
    if (!chart.fills) { return best; }
    const [first, end] = inView(chart);
    for (let k = first; k < end; k++) {
      if (!seen(chart, chart.fills.lots[k] > 0 ? "Buys" : "Sells")) { continue; }
      const dx = u.valToPos(chart.fills.x[k], "x") - left, dy = u.valToPos(chart.fills.y[k], "y") - top;
      if (dx * dx + dy * dy < least) { least = dx * dx + dy * dy; best = k; }
    }
    return best;
  }
  function point(u, chart) {
    const left = u.cursor.left, top = u.cursor.top, tip = chart.tip;
    tip.hidden = left < 0 || (u.cursor.idx === null && !chart.fills);
    if (tip.hidden) { return; }
    const x = u.posToVal(left, "x"), fill = nearest(u, chart, left, top);
    tip.textContent = "";
    if (fill >= 0) {
      tip.append(element("div", "when", fullTime(chart.fills.x[fill])),
        element("div", "", fillWords(chart.fills, fill)));
    } else {
      tip.append(element("div", "when", chart.log ? plain(x, 0, 6) : fullTime(x).slice(0, 23)));
      chart.lines.forEach(function (line) {
        const k = lastAt(line.x, x);
        if (k < 0 || line.quiet || !seen(chart, line.name)) { return; }
        const row = element("div");
        row.append(swatch(line), line.name + " " + shown(line, line.y[k]));
        tip.append(row);
      });
      barWords(chart, x).concat(bandWords(chart, x)).forEach((words) => tip.append(element("div", "", words)));
      volumes(chart).filter((bar) => bar.start <= x && x < bar.end && bar.buys + bar.sells > 0)
        .forEach((bar) => tip.append(element("div", "when",
          "bought " + bar.buys + ", sold " + bar.sells + " from " + when(bar.start).time + " to "
          + when(bar.end).time)));
    }
    const over = u.over.offsetLeft + left, room = byId("chart", chart.id).clientWidth;
    const width = tip.offsetWidth;
    tip.style.left = Math.max(0, over + 14 + width > room ? over - 14 - width : over + 14) + "px";
    tip.style.top = Math.max(0, u.over.offsetTop + 6) + "px";
  }

  function swatch(line) {
    const made = element("span", "swatch");
    if (line.up !== undefined) {
      made.className += " mark";
      made.style[line.up ? "borderBottom" : "borderTop"] = "9px solid var(" + line.color + ")";
      made.style[line.up ? "borderTopWidth" : "borderBottomWidth"] = "0";
    } else {
      made.style.background = "var(" + line.color + ")";
    }
    return made;
  }
  function legend(chart) {
    const box = byId("legend", chart.id), entries = chart.lines.filter((line) => !line.quiet);
    if (chart.bars) { entries.push({ name: "Candles", color: "--soft" }); }
    if (chart.fills) {
      entries.push({ name: "Buys", color: "--buy", up: true }, { name: "Sells", color: "--sell", up: false });
    }
    if (chart.quotes) { entries.push({ name: "Own orders", color: "--buy" }); }
    if (chart.band) {
      entries.push({ name: "Bid to ask", color: "--s3" }, { name: "Market volume", color: "--s3" });
    }
    if (chart.volume) { entries.push({ name: "Own volume", color: "--s8" }); }
    box.textContent = "";
    if (entries.length < 2) { return; }
    entries.forEach(function (entry) {
      const button = element("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(seen(chart, entry.name)));
      button.append(swatch(entry), entry.name);
      button.addEventListener("click", function () {
        chart.hidden[entry.name] = seen(chart, entry.name);
        button.setAttribute("aria-pressed", String(seen(chart, entry.name)));
        draw(chart);
      });
      box.append(button);
    });
  }

  function options(chart, box) {
    const narrow = box.clientWidth < 640;
    const axis = { stroke: () => css("--soft"), font: (narrow ? "11px " : "12px ")
      + getComputedStyle(document.body).fontFamily, grid: { stroke: () => css("--grid"), width: 1 },
      ticks: { show: false } };
    const series = chart.lines.map(function (line) {
      return {
        label: line.name, show: seen(chart, line.name), stroke: () => css(line.color),
        width: line.bold ? 2.2 : 1.5,
        fill: line.fill ? () => css(line.color) + "22" : undefined, fillTo: 0,
        paths: line.dots || line.quiet ? () => null : chart.log ? uPlot.paths.linear() : uPlot.paths.stepped({ align: 1 }),
        points: { show: Boolean(line.dots) || (line.x.length === 1 && !line.quiet), size: 6, fill: () => css(line.color) }
      };
    });
    return {
      width: printing ? PRINT_WIDTH : box.clientWidth, height: box.clientHeight, padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: !chart.log, y: false },
        bind: { dblclick: () => null } },
      series: [{}, ...series],
      scales: {
        x: { time: false, distr: chart.log ? 3 : 1, range: function (u, min, max) {
          if (chart.log || min === null || max - min < 1) { return chart.view; }
          chart.view = chart.fresh ? chart.range.slice() : [min, max];
          chart.fresh = false;
          return chart.view;
        } },
        y: { range: () => valueRange(chart) }
      },
      axes: [
        Object.assign({}, axis, chart.log ? { size: 32 }
          : { splits: timeTicks, values: timeLabels, size: 44, grid: { show: false } }),
        Object.assign({}, axis, { size: labelRoom, values: numberLabels })
      ],
      hooks: { draw: [(u) => drawOver(u, chart)], setCursor: [(u) => point(u, chart)] }
    };
  }

  // Draws a chart anew, within what is in view.
  function draw(chart) {
    const box = byId("chart", chart.id), view = chart.view.slice();
    if (chart.plot) { chart.plot.destroy(); }
    box.textContent = "";
    chart.tip = element("div", "tip");
    chart.tip.hidden = true;
    const lines = chart.lines.map((line) => [line.x, line.y]);
    const joined = lines.length > 1 ? uPlot.join(lines) : lines[0];
    // A chart without a point still has its axes.
    const points = joined && joined[0].length ? joined : [chart.range, ...lines.map(() => [null, null])];
    chart.fresh = true;
    chart.plot = new uPlot(options(chart, box), points, box);
    box.append(chart.tip);
    chart.plot.over.addEventListener("click", function () {
      const fill = nearest(chart.plot, chart, chart.plot.cursor.left, chart.plot.cursor.top);
      if (fill >= 0) { tell(chart, fill); }
    });
    chart.plot.over.addEventListener("dblclick", () => look(chart, chart.range));
    if (!chart.log && (view[0] !== chart.range[0] || view[1] !== chart.range[1])) { look(chart, view); }
    return chart;
  }
  function look(chart, view) {
    const [first, last] = chart.range;
    const width = Math.min(Math.max(view[1] - view[0], 1000), last - first);
    const start = Math.min(Math.max(view[0], first), last - width);
    chart.plot.setScale("x", { min: start, max: start + width });
  }
  function zoom(chart, factor, shift) {
    const width = (chart.view[1] - chart.view[0]) * factor;
    const middle = (chart.view[0] + chart.view[1]) / 2 + shift * width;
    look(chart, [middle - width / 2, middle + width / 2]);
  }

  function quoted(word) {
    return /^[\w.,:@%+\/-]+$/.test(word) ? word : "'" + word.replace(/'/g, "'\\''") + "'";
  }
  function tell(chart, fill) {
    const shape = shapeOf(chart), box = byId("story", chart.id);
    const folder = location.protocol === "file:"
      ? decodeURIComponent(location.pathname.replace(/\/[^\/]*$/, "")) : "RUN";
    if (!box) {
      chart.at = fill;
      chart.plot.redraw(false);
      return;
    }
    box.textContent = fullTime(chart.fills.x[fill]) + " UTC: " + fillWords(chart.fills, fill) + ". ";
    box.append(element("code", "", "tapewire explain " + quoted(folder) + " "
      + quoted(chart.fills.orders[fill]) + " -s " + quoted(shape.strategy)
      + " --symbol " + quoted(shape.symbol)));
    chart.at = fill;
    chart.plot.redraw(false);
  }
  // Goes to the next fill, or the one before, with a second around it or what is shown, if less.
  function step(chart, by) {
    const fills = chart.fills, middle = (chart.view[0] + chart.view[1]) / 2;
    if (!fills.x.length) { return; }
    const from = chart.at >= 0 ? chart.at : lastAt(fills.x, middle) + (by > 0 ? 0 : 1);
    const fill = Math.min(Math.max(from + by, 0), fills.x.length - 1);
    const around = chart.bars ? BARS_AROUND * (chart.bars.end[0] - chart.bars.x[0]) : 2 * SECOND;
    const half = Math.min(chart.view[1] - chart.view[0], around) / 2;
    tell(chart, fill);
    look(chart, [fills.x[fill] - half, fills.x[fill] + half]);
  }
  function buttons(chart) {
    const box = byId("buttons", chart.id), made = [];
    const add = function (text, act) {
      const button = element("button", "", text);
      button.type = "button";
      button.addEventListener("click", act);
      made.push(button);
    };
    if (!chart.log) {
      add("Zoom in", () => zoom(chart, 0.5, 0));
      add("Zoom out", () => zoom(chart, 2, 0));
      add("All", () => look(chart, chart.range));
    }
    if (chart.fills) {
      add("\u2190 " + chart.fills.called.mark, () => step(chart, -1));
      add(chart.fills.called.mark + " \u2192", () => step(chart, 1));
    }
    box.append(...made);
    byId("chart", chart.id).addEventListener("keydown", function (e) {
      const act = { "+": [0.5, 0], "-": [2, 0], ArrowLeft: [1, -0.25], ArrowRight: [1, 0.25], "0": [0, 0] };
      if (chart.log || !act[e.key] || e.ctrlKey || e.metaKey || e.altKey) { return; }
      e.preventDefault();
      if (e.key === "0") { look(chart, chart.range); } else { zoom(chart, ...act[e.key]); }
    });
  }

  // The points in view: of a chart with fills those, else every time at which a line moves.
  function pointRows(chart) {
    const fills = chart.fills;
    if (fills) {
      const [first, end] = inView(chart), rows = [];
      for (let k = first; k < end; k++) {
        rows.push([fullTime(fills.x[k]), sideWord(fills.lots[k]), Math.abs(fills.lots[k]),
          plain(fills.y[k], 0, 9), fills.liquidity[k], fills.reasons[k], fills.orders[k]]);
      }
      const called = fills.called;
      return { head: ["Time (UTC)", "Side", chart.bars ? "Units" : "Lots", "Price", called.liquidity,
        "Reason", called.order], rows: rows };
    }
    const times = Array.from(new Set(chart.lines.flatMap((line) => Array.from(line.x))))
      .filter((x) => x >= chart.view[0] && x <= chart.view[1]).sort((a, b) => a - b);
    const rows = times.map((x) => [chart.log ? String(x) : fullTime(x), ...chart.lines.map(function (line) {
      const k = lastAt(line.x, x);
      return k < 0 ? "" : shown(line, line.y[k]);
    })]);
    const first = shapeOf(chart).axis || "Time (UTC)";
    return { head: [first, ...chart.lines.map((line) => line.name)], rows: rows };
  }
  function points(chart) {
    const box = byId("points", chart.id);
    while (box.children.length > 1) { box.lastChild.remove(); }
    if (!box.open) { return; }
    const found = pointRows(chart), table = element("table"), scroll = element("div", "scroll");
    const head = table.createTHead().insertRow(), body = table.createTBody();
    found.head.forEach(function (text) {
      const cell = element("th", "", text);
      cell.scope = "col";
      head.append(cell);
    });
    found.rows.slice(0, TABLE_ROWS_MAX).forEach(function (row) {
      const made = body.insertRow();
      row.forEach((text, k) => made.append(element(k ? "td" : "th", "", String(text))));
    });
    scroll.append(table);
    const note = found.rows.length > TABLE_ROWS_MAX
      ? "The first " + TABLE_ROWS_MAX + " of " + found.rows.length
        + " points in view; zoom in for the others."
      : found.rows.length + " points in view.";
    box.append(element("p", "note", note), scroll);
    window.tapewireTables.sortable(table);
  }

  function start(id) {
    const chart = charts[id] = { id: id, choice: 0, hidden: {}, plot: null, fresh: true };
    const pick = byId("pick", id);
    const shown = function () {
      load(chart);
      if (data.charts[id].choices) { byId("note", id).textContent = shapeOf(chart).note; }
      legend(chart);
      draw(chart);
    };
    shown();
    buttons(chart);
    byId("points", id).addEventListener("toggle", () => points(chart));
    if (pick) {
      pick.addEventListener("change", function () {
        chart.choice = Number(pick.value);
        byId("story", id).textContent = "";
        shown();
        points(chart);
      });
    }
  }
  function redraw() { Object.values(charts).forEach(draw); }
  function print(now) {
    printing = now;
    root.classList.toggle("print", now);
    redraw();
  }

  Object.keys(data.charts).forEach(start);
  dark.addEventListener("change", redraw);
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
  const resized = new ResizeObserver(function (entries) {
    entries.forEach(function (entry) {
      const chart = charts[entry.target.id.slice("chart-".length)];
      const width = Math.round(entry.contentRect.width), height = Math.round(entry.contentRect.height);
      if (printing || width <= 0 || (chart.plot.width === width && chart.plot.height === height)) { return; }
      chart.plot.setSize({ width: width, height: height });
    });
  });
  Object.keys(charts).forEach((id) => resized.observe(byId("chart", id)));
  window.tapewireCharts = charts;
  // uPlot draws at the end of this turn.
  setTimeout(function () { root.dataset.chartsDrawn = String(Object.keys(charts).length); }, 0);
})();
