import { login } from "/studio/api.js";
import { field, h, say, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";

/** Ask for name and password. */
export function loginView(main, done) {
  const name = h("input", { name: "name", autocomplete: "username", required: true });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const go = h("button", {}, TEXT.login.go);
  const form = h("form", { class: "card narrow" },
    h("h1", {}, TEXT.login.title), field(TEXT.login.name, name), field(TEXT.login.password, password), go,
    h("p", { class: "soft" }, TEXT.login.dev));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      await login(name.value, password.value);
      say("");
      await done();
    } catch (error) {
      say(error.message, true);
      password.value = "";
      password.focus();
    } finally {
      go.disabled = false;
    }
  });
  show(main, form);
  name.focus();
}
