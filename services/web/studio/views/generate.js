import { field, h, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { asksForJob, barsChoice, noData } from "/studio/views/forms.js";

/** Ask for strategies that are made by rule. */
export async function generateView(main, { go, signal }) {
  const text = TEXT.generate;
  const data = await barsChoice(signal);
  if (!data) {
    show(main, h("h1", {}, text.title), noData());
    return;
  }
  const whole = (name, value, least = 1) => h("input", { type: "number", name, value, min: least, step: 1, required: true });
  const method = h("select", { name: "method" }, Object.entries(text.methods).map(([value, label]) => h("option", { value }, label)));
  const count = whole("count", 1000);
  const population = whole("population", 100, 2);
  const generations = whole("generations", 10);
  const seed = whole("seed", 1, 0);
  const timeframe = h("select", { name: "timeframe" }, ["1m", "5m", "15m", "30m", "1h", "4h", "1d"].map((one) => h("option", { selected: one === "1h" }, one)));
  const indicators = whole("max_indicators", 5);
  const conditions = whole("max_conditions", 10);
  const complexity = whole("complexity_score_max", 100);
  const allowed = h("input", { name: "allowed", placeholder: "sma, rsi, atr" });
  const judge = h("input", { type: "checkbox", checked: true });
  const bred = h("div", { class: "row" }, field(text.population, population), field(text.generations, generations));
  const drawn = field(text.count, count);
  const fit = () => { const is = method.value === "genetic"; bred.hidden = !is; drawn.hidden = is; };
  method.addEventListener("change", fit);
  fit();
  const form = h("form", { class: "card" },
    data.place, h("div", { class: "row" }, field(text.method, method), drawn, field(text.seed, seed), field(text.timeframe, timeframe)),
    bred, h("div", { class: "row" }, field(text.indicators, indicators), field(text.conditions, conditions), field(text.complexity, complexity)),
    field(text.allowed, allowed), h("label", { class: "check" }, judge, text.judge), h("button", {}, text.go));
  asksForJob(form, "StrategyService/Generate", () => ({
    bars: data.bars(),
    skip_judging: !judge.checked,
    settings: {
      method: method.value, seed: seed.value, timeframes: [timeframe.value],
      ...(method.value === "genetic"
        ? { population: population.value, generations: generations.value }
        : { count: count.value }),
      constraints: {
        max_indicators: Number(indicators.value), max_conditions: Number(conditions.value),
        complexity_score_max: Number(complexity.value),
        allowed_indicators: allowed.value.split(/[\s,]+/).filter(Boolean),
      },
    },
  }), go);
  show(main, h("h1", {}, text.title), form);
}
