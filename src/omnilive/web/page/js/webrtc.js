// A conversation over WebRTC: tracks out, one track and the messages in (WHIP, RFC 9725).
import { endPeer, offer } from "./api.js";
import { track } from "./devices.js";
import { playTrack } from "./playback.js";

const GATHER_MS = 1500;
const SENT_FRAMES = 10; // a second: more than is remembered, few enough for a small server

export class WebRtcLink {
  // act: {message(object), up(), down(why)}; `down` is called once, unless close() was.
  constructor(session, act) {
    this.kind = "webrtc";
    this.session = session;
    this.act = act;
    this.location = "";
    this.closed = false;
    this.peer = new RTCPeerConnection();
    this.senders = {};
    this.answered = false; // the server took the offer; what fails after that is the media path
    this.first = null;
  }

  // Settles when messages can pass; throws Refused, or an Error where the media path fails.
  async open(signal) {
    const { peer } = this;
    const sound = track("microphone");
    const picture = track("camera");
    this.sends = { microphone: sound !== null, camera: picture !== null };
    const audio = peer.addTransceiver(sound || "audio", { direction: sound ? "sendrecv" : "recvonly" });
    this.senders.microphone = audio.sender;
    if (picture) {
      const encodings = [{ maxFramerate: SENT_FRAMES }];
      this.senders.camera = peer.addTransceiver(picture, { direction: "sendonly", sendEncodings: encodings }).sender;
    }
    peer.addEventListener("track", (event) => playTrack(event.track));
    this.channel = peer.createDataChannel("omnilive");
    const opened = this.#opened(signal);
    opened.catch(() => {}); // reported by the await below, also where the offer fails first
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    const answer = await offer(this.session, peer.localDescription.sdp, signal);
    this.location = answer.location;
    this.answered = true;
    await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    await this.#keepSharp();
    await opened;
    this.#watch();
  }

  #opened(signal) {
    return new Promise((resolve, reject) => {
      this.channel.addEventListener("open", resolve);
      this.channel.addEventListener("message", (event) => this.act.message(JSON.parse(event.data)));
      this.peer.addEventListener("connectionstatechange", () => {
        if (this.peer.connectionState === "failed") reject(new Error("ice"));
      });
      signal.addEventListener("abort", () => reject(new Error("time")));
    });
  }

  #watch() {
    const down = (why) => {
      if (this.closed) return;
      this.close();
      this.act.down(why);
    };
    this.channel.addEventListener("close", () => down("channel"));
    this.peer.addEventListener("connectionstatechange", () => {
      const { connectionState } = this.peer;
      if (connectionState === "failed" || connectionState === "closed") down(connectionState);
      clearTimeout(this.doubt);
      // A short hole mends itself; longer than this, a new offer is quicker.
      if (connectionState === "disconnected") this.doubt = setTimeout(() => down("disconnected"), 4000);
    });
  }

  // Small print in the picture is worth more than smooth motion.
  async #keepSharp() {
    const { camera } = this.senders;
    if (!camera) return;
    const parameters = camera.getParameters();
    parameters.degradationPreference = "maintain-resolution";
    await camera.setParameters(parameters).catch(() => {});
  }

  send(message) {
    if (this.channel?.readyState !== "open") return false;
    this.channel.send(JSON.stringify(message));
    return true;
  }

  // Returns whether this link can carry the change; otherwise a new offer is needed.
  replace(device, found) {
    const sender = this.senders[device];
    if (!this.sends[device]) return found === null;
    sender.replaceTrack(found).catch(() => {});
    return true;
  }

  // {captured_s, elapsed_s, buffered_ms, received_ms}: counted from the first look on.
  async figures() {
    const found = { captured_s: 0, elapsed_s: 0, buffered_ms: 0, received_ms: 0 };
    for (const report of (await this.peer.getStats()).values()) {
      if (report.type === "media-source" && report.kind === "audio") {
        const now = { captured: report.totalSamplesDuration || 0, at: report.timestamp };
        this.first ||= now;
        found.captured_s = now.captured - this.first.captured;
        found.elapsed_s = (now.at - this.first.at) / 1000;
      } else if (report.type === "inbound-rtp" && report.kind === "audio") {
        const delay = { seconds: report.jitterBufferDelay || 0, count: report.jitterBufferEmittedCount || 0 };
        const before = this.delay || { seconds: 0, count: 0 };
        const count = delay.count - before.count;
        found.buffered_ms = count > 0 ? (1000 * (delay.seconds - before.seconds)) / count : 0;
        found.received_ms = 1000 * (report.totalSamplesDuration || 0);
        this.delay = delay;
      }
    }
    return found;
  }

  close(goodbye = false) {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.doubt);
    this.peer.close();
    if (goodbye && this.location) endPeer(this.location).catch(() => {});
  }
}

function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, GATHER_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState === "complete") resolve();
    });
  });
}
