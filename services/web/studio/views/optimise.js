import { field, h, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { asksForJob, dataChoice, lines, noData } from "/studio/views/forms.js";

const FIRST = {
  sma_cross: "fast=5:20:5\nslow=40:80:20",
  barra_elefante: "min_amplitude=1.5:2.5:0.5\nstop_atr=1,2\ntarget_atr=2,4",
};

/** Ask for the best parameters of a strategy. */
export async function optimiseView(main, { go, signal }) {
  const text = TEXT.optimise;
  const asked = new URLSearchParams(location.search);
  const data = await dataChoice(signal);
  if (!data) {
    show(main, h("h1", {}, text.title), noData());
    return;
  }
  const strategy = h("select", { name: "strategy" }, Object.keys(FIRST).map((one) => h("option", { selected: one === asked.get("strategy") }, one)));
  const parameters = h("textarea", { name: "parameters", rows: 4, spellcheck: "false" }, asked.get("parameters") || FIRST[strategy.value]);
  const assumptions = h("textarea", { name: "assumptions", rows: 2, spellcheck: "false", placeholder: "stop_loss=3 atr" }, asked.get("assumptions") || "");
  const objective = h("input", { name: "objective", value: "sharpe_annualised" });
  const top = h("input", { type: "number", name: "top", value: 100, min: 1, max: 1000 });
  if (asked.get("data")) data.value = asked.get("data");
  strategy.addEventListener("change", () => { parameters.value = FIRST[strategy.value]; });
  const form = h("form", { class: "card" }, field(text.data, data), field(text.strategy, strategy),
    field(text.parameters, parameters), field(text.assumptions, assumptions),
    h("div", { class: "row" }, field(text.objective, objective), field(text.top, top)), h("button", {}, text.go));
  asksForJob(form, "OptimizerService/Start", () => ({
    bars: { data: data.value }, strategy: strategy.value, parameters: lines(parameters),
    assumptions: lines(assumptions), objective: objective.value, top: Number(top.value),
  }), go);
  show(main, h("h1", {}, text.title), form);
}
