/**
 * A Socket.IO client of what Headway's server speaks: one namespace over a websocket, in JSON (Engine.IO 4, Socket.IO 5).
 *
 * The official client works with the server too. It is five times as large, for it also polls, upgrades, sends files
 * and shares a socket among namespaces.
 */

import { EngineSocket } from "./engine-socket.js";
import { parse } from "./exact.js";

const HEAD = /^(\d)(\d*)/; // a packet's type and the number of a call; JSON follows

export class Socket {
  /** @type {Map<string, (payload: any) => void>} */
  #listeners = new Map();
  /** @type {Map<number, (error: Error | null, answer?: any) => void>} by number, who waits for an answer */
  #calls = new Map();
  #lastCall = 0;
  #engine;
  /** Whether the server has let it in. */
  connected = false;

  /**
   * @param {import("./server.js").Server} server
   * @param {import("./engine-socket.js").Means} [means]
   */
  constructor(server, means = {}) {
    this.#engine = new EngineSocket(server, means, {
      packet: () => this.#emit("packet", undefined),
      open: () => this.#engine.send(`0${server.token && JSON.stringify({ token: server.token })}`),
      message: (message) => this.#read(message),
      lost: (reason) => this.#onLost(reason),
    });
  }

  /** Whether it opens again by itself; false where the server, or the page, has closed it. */
  get active() {
    return this.#engine.active;
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
    this.#engine.connect();
  }

  /** Close it, and leave it closed. */
  disconnect() {
    if (this.connected) this.#engine.send("1");
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
    if (this.connected && this.#engine.hasSlept) this.#engine.lose("ping timeout");
    if (!this.connected) throw new Error("The socket is not open");
    const number = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#answer(number, new Error("The server did not answer in time")), ms);
      this.#calls.set(number, (error, answer) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve(answer);
      });
      this.#engine.send(`2${number}${JSON.stringify([event, payload])}`);
    });
  }

  /** @param {string} message */
  #read(message) {
    let type, number, payload;
    try {
      const [head, first, rest] = /** @type {RegExpExecArray} */ (HEAD.exec(message));
      type = first;
      number = Number(rest);
      payload = message.length > head.length && parse(message.slice(head.length));
    } catch {
      return this.#engine.lose("parse error");
    }
    switch (type) {
      case "0":
        this.connected = true;
        this.#emit("connect", undefined);
        break;
      case "1":
        this.#end("io server disconnect");
        break;
      case "2":
        this.#emit(payload[0], payload[1]);
        break;
      case "3":
        this.#answer(number, null, payload[0]);
        break;
      case "4":
        this.#end("");
        this.#emit("connect_error", new Error(payload.message));
    }
  }

  /** @param {string} reason */
  #onLost(reason) {
    if (this.#letGo()) this.#emit("disconnect", reason);
    else this.#emit("connect_error", new Error(reason));
  }

  /** @param {string} reason */
  #end(reason) {
    this.#engine.end();
    if (this.#letGo()) this.#emit("disconnect", reason);
  }

  /** Answer the calls that wait, and return whether it was connected. */
  #letGo() {
    const wasConnected = this.connected;
    this.connected = false;
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
