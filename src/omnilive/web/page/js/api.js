// The server's HTTP: the only file that knows its addresses and the shapes of what comes back.
export class Refused extends Error {
  // status: HTTP status, 0 where nothing answered; code: of the server's error; retry: seconds to wait.
  constructor(message, status, code, retry = 0) {
    super(message);
    Object.assign(this, { status, code, retry });
  }
}

async function request(path, { method = "GET", json, body, type, signal } = {}) {
  const headers = {};
  if (json !== undefined) [body, type] = [JSON.stringify(json), "application/json"];
  if (type) headers["Content-Type"] = type;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body, signal, credentials: "same-origin", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("", 0, "unreachable");
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

async function refusal(answer) {
  let told = {};
  try {
    told = (await answer.json()).error || {};
  } catch {
    // A proxy's page instead of ours: the status says enough.
  }
  const retry = Number(answer.headers.get("Retry-After")) || 0;
  return new Refused(told.message || answer.statusText || String(answer.status), answer.status, told.code || "", retry);
}

const read = async (path, options) => (await request(path, options)).json();

function query(values) {
  const used = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  return new URLSearchParams(used).toString();
}

const id = encodeURIComponent;

// --- sessions
export const status = () => read("/v1/status");
export const login = (token) => request("/login", { method: "POST", json: { token } });
export const openSession = () => read("/v1/sessions", { method: "POST", json: {} });
export const endSession = (session) => request(`/v1/sessions/${id(session)}`, { method: "DELETE" });
export const socketAddress = (session, media) =>
  `${location.origin.replace(/^http/, "ws")}/v1/sessions/${id(session)}/ws?${query(media)}`;

export async function offer(session, sdp, signal) {
  const answer = await request(`/v1/sessions/${id(session)}/whip`, {
    method: "POST", body: sdp, type: "application/sdp", signal,
  });
  return { sdp: await answer.text(), location: answer.headers.get("Location") || "" };
}

export const endPeer = (location) => request(location, { method: "DELETE" });

// --- memory
export async function moments(values) {
  return (await read(`/v1/moments?${query(values)}`)).moments;
}

export const moment = (name) => read(`/v1/moments/${id(name)}`);
export const picture = (name) => `/v1/moments/${id(name)}/picture.jpg`;
export const clip = (name) => `/v1/clips/${id(name)}.mp4`;
export const pin = (name, keepIt) =>
  request(`/v1/moments/${id(name)}/pin`, { method: keepIt ? "POST" : "DELETE" });
export const wouldForget = (name) => read(`/v1/moments/${id(name)}/forget?preview=1`, { method: "POST" });
export const forget = (name, pinned) =>
  read(`/v1/moments/${id(name)}/forget${pinned ? "?pinned=1" : ""}`, { method: "POST" });
export const streams = async () => (await read("/v1/streams")).streams;
export const turns = async (limit) => (await read(`/v1/turns?${query({ limit })}`)).turns;
export const timeline = (values, signal) => read(`/v1/timeline?${query(values)}`, { signal });

// --- asking without a conversation: the answer as server-sent events, one protocol message each
export async function ask(question, stream, act, signal) {
  const answer = await request("/v1/ask", {
    method: "POST", json: stream ? { question, stream } : { question }, signal,
  });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    waiting = (waiting + value).replace(/\r\n/g, "\n");
    const blocks = waiting.split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:"));
      if (data.length) act(JSON.parse(data.map((line) => line.slice(5).trim()).join("\n")));
    }
  }
}
