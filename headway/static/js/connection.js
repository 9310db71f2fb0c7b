/** One websocket to the server, and the truth about it: what the chip says, the server's state and its clock. */

import { translatedLabels } from "./language.js";
import { ServerClock } from "./clock.js";
import { ConnectionFacts } from "./connection-facts.js";
import { ReconnectingSocket } from "./reconnecting-socket.js";
import { Emitter } from "./listeners.js";
import { Server } from "./server.js";
import { Socket } from "./socket.js";

/**
 * @typedef {import("./connection-facts.js").ConnectionState} ConnectionState
 * @typedef {import("./server.js").ServerState} ServerState
 *
 * @typedef {"connect" | "announced" | "server" | "snapshot" | "forgotten" | "log" | "stream" | "files" | "change"} Topic "server":
 *   the server's state, read anywhere; "announced": it came over the socket
 */

/** @extends {Emitter<Topic>} */
export class Connection extends Emitter {
  #socket;
  #facts = new ConnectionFacts();
  /** @type {ServerState | null} */
  server = null;

  /**
   * @param {object} [means]
   * @param {Server} [means.server]
   * @param {Socket} [means.socket] to the server
   * @param {() => number} [means.random]
   * @param {ServerClock} [means.clock]
   */
  constructor({
    server = new Server(),
    socket = new Socket(server),
    random = Math.random,
    clock = new ServerClock(),
  } = {}) {
    super();
    this.address = server;
    this.#socket = new ReconnectingSocket(socket, random);
    this.clock = clock;
    /** When anything was last heard; the server's time, ms. */
    this.heardAt = clock.now();
  }

  /** Open the socket and keep it open. */
  open() {
    const socket = this.#socket;
    socket.on("server", (/** @type {ServerState} */ server) => this.#onServer(server));
    for (const topic of /** @type {const} */ (["snapshot", "forgotten", "log", "stream", "files"])) {
      socket.on(topic, (payload) => this.emit(topic, payload));
    }
    socket.open({
      connect: () => this.#connected(),
      disconnect: () => this.note({ connected: false, serverIsLive: false, allAcknowledged: false }),
      silence: (silent) => this.note({ silent }),
    });
  }

  /** Close the socket for good. */
  close() {
    this.#socket.close();
  }

  get connected() {
    return this.#facts.connected;
  }

  get pollSeconds() {
    return this.#facts.pollSeconds;
  }

  get fault() {
    return this.#facts.fault;
  }

  /**
   * What the tasks of this name say instead of the usual words.
   *
   * @param {string} name
   * @returns {import("./words.js").Labels}
   */
  labelsOf(name) {
    return translatedLabels(this.server?.labels?.[name] ?? {});
  }

  /** Why it is not live, in half a sentence. */
  get why() {
    return this.#facts.why(this.#socket.refusal);
  }

  get state() {
    return this.#facts.state;
  }

  /** The server's time, ms. */
  now() {
    return this.clock.now();
  }

  /**
   * Note what others know of the connection.
   *
   * @param {Partial<ConnectionFacts>} news
   */
  note(news) {
    if (this.#facts.note(news)) this.emit("change", this.state);
  }

  /**
   * Take in the server's state, which a poll brings too.
   *
   * @param {ServerState} server
   */
  onServerState(server) {
    this.server = server;
    if (server.now) this.clock.set(Date.parse(server.now));
    this.heardAt = this.now();
    this.emit("server", server);
  }

  /** Take in that the server has answered, and is as it was. */
  onNothingNew() {
    if (this.server) this.onServerState({ ...this.server, now: null });
  }

  /**
   * Take in a time that the server wrote, perhaps long ago.
   *
   * @param {string} time
   */
  observe(time) {
    this.heardAt = this.clock.observe(Date.parse(time));
  }

  /**
   * Call the server and return its answer. Rejects for `{error}`, and without an answer in time.
   *
   * @param {string} event
   * @param {object} payload
   * @returns {Promise<any>}
   */
  async request(event, payload) {
    const answer = await this.#socket.request(event, payload);
    if (answer?.error) throw new Error(answer.error.message);
    return answer;
  }

  /** Connect now rather than at the next turn of the back-off. */
  reconnectNow() {
    this.#socket.reconnectNow();
  }

  #connected() {
    this.clock.measureAgain();
    this.note({ connected: true, allAcknowledged: false });
    this.emit("connect", undefined);
  }

  /** @param {ServerState} server */
  #onServer(server) {
    this.onServerState(server);
    this.emit("announced", server);
    this.note({ serverIsLive: server.live }); // last: what asks again has said so by now
  }
}
