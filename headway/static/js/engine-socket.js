/** Engine.IO 4 over a websocket alone: opens it, and again whenever it is lost, and answers pings. */

import { parse } from "./exact.js";

/**
 * @typedef {object} Means
 * @property {(address: string) => WebSocket} [open]
 * @property {() => number} [random]
 *
 * @typedef {object} Events
 * @property {() => void} packet anything has come
 * @property {() => void} open
 * @property {(message: string) => void} message
 * @property {(reason: string) => void} lost it opens again by itself
 */

const OPEN_MS = 5000;
const REOPEN_MS = { first: 500, max: 2000 }; // at random: a server that restarts sees all its pages at once

export class EngineSocket {
  #server;
  #open;
  #random;
  #events;
  /** @type {WebSocket | null} */
  #websocket = null;
  #attempts = 0;
  #pingMs = 0; // between two pings of the server's, at most
  #pingDue = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} until it must have opened; have had a ping; until it opens again */
  #timer;
  #onOffline = () => {
    // A lost network closes no websocket. It takes none to reach this machine itself.
    if (this.#websocket && new URL(this.#server.socketAddress).hostname !== "localhost") this.lose("transport close");
  };
  /** Whether it opens again by itself; false where the server, or the page, has closed it. */
  active = false;

  /**
   * @param {import("./server.js").Server} server
   * @param {Means} means
   * @param {Events} events
   */
  constructor(server, { open = (address) => new WebSocket(address), random = Math.random }, events) {
    this.#server = server;
    this.#open = open;
    this.#random = random;
    this.#events = events;
  }

  /** Open it, and again whenever it is lost. */
  connect() {
    if (this.active) return;
    this.active = true;
    globalThis.addEventListener?.("offline", this.#onOffline); // Node has none
    this.#begin();
  }

  /** Close it, and leave it closed. */
  end() {
    this.active = false;
    globalThis.removeEventListener?.("offline", this.#onOffline);
    this.#close();
  }

  /** Close it, and open it again. @param {string} reason */
  lose(reason) {
    this.#close();
    const ms = Math.min(REOPEN_MS.max, REOPEN_MS.first * 2 ** this.#attempts++);
    this.#timer = setTimeout(() => this.#begin(), ms * this.#random());
    this.#events.lost(reason);
  }

  /** @param {string} message */
  send(message) {
    this.#websocket?.send(`4${message}`);
  }

  /** Whether a ping is overdue that no timer has missed: this machine has slept. */
  get hasSlept() {
    return Date.now() > this.#pingDue;
  }

  #begin() {
    this.#timer = setTimeout(() => this.lose("timeout"), OPEN_MS);
    try {
      const websocket = (this.#websocket = this.#open(this.#server.socketAddress));
      websocket.onmessage = ({ data }) => websocket === this.#websocket && this.#read(data);
      websocket.onclose = () => websocket === this.#websocket && this.lose("transport close");
    } catch {
      this.lose("transport error");
    }
  }

  /** @param {string} data */
  #read(data) {
    if (!/^\d/.test(data)) return this.lose("parse error");
    this.#events.packet();
    switch (data[0]) {
      case "0":
        this.#greet(data.slice(1));
        break;
      case "1":
        this.lose("transport close");
        break;
      case "2":
        this.#websocket?.send("3");
        this.#expectPing();
        break;
      case "4":
        this.#events.message(data.slice(1));
    }
  }

  /** @param {string} terms JSON */
  #greet(terms) {
    try {
      const { pingInterval, pingTimeout } = parse(terms);
      this.#pingMs = pingInterval + pingTimeout;
    } catch {
      return this.lose("parse error");
    }
    this.#attempts = 0;
    this.#expectPing();
    this.#events.open();
  }

  #expectPing() {
    clearTimeout(this.#timer);
    this.#pingDue = Date.now() + this.#pingMs;
    this.#timer = setTimeout(() => this.lose("ping timeout"), this.#pingMs);
  }

  #close() {
    const websocket = this.#websocket;
    this.#websocket = null;
    clearTimeout(this.#timer);
    websocket?.close();
  }
}
