// Calls of the server. Tokens are in cookies that no script sees.

const HEADERS = { "content-type": "application/json", "x-tapewire": "1" };
/** How long until a stream that broke is asked for again, ms: longer each time. */
const AGAIN_MS = [500, 1000, 2000, 4000, 8000];

export class CallError extends Error {
  constructor(status, told) {
    super(told.error || `status ${status}`);
    this.status = status;
    this.reason = told.reason || "";
  }
}

let refreshing = null;
let onLogin = () => {};

/** Who is to be told when nobody is logged in. */
export function whenLoggedOut(told) {
  onLogin = told;
}

async function told(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}

/** Ask for something that may use up the refresh token, while no other tab does. */
function alone(ask) {
  // Browsers have locks for pages over TLS and of their own host; a server has no others.
  return navigator.locks ? navigator.locks.request("tapewire-refresh", ask) : ask();
}

function refresh() {
  // One for all calls that need it, and one tab after the other: a refresh token is good once.
  refreshing ??= alone(() => fetch("/api/session/refresh", { method: "POST", headers: HEADERS }))
    .finally(() => { refreshing = null; });
  return refreshing;
}

async function asked(path, body, signal) {
  const ask = () => fetch(path, { method: "POST", headers: HEADERS, body: JSON.stringify(body), signal });
  let response = await ask();
  if (response.status === 401 && (await refresh()).ok) response = await ask();
  if (response.ok) return response;
  const error = new CallError(response.status, await told(response));
  if (response.status === 401) onLogin();
  throw error;
}

/** Make a call with one answer. */
export async function call(name, body = {}, signal = undefined) {
  return (await asked(`/api/call/${name}`, body, signal)).json();
}

/** Take events apart as they come; `hear(event, data)`. */
export async function events(stream, hear) {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await stream.read();
    text += decoder.decode(value, { stream: !done });
    const whole = text.split("\n\n");
    text = whole.pop();
    for (const part of whole) {
      const lines = part.split("\n");
      const named = (name) => lines.filter((l) => l.startsWith(`${name}: `)).map((l) => l.slice(name.length + 2)).join("\n");
      hear(named("event") || "message", JSON.parse(named("data") || "{}"));
    }
    if (done) return;
  }
}

/** Make a call with many answers, once. */
export async function stream(name, body, hear, signal = undefined) {
  const response = await asked(`/api/stream/${name}`, body, signal);
  let ended = false;
  await events(response.body.getReader(), (event, data) => {
    if (event === "failed") throw new CallError(500, data);
    if (event === "ended") ended = true;
    else hear(data);
  });
  if (!ended) throw new TypeError("the stream broke off");
}

/** Hear a stream of calls until its end, over lost connections; `after` returns what to ask for. */
async function followed(name, after, hear, away, signal) {
  let tries = 0;
  for (;;) {
    try {
      await stream(name, after(), (told) => {
        tries = 0;
        hear(told);
      }, signal);
      return;
    } catch (error) {
      if (signal.aborted) return;
      // What the server refuses stays refused; what broke or was too busy comes back.
      if (error instanceof CallError && ![429, 500, 503].includes(error.status)) throw error;
      if (tries >= 1) away();
      await new Promise((done) => setTimeout(done, AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)]));
      tries += 1;
    }
  }
}

/** Watch a job until it has ended, over lost connections; `hear(job)`. */
export async function watch(jobId, hear, away, signal) {
  let seq = "0";
  await followed("JobService/Watch", () => ({ job_id: jobId, after_seq: seq }), ({ job }) => {
    seq = job.seq;
    hear(job);
  }, away, signal);
}

/** Watch a session until it has ended, over lost connections; `hear({ job, state, session })`. */
export async function watchSession(jobId, hear, away, signal) {
  let seq = "0";
  await followed("LiveTradingService/Watch", () => ({ job_id: jobId, after_seq: seq }), (told) => {
    seq = told.seq;
    hear(told);
  }, away, signal);
}

/** Return who is logged in, with what they may do; null: nobody is. */
export async function known() {
  const response = await alone(() => fetch("/api/session/known", { method: "POST", headers: HEADERS, body: "{}" }));
  const found = await told(response);
  if (!response.ok) throw new CallError(response.status, found);
  return found.user && { ...found.user, may: new Set(found.permissions) };
}

/** Log in; returns what is told of the user. */
export async function login(name, password) {
  const response = await fetch("/api/session", { method: "POST", headers: HEADERS, body: JSON.stringify({ name, password }) });
  if (!response.ok) throw new CallError(response.status, await told(response));
  return response.json();
}

export async function logout() {
  await fetch("/api/session", { method: "DELETE", headers: HEADERS });
}

/** Return a key of one's own for a call that changes something. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
}
