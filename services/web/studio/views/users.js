import { call, newKey } from "/studio/api.js";
import { field, h, moment, say, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { askFor } from "/studio/views/dialogs.js";
import { roleOf, settingsNav } from "/studio/views/settings.js";
import { paged, row, table } from "/studio/views/tables.js";

/** Who may call the server: list, add, change. */
export async function usersView(main, { user, signal }) {
  const text = TEXT.users;
  const add = h("button", { type: "button", onclick: () => adding((made) => { body.append(lineOf(made)); }) }, text.add);
  const { whole, body } = table(text.title, [text.name, text.email, text.role, text.state, TEXT.at, ""]);

  function lineOf(one) {
    const change = h("button", { class: "plain", type: "button", onclick: () => changing(one, (made) => line.replaceWith(lineOf(made))) },
      text.change, h("span", { class: "unseen" }, ` ${one.name}`));
    const line = row(one.name, one.email || "–", TEXT.roles[roleOf(one)],
      h("span", { class: one.disabled ? "badge bad" : "badge good" }, one.disabled ? text.disabled : text.enabled),
      moment(one.created_at), change);
    return line;
  }

  const { more } = await paged(body, "AuthService/ListUsers", { page_size: 100 }, (page) => page.users.map(lineOf), signal);
  show(main, h("h1", {}, TEXT.settings.title), settingsNav(user), h("h2", {}, text.title),
    h("p", { class: "soft" }, text.teach), h("p", { class: "row" }, add), whole, more);
}

function roleChoice(chosen) {
  return h("select", { name: "role" }, Object.entries(TEXT.roles).map(([name, label]) =>
    h("option", { value: `ROLE_${name.toUpperCase()}`, selected: name === chosen }, label)));
}

function adding(done) {
  const text = TEXT.users;
  const name = h("input", { name: "name", required: true, maxlength: 64, autocomplete: "off" });
  const email = h("input", { name: "email", type: "email", autocomplete: "off" });
  const role = roleChoice("viewer");
  const password = h("input", { name: "password", type: "password", required: true, minlength: 12, autocomplete: "new-password" });
  // One key for all tries: a try whose answer was lost adds nobody twice.
  const key = newKey();
  askFor(text.add, [field(text.name, name), field(text.email, email), field(text.role, role), field(text.password, password, text.least)], text.add, async () => {
    const made = await call("AuthService/CreateUser", {
      name: name.value, email: email.value, role: role.value, password: password.value, idempotency_key: key,
    });
    done(made.user);
    say(text.added(made.user.name));
  });
}

function changing(user, done) {
  const text = TEXT.users;
  const role = roleChoice(roleOf(user));
  const enabled = h("input", { type: "checkbox", name: "enabled", checked: !user.disabled });
  const password = h("input", { name: "password", type: "password", minlength: 12, autocomplete: "new-password" });
  askFor(text.changing(user.name), [h("p", { class: "soft" }, text.ends), field(text.role, role), h("label", { class: "check" }, enabled, text.enabled),
    field(text.password, password, text.stays)], text.save, async () => {
    const asked = { user_id: user.id };
    if (role.value !== user.role) asked.role = role.value;
    if (enabled.checked === user.disabled) asked.disabled = !enabled.checked;
    if (password.value) asked.password = password.value;
    const made = await call("AuthService/SetUser", asked);
    done(made.user);
    say(text.changed(user.name));
  });
}
