// A form made from JSON Schema, over a plain value that it changes; what it does not know it keeps.
import { h, show } from "/studio/dom.js";
import { RUNS } from "/studio/strings_runs.js";

const words = (name) => name.replaceAll("_", " ");
const isEmpty = (value) => value === undefined || value === null;

/**
 * Return fields of a schema for `owner[key]`. `changed()` is told of each change, `files` are names to
 * choose from, `name` is how a field is called, by its dotted key.
 */
export function fieldsOf(schema, owner, key, name, context) {
  if (schema.oneOf) return variantsOf(schema, owner, key, name, context);
  if (schema.properties) return partsOf(schema, owner, key, name, context);
  if (schema.additionalProperties) return entriesOf(schema, owner, key, name, context);
  return fieldOf(schema, owner, key, name, context);
}

function labelled(name, key, schema, input) {
  const hint = schema.description && !schema.properties ? h("small", { class: "soft" }, schema.description) : null;
  return h("label", { class: "field" }, h("span", {}, words(String(key))), input, hint);
}

/** Set a value, making what it stands in; undefined takes it away. */
function put(owner, key, value) {
  if (value === undefined) delete owner[key];
  else owner[key] = value;
}

function fieldOf(schema, owner, key, name, { changed, files }) {
  const value = owner[key];
  const kind = schema.const !== undefined ? "const" : schema.enum ? "enum" : schema.type;
  if (kind === "const") return null;
  let input;
  let read;
  if (kind === "enum" || kind === "boolean") {
    const options = kind === "enum" ? schema.enum : [true, false];
    const unset = isEmpty(schema.default) ? RUNS.backtest.unset : `${schema.default}`;
    input = h("select", { name }, h("option", { value: "", selected: isEmpty(value) }, unset),
      options.map((one) => h("option", { value: String(one), selected: value === one }, String(one))));
    read = () => (input.value === "" ? undefined : kind === "enum" ? input.value : input.value === "true");
  } else if (kind === "array" && schema.format === "data-file") {
    const chosen = Array.isArray(value) ? value : [];
    const known = [...new Set([...files, ...chosen])];
    input = h("select", { name, multiple: true, size: Math.min(6, Math.max(2, known.length)) },
      known.map((one) => h("option", { value: one, selected: chosen.includes(one) }, one)));
    read = () => { const found = [...input.selectedOptions].map((one) => one.value); return found.length ? found : undefined; };
  } else if (kind === "string" && schema.format === "data-file") {
    input = h("select", { name }, h("option", { value: "" }, RUNS.backtest.unset), [...new Set([...files, ...(value ? [value] : [])])].map((one) => h("option", { value: one, selected: one === value }, one)));
    read = () => input.value || undefined;
  } else if (kind === "array") {
    const simple = !schema.items || ["string", "integer", "number"].includes(schema.items.type);
    if (!simple) return null;
    input = h("input", { name, value: Array.isArray(value) ? value.join(", ") : "", placeholder: RUNS.backtest.unset });
    read = () => { const found = input.value.split(",").map((one) => one.trim()).filter(Boolean); return found.length ? (schema.items?.type === "string" ? found : found.map(Number)) : undefined; };
  } else if (kind === "integer" || kind === "number") {
    input = h("input", { name, type: "number", step: kind === "integer" ? 1 : "any", min: schema.minimum, max: schema.maximum,
      value: isEmpty(value) ? "" : value, placeholder: isEmpty(schema.default) ? RUNS.backtest.unset : schema.default });
    read = () => (input.value === "" ? undefined : Number(input.value));
  } else if (kind === "string") {
    input = h("input", { name, value: isEmpty(value) ? "" : value, placeholder: isEmpty(schema.default) ? RUNS.backtest.unset : schema.default });
    read = () => (input.value === "" ? undefined : input.value);
  } else {
    return null;
  }
  input.addEventListener("change", () => { put(owner, key, read()); changed(); });
  return labelled(name, key, schema, input);
}

/** Keep a part of a value only while it has something. */
function inner(owner, key, context) {
  const part = owner[key] && typeof owner[key] === "object" && !Array.isArray(owner[key]) ? owner[key] : {};
  const changed = () => {
    if (Object.keys(part).length) owner[key] = part; else delete owner[key];
    context.changed();
  };
  return [part, { ...context, changed }];
}

