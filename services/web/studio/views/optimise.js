import { field, h, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { asksForJob, barsChoice, lines, noData } from "/studio/views/forms.js";

const FIRST = {
  sma_cross: "fast=5:20:5\nslow=40:80:20",
  barra_elefante: "min_amplitude=1.5:2.5:0.5\nstop_atr=1,2\ntarget_atr=2,4",
};

/** Ask for the best parameters of a strategy. */
export async function optimiseView(main, { go, signal }) {
  const text = TEXT.optimise;
  const asked = new URLSearchParams(location.search);
  const data = await barsChoice(signal, asked);
  if (!data) {
    show(main, h("h1", {}, text.title), noData());
    return;
  }
  const strategy = h("select", { name: "strategy" }, Object.keys(FIRST).map((one) => h("option", { selected: one === asked.get("strategy") }, one)));
  const parameters = h("textarea", { name: "parameters", rows: 4, spellcheck: "false" }, asked.get("parameters") || FIRST[strategy.value]);
  const assumptions = h("textarea", { name: "assumptions", rows: 2, spellcheck: "false", placeholder: "slippage_bps=1" }, asked.get("assumptions") || "");
  const objective = h("input", { name: "objective", value: "sharpe_annualised" });
  const top = h("input", { type: "number", name: "top", value: 100, min: 1, max: 1000 });
  const walk = walkFields();
  strategy.addEventListener("change", () => { parameters.value = FIRST[strategy.value]; });
  const form = h("form", { class: "card" }, data.place, field(text.strategy, strategy),
    field(text.parameters, parameters), field(text.assumptions, assumptions),
    h("div", { class: "row" }, field(text.objective, objective), field(text.top, top)), walk.place, h("button", {}, text.go));
  asksForJob(form, "OptimizerService/Start", () => ({
    bars: data.bars(), strategy: strategy.value, parameters: lines(parameters),
    assumptions: lines(assumptions), objective: objective.value, top: Number(top.value), ...walk.asked(),
  }), go);
  show(main, h("h1", {}, text.title), form);
}

function walkFields() {
  const text = TEXT.optimise;
  const whole = (name, least) => h("input", { type: "number", name, min: least, step: 1 });
  const inputs = { train: whole("train", 1), test: whole("test", 1), purge: whole("purge", 0), embargo: whole("embargo", 0) };
  const by = h("select", { name: "by" }, Object.entries(text.bys).map(([value, label]) => h("option", { value }, label)));
  const anchored = h("input", { type: "checkbox", name: "anchored" });
  const place = h("details", { class: "group" }, h("summary", {}, text.walk), h("p", { class: "soft" }, text.walkTeach),
    h("div", { class: "row" }, Object.entries(inputs).map(([name, input]) => field(text[name], input)), field(text.by, by)),
    h("label", { class: "check" }, anchored, text.anchored));
  const asked = () => {
    const given = Object.entries(inputs).filter(([, input]) => input.value !== "").map(([name, input]) => [name, Number(input.value)]);
    return given.length ? { walk: { ...Object.fromEntries(given), anchored: anchored.checked, by: by.value } } : {};
  };
  return { place, asked };
}
