import { field, h, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { asksForJob, barsChoice, lines, noData } from "/studio/views/forms.js";

/** Ask for stored strategies to be traded on bars. */
export async function testView(main, { go, signal }) {
  const text = TEXT.test;
  const data = await barsChoice(signal);
  if (!data) {
    show(main, h("h1", {}, text.title), noData());
    return;
  }
  const keys = h("input", { name: "keys", value: new URLSearchParams(location.search).get("keys") || "", required: true });
  const assumptions = h("textarea", { name: "assumptions", rows: 2, spellcheck: "false", placeholder: "stop_loss=3 atr" });
  const form = h("form", { class: "card" }, field(text.which, keys), data.place,
    field(text.assumptions, assumptions), h("button", {}, text.go));
  asksForJob(form, "BacktestService/Run", () => ({
    bars: data.bars(), keys: keys.value.split(/[\s,]+/).filter(Boolean), assumptions: lines(assumptions),
  }), go);
  show(main, h("h1", {}, text.title), form);
}
