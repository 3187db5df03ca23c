import { call, login } from "/studio/api.js";
import { field, h, moment, say, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { deleteLater } from "/studio/undo.js";
import { row, table } from "/studio/views/tables.js";

/** Links between the parts of the settings; who may not see a part is not shown its link. */
export function settingsNav(user) {
  const text = TEXT.settings;
  const parts = [["/settings", text.account], ["/settings/users", text.users, "administer"],
    ["/settings/audit", text.audit, "administer"], ["/settings/health", text.health]];
  return h("nav", { class: "parts", "aria-label": text.title }, parts
    .filter(([, , needed]) => !needed || user.may.has(needed))
    .map(([path, label]) => h("a", { href: path, "aria-current": location.pathname === path ? "page" : null }, label)));
}

/** Return a user's role as the strings have it. */
export function roleOf(user) {
  return user.role.replace("ROLE_", "").toLowerCase();
}

/** One's own: who one is, another password, keys of exchanges. */
export async function settingsView(main, { user, signal }) {
  const text = TEXT.settings;
  const keys = user.may.has("live") ? await keysOf(signal) : null;
  show(main, h("h1", {}, text.title), settingsNav(user),
    h("section", { class: "card" }, h("h2", {}, text.account),
      h("p", {}, h("b", {}, user.name), " ", h("span", { class: "badge good" }, TEXT.roles[roleOf(user)])),
      h("p", { class: "soft" }, `${text.may} ${Object.keys(text.permissions).filter((one) => user.may.has(one)).map((one) => text.permissions[one]).join(", ")}.`)),
    h("section", { class: "card" }, h("h2", {}, text.password), h("p", { class: "soft" }, text.passwordTeach), passwordForm(user)),
    keys && h("section", { class: "card" }, h("h2", {}, text.keys), h("p", { class: "soft" }, text.keysTeach), keys));
}

function passwordForm(user) {
  const text = TEXT.settings;
  const hidden = (name, kind) => h("input", { type: "password", name, autocomplete: kind, required: true, minlength: kind === "new-password" ? 12 : null });
  const current = hidden("current", "current-password");
  const following = hidden("following", "new-password");
  const again = hidden("again", "new-password");
  // Whose password it is, for what keeps passwords.
  const whose = h("input", { name: "username", autocomplete: "username", value: user.name, hidden: true });
  const form = h("form", {}, whose, h("div", { class: "row" }, field(text.current, current), field(text.following, following), field(text.again, again)),
    h("button", {}, text.change));
  const fit = () => again.setCustomValidity(again.value === following.value ? "" : text.differ);
  following.addEventListener("input", fit);
  again.addEventListener("input", fit);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await call("AuthService/ChangePassword", { current_password: current.value, new_password: following.value });
      // Every login has ended with that, this one included.
      await login(user.name, following.value);
      form.reset();
      say(text.changed);
    } catch (error) {
      say(error.message, true);
    }
  });
  return form;
}

async function keysOf(signal) {
  const text = TEXT.settings;
  const { whole, body } = table(text.keys, [text.keyName, text.exchange, text.sealed, TEXT.at, ""]);
  const none = h("p", {}, text.noKeys);
  const fit = () => { whole.hidden = !body.rows.length; none.hidden = Boolean(body.rows.length); };
  const shown = (key) => {
    const gone = h("button", { class: "danger", type: "button", onclick: () => deleteLater(text.removing(key.name),
      () => { line.hidden = true; }, () => { line.hidden = false; }, async () => {
        await call("KeyService/RemoveKey", { name: key.name });
        line.remove();
        fit();
        return text.removed(key.name);
      }) }, text.remove, h("span", { class: "unseen" }, ` ${key.name}`));
    const line = row(key.name, key.exchange, key.sealing_key_id, moment(key.created_at), gone);
    return line;
  };
  body.append(...(await call("KeyService/ListKeys", {}, signal)).keys.map(shown));
  fit();
  const name = h("input", { name: "key", required: true, autocomplete: "off" });
  const exchange = h("input", { name: "exchange", required: true, autocomplete: "off" });
  const secret = h("input", { name: "secret", type: "password", required: true, autocomplete: "off" });
  const form = h("form", { class: "row" }, field(text.keyName, name), field(text.exchange, exchange), field(text.secret, secret), h("button", {}, text.keep));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const { key } = await call("KeyService/AddKey", { name: name.value, exchange: exchange.value, secret: inBase64(secret.value) });
      form.reset();
      body.append(shown(key));
      fit();
      say(text.kept(key.name));
    } catch (error) {
      secret.value = "";
      say(error.message, true);
    }
  });
  return h("div", {}, none, whole, form);
}

function inBase64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
