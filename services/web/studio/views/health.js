import { call } from "/studio/api.js";
import { h, say, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { settingsNav } from "/studio/views/settings.js";

/** Whether the server can do its work, and what it found. */
export async function healthView(main, { user, signal }) {
  const text = TEXT.health;
  const state = h("p", { role: "status" });
  const found = h("dl", { class: "facts" });
  const again = h("button", { type: "button", onclick: () => look().catch((error) => say(error.message, true)) }, text.again);
  async function look() {
    const told = await call("HealthService/Check", {}, signal);
    const serves = told.status === "SERVING_STATUS_SERVING";
    show(state, h("span", { class: serves ? "badge good" : "badge bad" }, serves ? text.serves : text.failing),
      ` ${text.looked(new Date().toLocaleTimeString("en-GB"))}`);
    show(found, Object.entries(told.details).sort().map(([name, sentence]) =>
      [h("dt", {}, text.names[name] || name), h("dd", {}, sentence)]).flat());
  }
  await look();
  show(main, h("h1", {}, TEXT.settings.title), settingsNav(user), h("h2", {}, text.title),
    h("section", { class: "card" }, state, found, again));
}
