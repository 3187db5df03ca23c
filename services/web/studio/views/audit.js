import { h, moment, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { settingsNav } from "/studio/views/settings.js";
import { paged, row, table } from "/studio/views/tables.js";

/** What was done by whom, the newest first. */
export async function auditView(main, { user, signal }) {
  const text = TEXT.audit;
  const { whole, body } = table(text.title, [[text.number, "num"], TEXT.at, text.who, text.what, text.details]);
  const { more } = await paged(body, "AuthService/ListAudit", { page_size: 100 }, (page) => page.entries.map((one) =>
    row([one.id, "num"], moment(one.at), one.who, one.what, h("code", {}, one.details))), signal);
  show(main, h("h1", {}, TEXT.settings.title), settingsNav(user), h("h2", {}, text.title),
    h("p", { class: "soft" }, text.teach), whole, more);
}
