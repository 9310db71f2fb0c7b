/**
 * A Socket.IO client of what Headway's server speaks: one namespace over a websocket, in JSON (Engine.IO 4, Socket.IO 5).
 *
 * The official client works with the server too. It is five times as large, for it also polls, upgrades, sends files
 * and shares a socket among namespaces.
 */

import { parse } from "./exact.js";

const PACKET = /^(4\d|\d)(\d*)(.*)$/s; // its type, the number of a call, JSON
const OPEN_MS = 5000;
const REOPEN_MS = { first: 500, max: 2000 }; // at random: a server that restarts sees all its pages at once

export class Socket {
  /** @type {Map<string, (payload: any) => void>} */
  #listeners = new Map();
  /** @type {Map<number, (error: Error | null, answer?: any) => void>} by number, who waits for an answer */
  #calls = new Map();
  #lastCall = 0;
  #server;
  #open;
  #random;
  /** @type {WebSocket | null} */
  #websocket = null;
  #attempts = 0;
  #pingMs = 0; // between two pings of the server's, at most
  #pingDue = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} until it must have opened; have had a ping; until it opens again */
  #timer;
  #onOffline = () => {
    // A lost network closes no websocket. It takes none to reach this machine itself.
    if (this.#websocket && new URL(this.#server.socketAddress).hostname !== "localhost") this.#lose("transport close");
  };
  /** Whether the server has let it in. */
  connected = false;
  /** Whether it opens again by itself; false where the server, or the page, has closed it. */
  active = false;

  /**
   * @param {import("./server.js").Server} server
   * @param {{open?: (address: string) => WebSocket, random?: () => number}} [means]
   */
  constructor(server, { open = (address) => new WebSocket(address), random = Math.random } = {}) {
    this.#server = server;
    this.#open = open;
    this.#random = random;
  }

  /**
   * Listen to an event of the server's; or to "connect", "disconnect" with the reason, "connect_error" with the error,
   * "packet" when anything has come. Each has one listener.
   *
   * @param {string} event
   * @param {(payload: any) => void} listener
   */
  on(event, listener) {
    this.#listeners.set(event, listener);
  }

  /** Open it, and again whenever it is lost. */
  connect() {
    if (this.active) return;
    this.active = true;
    globalThis.addEventListener?.("offline", this.#onOffline); // Node has none
    this.#begin();
  }

  /** Close it, and leave it closed. */
  disconnect() {
    if (this.connected) this.#websocket?.send("41");
    this.#end("io client disconnect");
  }

  /**
   * Call the server and return its answer. Rejects without one in time, and when the socket closes.
   *
   * @param {string} event
   * @param {object} payload
   * @param {number} ms
   * @returns {Promise<any>}
   */
  async request(event, payload, ms) {
    if (this.connected && Date.now() > this.#pingDue) this.#lose("ping timeout"); // this machine has slept
    if (!this.connected) throw new Error("The socket is not open");
    const number = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#answer(number, new Error("The server did not answer in time")), ms);
      this.#calls.set(number, (error, answer) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve(answer);
      });
      this.#websocket?.send(`42${number}${JSON.stringify([event, payload])}`);
    });
  }

  #begin() {
    this.#timer = setTimeout(() => this.#lose("timeout"), OPEN_MS);
    try {
      const websocket = (this.#websocket = this.#open(this.#server.socketAddress));
      websocket.onmessage = ({ data }) => websocket === this.#websocket && this.#read(data);
      websocket.onclose = () => websocket === this.#websocket && this.#lose("transport close");
    } catch {
      this.#lose("transport error");
    }
  }

  /** @param {string} data */
  #read(data) {
    let type, number, payload;
    try {
      const found = /** @type {RegExpExecArray} */ (PACKET.exec(data));
      type = found[1];
      number = Number(found[2]);
      payload = found[3] && parse(found[3]);
    } catch {
      return this.#lose("parse error");
    }
    this.#emit("packet", undefined);
    switch (type) {
      case "0":
        this.#greet(payload);
        break;
      case "1":
        this.#lose("transport close");
        break;
      case "2":
        this.#websocket?.send("3");
        this.#expectPing();
        break;
      case "40":
        this.connected = true;
        this.#emit("connect", undefined);
        break;
      case "41":
        this.#end("io server disconnect");
        break;
      case "42":
        this.#emit(payload[0], payload[1]);
        break;
      case "43":
        this.#answer(number, null, payload[0]);
        break;
      case "44":
        this.#end("");
        this.#emit("connect_error", new Error(payload.message));
    }
  }

  /** @param {{pingInterval: number, pingTimeout: number}} terms ms */
  #greet({ pingInterval, pingTimeout }) {
    this.#attempts = 0;
    this.#pingMs = pingInterval + pingTimeout;
    this.#expectPing();
    const { token } = this.#server;
    this.#websocket?.send(`40${token && JSON.stringify({ token })}`);
  }

  #expectPing() {
    clearTimeout(this.#timer);
    this.#pingDue = Date.now() + this.#pingMs;
    this.#timer = setTimeout(() => this.#lose("ping timeout"), this.#pingMs);
  }

  /** @param {string} reason */
  #lose(reason) {
    const wasConnected = this.#close();
    const ms = Math.min(REOPEN_MS.max, REOPEN_MS.first * 2 ** this.#attempts++);
    this.#timer = setTimeout(() => this.#begin(), ms * this.#random());
    if (wasConnected) this.#emit("disconnect", reason);
    else this.#emit("connect_error", new Error(reason));
  }

  /** @param {string} reason */
  #end(reason) {
    this.active = false;
    globalThis.removeEventListener?.("offline", this.#onOffline);
    if (this.#close()) this.#emit("disconnect", reason);
  }

  /** Return whether it was connected. */
  #close() {
    const wasConnected = this.connected;
    const websocket = this.#websocket;
    this.connected = false;
    this.#websocket = null;
    clearTimeout(this.#timer);
    websocket?.close();
    for (const number of this.#calls.keys()) this.#answer(number, new Error("The socket has closed"));
    return wasConnected;
  }

  /** @param {number} number @param {Error | null} error @param {any} [answer] */
  #answer(number, error, answer) {
    const call = this.#calls.get(number);
    this.#calls.delete(number);
    call?.(error, answer);
  }

  /** @param {string} event @param {any} payload */
  #emit(event, payload) {
    this.#listeners.get(event)?.(payload);
  }
}
