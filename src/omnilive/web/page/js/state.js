// What the parts of the page know together. The part named writes a field, all others only read it.
export const state = {
  page: "start", // main: start | talk
  connection: "idle", // link: idle | connecting | live | waiting | lost | viewer
  transport: "", // link: webrtc | websocket
  session: "", // link: id of the conversation
  stream: "", // link: name of the stream it is remembered under
  floor: "listening", // floor: who may speak
  turn: "", // floor: whose turn that concerns
  settings: {}, // settings: those in force on the server
  microphone: "off", // devices: on | off | denied | lost
  camera: "off", // devices: likewise
  viewer: false, // link: only looking, another program writes the memory
  problems: [], // health: what is wrong with the connection, in words
};

const watchers = new Map();

export function watch(name, act) {
  if (!watchers.has(name)) watchers.set(name, new Set());
  watchers.get(name).add(act);
}

export function changed(name) {
  for (const act of watchers.get(name) || []) act(state[name]);
}

export function set(name, value) {
  if (state[name] === value) return;
  state[name] = value;
  changed(name);
}
