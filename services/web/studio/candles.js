// Bars over time, painted on a chart: hollow where they rose, filled where they fell.

const seconds = (ns) => Number(BigInt(ns) / 1000n) / 1e6;
/** The share of its time that a bar's body is wide. */
const BODY = 0.7;

/** Return a stretch's bars as the lines that a chart scales to and tells of. */
export function linesOf(candles) {
  return ["high", "low", "open", "close"].map((name) => ({ name, ts_ns: candles.ts_ns, values: candles[name] }));
}

/** Paint bars over a plot; `color(name)` gives a colour of the page. */
export function paintCandles(u, candles, color) {
  const { ctx } = u;
  const step = seconds(candles.step_ns);
  const wide = Math.abs(u.valToPos(u.scales.x.min + step, "x", true) - u.valToPos(u.scales.x.min, "x", true));
  const body = Math.max(1, wide * BODY);
  const hasBodies = wide > 3 * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  ctx.lineWidth = Math.max(1, devicePixelRatio);
  for (const rises of [true, false]) {
    ctx.strokeStyle = ctx.fillStyle = color(rises ? "--s1" : "--s2");
    ctx.beginPath();
    for (let k = 0; k < candles.ts_ns.length; k += 1) {
      if ((candles.close[k] >= candles.open[k]) !== rises) continue;
      const at = u.valToPos(seconds(candles.ts_ns[k]) + step / 2, "x", true);
      const [high, low, open, close] = [candles.high[k], candles.low[k], candles.open[k], candles.close[k]].map((one) => u.valToPos(one, "y", true));
      const [upper, lower] = [Math.min(open, close), Math.max(open, close)];
      ctx.moveTo(at, high);
      ctx.lineTo(at, hasBodies ? upper : low);
      if (!hasBodies) continue;
      ctx.moveTo(at, lower);
      ctx.lineTo(at, low);
      if (rises) ctx.rect(at - body / 2, upper, body, Math.max(1, lower - upper));
      else ctx.fillRect(at - body / 2, upper, body, Math.max(1, lower - upper));
    }
    ctx.stroke();
  }
  ctx.restore();
}
