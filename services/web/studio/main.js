// Which view is shown: the address says it, so that each can be linked to.
import { known, logout, whenLoggedOut } from "/studio/api.js";
import { h, say, show } from "/studio/dom.js";
import { TEXT } from "/studio/strings.js";
import { loginView } from "/studio/views/login.js";
import { analysisView } from "/studio/views/analysis.js";
import { backtestView } from "/studio/views/backtest.js";
import { runView } from "/studio/views/run.js";
import { liveView } from "/studio/views/live.js";
import { sessionView } from "/studio/views/session.js";
import { strategiesView } from "/studio/views/strategies.js";
import { strategyView } from "/studio/views/strategy.js";
import { generateView } from "/studio/views/generate.js";
import { optimiseView } from "/studio/views/optimise.js";
import { testView } from "/studio/views/test.js";
import { jobsView } from "/studio/views/jobs.js";
import { jobView } from "/studio/views/job.js";
import { tell } from "/studio/views/dialogs.js";
import { dataView, datasetView } from "/studio/views/data.js";
import { settingsView } from "/studio/views/settings.js";
import { usersView } from "/studio/views/users.js";
import { auditView } from "/studio/views/audit.js";
import { healthView } from "/studio/views/health.js";

const ROUTES = [
  [/^\/$/, strategiesView],
  [/^\/strategies$/, strategiesView],
  [/^\/strategies\/([^/]+)$/, strategyView],
  [/^\/generate$/, generateView],
  [/^\/optimise$/, optimiseView],
  [/^\/test$/, testView],
  [/^\/backtest$/, backtestView],
  [/^\/runs\/(\d+)$/, runView],
  [/^\/live$/, liveView],
  [/^\/live\/(\d+)$/, sessionView],
  [/^\/analysis$/, analysisView],
  [/^\/jobs$/, jobsView],
  [/^\/jobs\/(\d+)$/, jobView],
  [/^\/data$/, dataView],
  [/^\/data\/([^/]+)$/, datasetView],
  [/^\/settings$/, settingsView],
  [/^\/settings\/users$/, usersView],
  [/^\/settings\/audit$/, auditView],
  [/^\/settings\/health$/, healthView],
];
const KEYS = Object.fromEntries(Object.entries(TEXT.keys.letters).map(([view, letter]) => [letter, `/${view}`]));
const main = document.getElementById("main");
let leaving = new AbortController();
let user = null;

/** Go to a view by its address. */
export function go(path) {
  history.pushState({}, "", path);
  open();
}

function nav() {
  const here = location.pathname;
  const links = Object.entries(TEXT.views).map(([name, label]) => {
    const path = `/${name}`;
    const isHere = here === path || here.startsWith(`${path}/`) || (here === "/" && name === "strategies") || (here.startsWith("/runs/") && name === "backtest");
    return h("a", { href: path, "aria-current": isHere ? "page" : null }, label);
  });
  const who = user && h("button", { class: "plain", onclick: leave }, `${TEXT.logout} ${user.name}`);
  show(document.getElementById("nav"), h("span", { class: "brand" }, TEXT.brand), ...(user ? links : []), who);
}

function shortcuts() {
  const keys = [...Object.entries(TEXT.keys.letters).map(([view, letter]) => [["g", letter], TEXT.keys.goes(TEXT.views[view])]),
    [["/"], TEXT.keys.filter], [["?"], TEXT.keys.help]];
  tell(TEXT.keys.title, h("dl", { class: "facts" }, keys.flatMap(([pressed, does]) =>
    [h("dt", {}, pressed.map((one) => h("kbd", {}, one))), h("dd", {}, does)])));
}

async function leave() {
  await logout();
  user = null;
  ask();
}

function ask() {
  leaving.abort();
  user = null;
  nav();
  loginView(main, begin);
}

async function begin() {
  user = await known();
  if (user) open();
  else ask();
}

async function open() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const matched = ROUTES.map(([path, view]) => [location.pathname.match(path), view]).find(([found]) => found);
  nav();
  say("");
  if (!matched) {
    show(main, h("h1", {}, TEXT.missing));
    return;
  }
  const [found, view] = matched;
  try {
    await view(main, { arguments: found.slice(1).map(decodeURIComponent), user, go, signal });
    const title = main.querySelector("h1");
    document.title = title ? `${title.textContent} – ${TEXT.brand}` : TEXT.brand;
  } catch (error) {
    if (signal.aborted || error.status === 401) return;
    show(main, h("h1", {}, TEXT.failed), h("p", { class: "bad" }, error.message));
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button || link.hasAttribute("download")) return;
  event.preventDefault();
  go(link.getAttribute("href"));
  main.focus();
});
let before = "";
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (before === "g" && KEYS[event.key]) { go(KEYS[event.key]); main.focus(); }
  else if (event.key === "/") { document.querySelector("input[type=search]")?.focus(); event.preventDefault(); }
  else if (event.key === "?") shortcuts();
  before = event.key;
});
window.addEventListener("popstate", open);
whenLoggedOut(ask);

begin().catch((error) => {
  show(main, h("h1", {}, TEXT.failed), h("p", { class: "bad" }, error.message));
});
