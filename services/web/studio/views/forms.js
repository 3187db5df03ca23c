// What several forms ask for.
import { call, newKey } from "/studio/api.js";
import { h, say } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";

/** Return a choice of files of bars; null where the server has none. */
export async function dataChoice(signal) {
  const { files } = await call("DataService/ListDatasets", {}, signal);
  if (!files.length) return null;
  return h("select", { name: "data", required: true }, files.map((one) => h("option", { value: one.name }, one.name)));
}

/** Return the lines of a text that are not empty. */
export function lines(area) {
  return area.value.split("\n").map((one) => one.trim()).filter(Boolean);
}

/** Have a form ask for a job and go where it is watched. */
export function asksForJob(form, name, request, go) {
  // One key as long as the form stands: who sends it twice asks once.
  let key = newKey();
  form.addEventListener("input", () => { key = newKey(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const { job } = await call(name, { ...request(), idempotency_key: key });
      go(`/jobs/${job.id}`);
    } catch (error) {
      say(error.message, true);
    } finally {
      button.disabled = false;
    }
  });
}

export function noData() {
  return h("p", { class: "card" }, TEXT.generate.noData);
}