function partsOf(schema, owner, key, name, context) {
  const [part, within] = inner(owner, key, context);
  const simple = [];
  const grouped = [];
  for (const [one, of] of Object.entries(schema.properties)) {
    const made = fieldsOf(of, part, one, `${name}.${one}`, within);
    if (!made) continue;
    if (made.tagName === "LABEL") simple.push(made); else grouped.push(made);
  }
  const open = Object.keys(part).length > 0;
  return h("details", { class: "group", open }, h("summary", {}, words(String(key))), h("div", { class: "grid" }, simple), grouped);
}

function variantsOf(schema, owner, key, name, context) {
  const tag = Object.entries(schema.oneOf[0].properties).find(([, of]) => of.const !== undefined)[0];
  const kinds = schema.oneOf.map((one) => one.properties[tag].const);
  const [part, within] = inner(owner, key, context);
  const known = schema.oneOf.find((one) => one.properties[tag].const === part[tag]);
  const options = known || isEmpty(part[tag]) ? kinds : [...kinds, part[tag]];
  const choice = h("select", { name: `${name}.${tag}` }, h("option", { value: "" }, RUNS.backtest.unset),
    options.map((one) => h("option", { value: one, selected: one === part[tag] }, one)));
  const fields = h("div");
  const place = h("details", { class: "group", open: Object.keys(part).length > 0 }, h("summary", {}, words(String(key))),
    h("label", { class: "field" }, h("span", {}, RUNS.backtest.choose), choice), fields);
  function fill() {
    const variant = schema.oneOf.find((one) => one.properties[tag].const === part[tag]);
    const made = Object.entries(variant ? variant.properties : {}).map(([one, of]) => fieldsOf(of, part, one, `${name}.${one}`, within)).filter(Boolean);
    show(fields, h("div", { class: "grid" }, made.filter((one) => one.tagName === "LABEL")), made.filter((one) => one.tagName !== "LABEL"));
  }
  choice.addEventListener("change", () => {
    // Parameters of another kind would be refused by name.
    for (const one of Object.keys(part)) if (one !== "name") delete part[one];
    if (choice.value) part[tag] = choice.value;
    fill();
    within.changed();
  });
  fill();
  return place;
}

function entriesOf(schema, owner, key, name, context) {
  const [part, within] = inner(owner, key, context);
  const list = h("div");
  const fill = () => show(list, Object.keys(part).map((one) => {
    const made = fieldsOf(schema.additionalProperties, part, one, `${name}.${one}`, within);
    const away = h("button", { type: "button", class: "plain small", "aria-label": `${RUNS.backtest.remove} ${one}`, onclick: () => { delete part[one]; fill(); within.changed(); } }, RUNS.backtest.remove);
    return h("div", { class: "entry" }, made, away);
  }));
  const fresh = h("input", { "aria-label": RUNS.backtest.name, placeholder: RUNS.backtest.name });
  const add = h("button", { type: "button", class: "plain small", onclick: () => {
    if (fresh.value && !Object.hasOwn(part, fresh.value)) { part[fresh.value] = {}; fresh.value = ""; fill(); within.changed(); }
  } }, RUNS.backtest.add);
  fill();
  return h("details", { class: "group", open: Object.keys(part).length > 0 }, h("summary", {}, words(String(key))), list, h("p", { class: "row" }, fresh, add));
}

/** Return fields of a list of values of one schema. */
export function listOf(schema, owner, key, name, context) {
  if (!Array.isArray(owner[key])) owner[key] = isEmpty(owner[key]) ? [] : [owner[key]];
  const list = owner[key];
  const place = h("div");
  function fill() {
    show(place, list.map((_, k) => {
      const made = fieldsOf(schema, list, k, `${name}.${k}`, { ...context, changed: () => { if (list[k] === undefined) list[k] = {}; context.changed(); } });
      made.querySelector("summary").textContent = list[k]?.name || list[k]?.type || String(k + 1);
      return h("div", { class: "entry" }, made, h("button", { type: "button", class: "plain small", "aria-label": `${RUNS.backtest.remove} ${k + 1}`, onclick: () => { list.splice(k, 1); fill(); context.changed(); } }, RUNS.backtest.remove));
    }), h("button", { type: "button", class: "plain small", onclick: () => { list.push({ type: schema.oneOf[0].properties.type.const }); fill(); context.changed(); } }, RUNS.backtest.add));
  }
  fill();
  return place;
}
