import { call } from "/studio/api.js";
import { h, moment, percent, say, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";

/** List jobs, the newest first. */
export async function jobsView(main, { signal }) {
  const text = TEXT.jobs;
  const body = h("tbody");
  const more = h("button", { class: "plain" }, TEXT.more);
  let token = "";
  async function next() {
    const page = await call("JobService/List", { page_size: 50, page_token: token }, signal);
    body.append(...page.jobs.map((job) => h("tr", {},
      h("td", { class: "num" }, h("a", { href: `/jobs/${job.id}` }, job.id)), h("td", {}, job.kind),
      h("td", {}, text.states[job.state] || job.state), h("td", { class: "num" }, percent(job.progress)),
      h("td", {}, job.owner), h("td", {}, moment(job.created_at)))));
    token = page.next_page_token;
    more.hidden = !token;
    return page.jobs.length;
  }
  more.addEventListener("click", () => next().catch((error) => say(error.message, true)));
  const count = await next();
  const head = h("tr", {}, Object.values(text.columns).map((one) => h("th", { scope: "col" }, one)));
  show(main, h("h1", {}, TEXT.views.jobs),
    count ? h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, head), body))
      : h("div", { class: "card" }, h("p", {}, text.empty), h("p", { class: "soft" }, text.teach)), more);
}
