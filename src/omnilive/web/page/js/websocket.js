// The same conversation over one WebSocket, where WebRTC finds no way: PCM and JPEG out, PCM in.
import { socketAddress } from "./api.js";
import { track } from "./devices.js";
import { pack, PICTURE, SOUND, unpack } from "./frames.js";
import { openSound, playNode } from "./playback.js";

const SPOKEN_RATE = 24000;
const HEARD_RATE = 16000;
const PICTURE_MS = 1000;
const QUALITY = 0.8;
const MOST_WAITING = 1_000_000; // bytes not yet sent; pictures are left out beyond it, sound never
const SLIP_US = 200_000; // microphone behind the clock by more: a hole, placed anew

const nowUs = () => (performance.timeOrigin + performance.now()) * 1000;

export class SocketLink {
  constructor(session, act) {
    this.kind = "websocket";
    this.session = session;
    this.act = act;
    this.closed = false;
    this.buffered = 0;
    this.received = 0;
    this.captured = 0;
    this.sources = {};
    this.carries = {};
  }

  async open(signal) {
    await this.#openPlayback();
    for (const device of ["microphone", "camera"]) this.carries[device] = track(device) !== null;
    const { microphone, camera } = this.carries;
    const socket = new WebSocket(socketAddress(this.session, { microphone: Number(microphone), camera: Number(camera) }));
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#take(data));
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("close", () => reject(new Error("socket")));
      signal.addEventListener("abort", () => reject(new Error("time")));
    });
    socket.addEventListener("close", () => {
      if (this.closed) return;
      this.close();
      this.act.down("socket");
    });
    for (const device of ["microphone", "camera"]) this.replace(device, track(device));
  }

  async #openPlayback() {
    const context = openSound(SPOKEN_RATE);
    await context.audioWorklet.addModule("/static/js/playback_worklet.js");
    this.player = new AudioWorkletNode(context, "omnilive-playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.player.port.onmessage = ({ data }) => {
      this.buffered = data;
    };
    playNode(this.player);
  }

  #take(data) {
    if (typeof data === "string") {
      this.act.message(JSON.parse(data));
      return;
    }
    const frame = unpack(data);
    if (!frame) return;
    this.received += frame.samples.length;
    this.player.port.postMessage(frame.samples, [frame.samples.buffer]);
  }

  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  // Returns whether this link can carry the change; otherwise a new one is needed.
  replace(device, found) {
    if (found && !this.carries[device]) return false;
    this.sources[device]?.();
    this.sources[device] = null;
    if (found) {
      const begin = device === "camera" ? sendPictures : sendSound;
      this.sources[device] = begin(this, found);
    }
    return true;
  }

  async figures() {
    return {
      captured_s: this.captured / HEARD_RATE,
      elapsed_s: this.since ? (performance.now() - this.since) / 1000 : 0,
      buffered_ms: (1000 * this.buffered) / SPOKEN_RATE,
      received_ms: (1000 * this.received) / SPOKEN_RATE,
    };
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    for (const device of Object.keys(this.sources)) this.replace(device, null);
    this.player?.disconnect();
    this.socket?.close();
  }
}

// Each returns what stops it.
function sendSound(link, found) {
  const context = new AudioContext();
  let startUs = 0;
  let count = 0;
  const take = ({ data }) => {
    const lengthUs = (data.length / HEARD_RATE) * 1e6;
    const dueUs = startUs + (count / HEARD_RATE) * 1e6;
    const beganUs = nowUs() - lengthUs;
    if (!startUs || beganUs - dueUs > SLIP_US) [startUs, count] = [beganUs, 0];
    link.since ||= performance.now();
    link.captured += data.length;
    const atUs = startUs + (count / HEARD_RATE) * 1e6;
    count += data.length;
    if (link.socket.readyState === WebSocket.OPEN) {
      link.socket.send(pack(SOUND, atUs, new Uint8Array(data.buffer)));
    }
  };
  const begin = async () => {
    await context.resume();
    await context.audioWorklet.addModule("/static/js/capture_worklet.js");
    const node = new AudioWorkletNode(context, "omnilive-capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = take;
    context.createMediaStreamSource(new MediaStream([found])).connect(node);
  };
  begin().catch(() => {}); // closed while it began
  return () => context.close();
}

function sendPictures(link, found) {
  const video = document.createElement("video");
  const canvas = document.createElement("canvas");
  Object.assign(video, { muted: true, playsInline: true, srcObject: new MediaStream([found]) });
  video.play().catch(() => {});
  const take = () => {
    if (!video.videoWidth || link.socket.bufferedAmount > MOST_WAITING) return;
    const scale = Math.min(1, 640 / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const atUs = nowUs();
    canvas.toBlob(async (blob) => {
      if (!blob || link.socket.readyState !== WebSocket.OPEN) return;
      link.socket.send(pack(PICTURE, atUs, new Uint8Array(await blob.arrayBuffer())));
    }, "image/jpeg", QUALITY);
  };
  const timer = setInterval(take, PICTURE_MS);
  return () => {
    clearInterval(timer);
    video.srcObject = null;
  };
}
