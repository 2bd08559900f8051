// Binary frames of the WebSocket (docs/protocol.md): one byte kind, eight bytes time, the payload.
export const SOUND = 1;
export const PICTURE = 2;
const SPOKEN = 3;
const HEAD = 9;

// `time` in whole microseconds; `payload` a Uint8Array.
export function pack(kind, time, payload) {
  const frame = new Uint8Array(HEAD + payload.byteLength);
  const view = new DataView(frame.buffer);
  view.setUint8(0, kind);
  view.setBigUint64(1, BigInt(Math.max(0, Math.round(time))), true);
  frame.set(payload, HEAD);
  return frame;
}

// Returns {kind, time, samples}, or null for what is no sound of the server.
export function unpack(buffer) {
  if (buffer.byteLength < HEAD || (buffer.byteLength - HEAD) % 2) return null;
  const view = new DataView(buffer);
  const kind = view.getUint8(0);
  if (kind !== SPOKEN) return null;
  return { kind, time: Number(view.getBigUint64(1, true)), samples: new Int16Array(buffer.slice(HEAD)) };
}
