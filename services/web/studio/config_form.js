// A form made from a configuration's schema, with its YAML beside it; each follows the other.
import { call, newKey } from "/studio/api.js";
import { h, say, show } from "/studio/dom.js";
import { fieldsOf, listOf } from "/studio/forms_of_schema.js";
import { RUNS } from "/studio/strings_runs.js";

/** How long what is typed rests until it is checked, ms. */
const REST_MS = 400;

/**
 * Return a form of a schema. `checks` is the call that checks, `names` are files to choose from, `go`
 * is what the button says, `more` are fields of its own; `submit(yaml, key)` asks for it.
 */
export function configForm({ schema, checks, names, go, more = null, submit, signal }) {
  const text = RUNS.backtest;
  const yaml = h("textarea", { name: "yaml", rows: 24, spellcheck: "false", "aria-label": text.yaml });
  const form = h("div");
  const problems = h("div", { role: "status", "aria-live": "polite" });
  const run = h("button", { type: "submit" }, go);
  let key = newKey();
  let whole = {};
  let resting = 0;
  let asking = new AbortController();

  async function check(given, draws) {
    asking.abort();
    asking = new AbortController();
    const mine = asking;
    const found = await call(checks, given, mine.signal);
    if (mine.signal.aborted || signal.aborted) return;
    if (given.yaml === undefined) yaml.value = found.yaml;
    if (found.json) {
      const next = JSON.parse(found.json);
      if (draws) { whole = next && typeof next === "object" && !Array.isArray(next) ? next : {}; draw(); }
    }
    run.disabled = found.problems.length > 0;
    show(problems, found.problems.length
      ? [h("h2", {}, text.problems), h("ul", { class: "bad problems" }, found.problems.map((one) => h("li", {}, one)))]
      : h("p", { class: "soft" }, text.right));
  }
  const later = (given, draws) => {
    key = newKey();
    run.disabled = true;
    clearTimeout(resting);
    resting = setTimeout(() => check(given(), draws).catch((error) => { if (error.name !== "AbortError" && !signal.aborted) say(error.message, true); }), REST_MS);
  };
  yaml.addEventListener("input", () => later(() => ({ yaml: yaml.value }), true));

  function draw() {
    const context = { files: names, changed: () => later(() => ({ json: JSON.stringify(whole) }), false) };
    if (!whole.backtest || typeof whole.backtest !== "object") whole.backtest = {};
    const parts = Object.entries(schema.properties.backtest.properties).map(([name, of]) => {
      const made = fieldsOf(of, whole.backtest, name, `backtest.${name}`, context);
      const summary = made?.querySelector("summary");
      if (summary) summary.textContent = text.sections[name] || name;
      return made;
    }).filter(Boolean);
    const live = schema.properties.live && fieldsOf(schema.properties.live, whole, "live", "live", context);
    if (live) live.querySelector("summary").textContent = text.sections.live;
    show(form, live, parts.filter((one) => one.tagName !== "LABEL"), h("div", { class: "grid" }, parts.filter((one) => one.tagName === "LABEL")),
      h("h2", {}, text.strategy), listOf(schema.properties.strategy.items, whole, "strategy", "strategy", context));
  }

  const place = h("form", { class: "sides" },
    h("section", { class: "card" }, h("h2", {}, text.form), !names.length && h("p", { class: "soft" }, text.noData), form),
    h("section", { class: "card" }, h("h2", {}, text.yaml), yaml, problems, more, run));
  place.addEventListener("submit", async (event) => {
    event.preventDefault();
    run.disabled = true;
    try {
      await submit(yaml.value, key);
    } catch (error) {
      say(error.message, true);
      run.disabled = false;
    }
  });
  signal.addEventListener("abort", () => { clearTimeout(resting); asking.abort(); });
  return { place, begin: (given) => { yaml.value = given; return check({ yaml: given }, true); } };
}

/** Names of files of records, of all that there are. */
export function recordFiles(files) {
  return files.map((one) => one.name).filter((one) => /\.(dbn|dbz|zst|parquet|csv|gz)$/.test(one));
}
