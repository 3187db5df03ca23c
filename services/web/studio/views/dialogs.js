import { h } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";

/** Show a form in front of the page; `save()` may refuse by failing, which is said in it.
 * Escape closes it, and the focus goes back to where it was. */
export function askFor(title, fields, go, save) {
  const wrong = h("p", { class: "bad", role: "alert" });
  const send = h("button", {}, go);
  const heading = h("h2", { id: "dialog-title" }, title);
  const close = h("button", { class: "plain", type: "button", onclick: () => dialog.close() }, TEXT.close);
  const form = h("form", {}, heading, fields, wrong, h("p", { class: "row" }, send, close));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    try {
      await save();
      dialog.close();
    } catch (error) {
      wrong.textContent = error.message;
    } finally {
      send.disabled = false;
    }
  });
  const dialog = opened(form);
}

/** Show something in front of the page. */
export function tell(title, ...children) {
  const close = h("button", { type: "button", onclick: () => dialog.close() }, TEXT.close);
  const dialog = opened(h("div", {}, h("h2", { id: "dialog-title" }, title), children, h("p", { class: "row" }, close)));
}

function opened(content) {
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
