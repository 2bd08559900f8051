// Messages of the conversation (docs/protocol.md): parts of the page say which they take.
const handlers = new Map();
const counts = {};
let sender = null;

// What the page leaves alone on purpose; everything else in the protocol has a part that takes it.
export const IGNORED = {
  speech_started: "the floor says who speaks",
  speech_ended: "the floor says who speaks",
  stream_end: "the connection says so first, in words",
  caption: "a clip's moments are read when it is opened",
};

export function on(event, act) {
  if (!handlers.has(event)) handlers.set(event, []);
  handlers.get(event).push(act);
}

export function receive(message) {
  if (!message || typeof message.event !== "string") return;
  counts[message.event] = (counts[message.event] || 0) + 1;
  for (const act of handlers.get(message.event) || []) {
    try {
      act(message);
    } catch (error) {
      // Never the message itself: what was heard stays out of the console.
      console.error(`The page could not show "${message.event}".`, error);
    }
  }
}

export function setSender(send) {
  sender = send;
}

// Returns whether it was sent: false without a connection.
export function command(name, fields = {}) {
  return Boolean(sender && sender({ command: name, ...fields }));
}

export const received = () => ({ ...counts });
