import { h, say } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";

/** How long something deleted can be brought back, ms. */
const UNDO_MS = 6000;

/** Take something from the page at once, and from the server when nobody wanted it back.
 * `act` returns what is said when it is gone. */
export function deleteLater(text, hide, restore, act) {
  hide();
  const back = () => { clearTimeout(timer); restore(); say(TEXT.undo.kept); };
  say(`${text} `);
  document.getElementById("said").append(h("button", { class: "plain", type: "button", onclick: back }, TEXT.undo.undo));
  const timer = setTimeout(async () => {
    try {
      say(await act());
    } catch (error) {
      restore();
      say(error.message, true);
    }
  }, UNDO_MS);
}
