// Elements, made without markup: what comes from a server is text, whatever it looks like.

/** Return an element. Properties that begin with "on" are listeners, others are attributes. */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== false)
    .map((one) => (one instanceof Node ? one : String(one))));
  return made;
}

/** Replace what is in an element. */
export function show(place, ...children) {
  place.replaceChildren(...children.flat().filter(Boolean));
}

/** Return a labelled field of a form. */
export function field(label, input, hint = null) {
  return h("label", { class: "field" }, h("span", {}, label), input, hint && h("small", {}, hint));
}

/** Say something to everybody, people who listen included. */
export function say(text, isBad = false) {
  const place = document.getElementById("said");
  place.className = isBad ? "said bad" : "said";
  place.textContent = text;
}

/** Return a number as people read it; nothing for what has no value. */
export function number(value, digits = 3) {
  if (value === undefined || value === null || value === "") return "–";
  const found = Number(value);
  if (!Number.isFinite(found)) return String(value);
  return Number.isInteger(found) ? found.toLocaleString("en") : found.toFixed(digits);
}

export function percent(value) {
  return value === undefined || value === null ? "–" : `${(100 * Number(value)).toFixed(2)} %`;
}

export function moment(text) {
  return text ? text.replace("T", " ").replace(/\..*|Z$/, "") : "–";
}
